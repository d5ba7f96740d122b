"""Training: it learns, it resumes exactly after kill -9, it refuses what it cannot do."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from fesbench.baselines.layers import one_hot
from fesbench.baselines.losses import gradient_penalty
from fesbench.baselines.objectives import Batch, LabelObjective
from fesbench.baselines.settings import Settings
from fesbench.baselines.stargan import StarGAN
from fesbench.baselines.training import Limit, Trainer, TrainingRun, sample_grid
from fesbench.baselines.training_data import load_images, preview_images
from fesbench.cli import cli
from fesbench.contracts import Dataset, Sample
from fesbench.errors import BenchError, CheckpointError, DatasetError, ImageError, SpecError

SMALL = Settings(resolution=32, width=4, discriminator_width=8, batch_size=4, seed=3)
GREY = {"neutral": 60, "happy": 200}


class Flat(Dataset):
    """Subjects whose expression is how bright they are; some samples are not for training."""

    name, split, expressions, digest = "flat", "train", ("neutral", "sad", "happy"), "0" * 64

    def __init__(self, subjects=8):
        self._samples = [self._sample(i, name) for i in range(subjects) for name in GREY]

    @staticmethod
    def _sample(index, expression, domain="studio"):
        shade = np.clip(np.random.default_rng(index).normal(GREY[expression], 8, (40, 32, 3)), 0, 255)
        image = shade.astype(np.uint8)
        return Sample(f"s{index}-{expression}", f"s{index}", expression, domain, lambda: image)

    def samples(self):
        return self._samples


def new_trainer(settings=SMALL, subjects=8):
    data = load_images(Flat(subjects), settings.resolution)
    torch.manual_seed(settings.seed)
    return Trainer(StarGAN.objective(data, settings), data, settings)


def test_gradient_penalty_of_a_linear_critic_is_closed_form():
    weight = torch.arange(12.0).reshape(1, 3, 2, 2) / 10
    images = torch.randn(5, 3, 2, 2)
    random = torch.Generator().manual_seed(0)
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), images, images + 1, random)
    assert penalty.item() == pytest.approx((weight.norm().item() - 1) ** 2, rel=1e-5)


def test_losses_are_the_official_sums():
    """A generator that paints the target's number and a critic that reads the mean have known losses."""

    class Painter(nn.Module):
        def forward(self, images, condition):
            return torch.zeros_like(images) + condition.argmax(1).float()[:, None, None, None]

    class Reader(nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3)).reshape(-1, 1, 1, 1), torch.zeros(
                len(images), 3
            ) + images.mean() * 0

    settings = replace(SMALL, weights={"d_class": 2.0, "g_class": 2.0, "g_cycle": 3.0, "d_penalty": 5.0})
    objective = LabelObjective(Painter(), Reader(), one_hot(3), settings)
    images, labels = torch.full((4, 3, 2, 2), 0.5), torch.tensor([2, 2, 2, 2])
    random = torch.Generator().manual_seed(0)
    batch = Batch(images, labels, labels, images, labels > 0)
    terms = objective.weighted(
        objective.discriminator_terms(batch, random) | objective.generator_terms(batch, random)
    )
    expected = {
        "d_real": -0.5,
        "d_fake": 2.0,
        "d_class": 2 * np.log(3),
        "d_penalty": 5 * (1 / np.sqrt(12) - 1) ** 2,
        "g_fake": -2.0,
        "g_class": 2 * np.log(3),
        "g_cycle": 3 * 1.5,
    }
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected, rel=1e-5)


def test_only_readable_labelled_studio_images_are_loaded():
    def broken():
        raise ImageError("truncated")

    dataset = Flat(2)
    dataset._samples += [
        Sample("bad", "s9", "happy", "studio", broken),
        Sample("unlabelled", "s9", None, "studio", broken),
        Flat._sample(5, "happy", domain="statue"),
    ]
    data = load_images(dataset, 16)
    assert (data.images.shape, data.images.dtype) == ((4, 3, 16, 16), torch.uint8)
    assert data.expressions == ("neutral", "happy")
    assert data.labels.tolist() == [0, 1, 0, 1]
    assert data.problems == (("bad", "truncated"),)


def test_a_data_set_of_one_expression_is_refused():
    dataset = Flat(2)
    dataset._samples = [sample for sample in dataset._samples if sample.expression == "neutral"]
    with pytest.raises(DatasetError, match="2 usable labelled studio images of 1 expressions"):
        load_images(dataset, 16)


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    trainer = new_trainer(replace(SMALL, flip=False))
    epochs = []
    for _ in range(2):
        images = []
        for _ in range(4):
            batch = trainer._batch(torch.Generator()).images
            images += [image.numpy().tobytes() for image in batch]
            trainer.step += 1
        epochs.append(images)
    assert set(Counter(epochs[0]).values()) == {1}
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert epochs[0] != epochs[1]


def test_training_teaches_the_target_expression():
    settings = replace(SMALL, learning_rate=2e-3, average=0.9)
    trainer = new_trainer(settings)
    for _ in range(80):
        losses = trainer.advance()
    assert all(np.isfinite(value) for value in losses.values())
    generator = StarGAN(trainer.average, ("neutral", "happy"), 32)
    dark = preview_images(Flat(2), 32)
    _, neutral, happy = np.split(sample_grid(generator, dark).astype(float), 3, axis=1)
    assert happy.mean() - neutral.mean() > 40


def test_restored_state_goes_on_exactly():
    whole, first, second = new_trainer(), new_trainer(), new_trainer()
    expected = [whole.advance() for _ in range(6)]
    losses = [first.advance() for _ in range(3)]
    second.restore(first.state())
    assert losses + [second.advance() for _ in range(3)] == expected


def test_fewer_generator_updates_than_critic_ones():
    trainer = new_trainer(replace(SMALL, n_critic=3))
    assert ["g_fake" in trainer.advance() for _ in range(6)] == [False, False, True] * 2


def test_limit_counts_steps_or_seconds():
    assert Limit(steps=10).progress(5, 1e9) == 0.5
    assert Limit(seconds=60).progress(10**9, 90) == 1.5


def test_run_folder_holds_model_losses_and_samples(tmp_path):
    preview = preview_images(Flat(3), 32, count=2)
    run = TrainingRun(StarGAN, Flat(), preview, SMALL, tmp_path, save_every=2)
    run.train(Limit(steps=5), lambda step, fraction: None)
    loaded = StarGAN.from_checkpoint(tmp_path / "stargan.safetensors")
    assert loaded.card.trained_on == "flat (train, studio)"
    assert "5 steps, seed 3" in loaded.card.weights
    assert [json.loads(line)["step"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5]
    assert sorted(file.name for file in (tmp_path / "samples").iterdir()) == [
        "000002.png",
        "000004.png",
        "000005.png",
    ]
    with Image.open(tmp_path / "samples" / "000005.png") as grid:
        assert grid.size == (3 * 32, 2 * 32)


def test_a_time_budget_ends_training(tmp_path):
    run = TrainingRun(StarGAN, Flat(), torch.zeros(0, 3, 32, 32), SMALL, tmp_path)
    run.train(Limit(seconds=0.3), lambda step, fraction: None)
    assert run.trainer.step >= 1
    assert run.seconds >= 0.3


def test_divergence_stops_training_and_keeps_what_was_saved(tmp_path):
    run = TrainingRun(StarGAN, Flat(), torch.zeros(0, 3, 32, 32), SMALL, tmp_path, save_every=1)

    def spoil(step, fraction):
        with torch.no_grad():
            run.trainer.objective.discriminator.conv1.weight.fill_(float("nan"))

    with pytest.raises(BenchError, match="diverged at step 2"):
        run.train(Limit(steps=5), spoil)
    assert "1 steps" in StarGAN.from_checkpoint(tmp_path / "stargan.safetensors").card.weights


def test_a_file_that_is_no_training_state_is_refused(tmp_path):
    run = TrainingRun(StarGAN, Flat(), torch.zeros(0, 3, 32, 32), SMALL, tmp_path)
    torch.save({"step": 3}, run.state_file)
    with pytest.raises(CheckpointError, match="no state of a training"):
        run.resume()


def test_resume_with_other_settings_is_refused(tmp_path):
    none = torch.zeros(0, 3, 32, 32)
    TrainingRun(StarGAN, Flat(), none, SMALL, tmp_path).train(Limit(steps=1), lambda step, fraction: None)
    with pytest.raises(SpecError, match="other settings"):
        TrainingRun(StarGAN, Flat(), none, replace(SMALL, seed=4), tmp_path).resume()


@pytest.fixture
def faces(tmp_path):
    """A folder of small images with a manifest: six subjects to train on, one to look at."""
    folder = tmp_path / "faces"
    folder.mkdir()
    rows = ["path,subject,expression,split"]
    for sample in Flat(7).samples():
        Image.fromarray(sample.load()).save(folder / f"{sample.id}.png")
        split = "val" if sample.subject == "s6" else "train"
        rows.append(f"{sample.id}.png,{sample.subject},{sample.expression},{split}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder


def command(data, out, *more):
    arguments = ["--data", str(data), "--out", str(out), "--steps", "24", "--save-every", "4", "--size", "32"]
    return [sys.executable, "-m", "fesbench", "train", "--model", "stargan", *arguments, *more]


def lines(out):
    log = out / "losses.jsonl"
    return log.read_text().splitlines() if log.exists() else []


def kill_after(process, out, count):
    """Kill -9 as soon as a save was made and at least ``count`` losses were written after the start."""
    while process.poll() is None and not ((out / "state.pt").exists() and len(lines(out)) >= count):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_and_resumed_run_equals_an_uninterrupted_one(faces, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen(command(faces, killed), **quiet) as victim,
        subprocess.Popen(command(faces, whole), **quiet) as survivor,
    ):
        kill_after(victim, killed, 4)
        assert survivor.wait() == 0
    assert len(lines(killed)) < 24
    resumed = subprocess.run(
        command(faces, killed, "--resume"), check=True, env=environment, capture_output=True, text=True
    )
    assert resumed.stdout.strip() == str(killed / "stargan.safetensors")
    assert lines(killed) == lines(whole)
    assert (killed / "stargan.safetensors").read_bytes() == (whole / "stargan.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "stargan"], "either --budget or --steps"),
        (["--model", "stargan", "--steps", "1", "--budget", "5m"], "either --budget or --steps"),
        (["--model", "stargan", "--budget", "soon"], "no length of time"),
        (["--model", "copy", "--steps", "1"], "not trained by 'bench train'"),
        (["--model", "stargn", "--steps", "1"], "Did you mean stargan"),
        (["--model", "stargan", "--steps", "1", "--resume", "--out", "nowhere"], "nothing to resume"),
    ],
)
def test_usage_errors_say_what_to_do(arguments, message):
    result = CliRunner().invoke(cli, ["train", *arguments])
    assert result.exit_code != 0
    assert message in result.output + str(result.exception)


def test_a_finished_training_is_not_overwritten(tmp_path):
    (tmp_path / "state.pt").touch()
    result = CliRunner().invoke(cli, ["train", "--model", "stargan", "--steps", "1", "--out", str(tmp_path)])
    assert "already holds a training" in str(result.exception)
