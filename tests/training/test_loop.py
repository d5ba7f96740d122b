"""Steps and trainings in a folder: they learn, resume exactly, and refuse what they cannot do."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from torch import nn

from fesbench.baselines.attgan import AttGAN
from fesbench.baselines.stargan import StarGAN
from fesbench.baselines.stgan import STGAN
from fesbench.cli import cli
from fesbench.core.contracts import Dataset, Sample
from fesbench.core.errors import BenchError, CheckpointError, DatasetError, ImageError, SpecError
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot
from fesbench.generators.losses import gradient_penalty
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import load_images, preview_images
from fesbench.training.checkpoint_selection import Outcomes, Selection, Validation
from fesbench.training.log import LOSSES
from fesbench.training.loop import Limit, TrainingRun, sample_grid
from fesbench.training.rechoosing import choose
from fesbench.training.standing import standings
from fesbench.training.trainer import Trainer, _running_average

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


def new_trainer(settings=SMALL, subjects=8, model=StarGAN):
    data = load_images(Flat(subjects), settings.resolution)
    torch.manual_seed(settings.seed)
    return Trainer(model.objective(data, settings), data, settings)


def batch_of(images, labels):
    return Batch(images, labels, labels, images, labels >= 0)


def test_gradient_penalty_of_a_linear_critic_is_closed_form():
    weight = torch.arange(12.0).reshape(1, 3, 2, 2) / 10
    images = torch.randn(5, 3, 2, 2)
    draws = Draws(batch_of(images, torch.arange(5)), torch.Generator().manual_seed(0))
    penalty = gradient_penalty(lambda x: (x * weight).sum((1, 2, 3)), images, images + 1, draws)
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
    batch = batch_of(images, labels)
    draws = Draws(batch, torch.Generator().manual_seed(0))
    terms = objective.weighted(
        objective.discriminator_terms(batch, draws) | objective.generator_terms(batch, draws)
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


class ByNumber(nn.Module):
    """Paints the number of its condition, whatever it is shown."""

    def forward(self, images, condition):
        return torch.zeros_like(images) + condition.argmax(1).float()[:, None, None, None]


class Indifferent(nn.Module):
    def forward(self, images):
        return torch.zeros(len(images), 1, 1, 1), torch.zeros(len(images), 4)


def test_the_cycle_goes_back_to_the_label_that_the_image_had():
    labels = torch.arange(4)
    images = labels.float()[:, None, None, None].expand(4, 3, 2, 2)
    batch = batch_of(images, labels)
    targets = Draws(batch, torch.Generator().manual_seed(0)).targets()
    assert (targets != labels).any()
    objective = LabelObjective(ByNumber(), Indifferent(), one_hot(4), SMALL)
    terms = objective.generator_terms(batch, Draws(batch, torch.Generator().manual_seed(0)))
    assert terms["g_cycle"].item() == 0


@pytest.mark.parametrize("decay", [0.999, 0.25, 0.0])
def test_the_average_follows_fast_at_first(decay):
    """From 1, while the weight is 0: after update n a (1 + n) / (10 + n)-th is left, or the decay if less."""
    generator = nn.Linear(1, 1, bias=False)
    nn.init.ones_(generator.weight)
    average = _running_average(generator, decay)
    nn.init.zeros_(generator.weight)
    expected = 1.0
    for factor in (2 / 11, 3 / 12, 4 / 13, 5 / 14):
        average.update_parameters(generator)
        expected *= min(factor, decay)
        assert average.module.weight.item() == pytest.approx(expected, rel=1e-6)


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


def test_paired_methods_see_the_pairs_of_the_data_set():
    def dark():
        return np.zeros((40, 32, 3), np.uint8)

    class Sittings(Flat):
        def pairs(self):
            return [(source, replace(target, id="shot", load=dark)) for source, target in super().pairs()]

    data = load_images(Sittings(2), 16)
    assert data.images.amin((1, 2, 3)).min() > 0
    assert [bool(image.any()) for image in data.truths] == [True, False, True, False]
    assert load_images(Flat(2), 16).shots is None


def test_a_data_set_of_one_expression_is_refused():
    dataset = Flat(2)
    dataset._samples = [sample for sample in dataset._samples if sample.expression == "neutral"]
    with pytest.raises(DatasetError, match="2 usable labelled studio images of 1 expression;"):
        load_images(dataset, 16)


def test_an_epoch_shows_every_image_once_in_an_order_of_its_own():
    trainer = new_trainer(replace(SMALL, flip=False))
    epochs = []
    for _ in range(2):
        images = []
        for _ in range(4):
            batch = trainer._draws(torch.Generator(), trainer.step).batch.images
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
    assert all(map(torch.equal, second.average.parameters(), whole.average.parameters()))


@pytest.mark.parametrize("model", [STGAN, AttGAN])
def test_the_average_takes_running_statistics_as_they_are(model):
    trainer = new_trainer(replace(SMALL, average=0.9), model=model)
    for _ in range(3):
        losses = trainer.advance()
    assert all(np.isfinite(value) for value in losses.values())
    live = trainer.objective.generator
    kept = dict(trainer.average.named_buffers())
    assert kept
    assert all(torch.equal(kept[name], buffer) for name, buffer in live.named_buffers())
    assert not all(map(torch.equal, trainer.average.parameters(), live.parameters()))


def test_batch_statistics_for_use_are_those_of_the_averaged_weights():
    trainer = new_trainer(replace(SMALL, average=0.9), model=STGAN)
    for _ in range(3):
        trainer.advance()
    before = {name: values.clone() for name, values in trainer.average.state_dict().items()}
    network = trainer.averaged()
    first = network.encoder[0]
    seen = []
    first[0].register_forward_hook(lambda module, inputs, output: seen.append(output.mean((0, 2, 3))))
    images = trainer.images.float() / 127.5 - 1
    network.eval()(images, torch.zeros(len(images), 2))
    torch.testing.assert_close(first[1].running_mean, seen[0], atol=0.02, rtol=0.05)
    assert all(torch.equal(values, before[name]) for name, values in trainer.average.state_dict().items())
    assert trainer.objective.generator is not network


def test_the_critics_weights_take_no_gradient_from_the_generators_step(monkeypatch):
    trainer = new_trainer()
    critic, seen = list(trainer.objective.discriminator.parameters()), []
    update = trainer._update

    def watched(optimizer, terms, rate):
        update(optimizer, terms, rate)
        seen.append([parameter.grad.clone() for parameter in critic])

    monkeypatch.setattr(trainer, "_update", watched)
    trainer.advance()
    assert all(map(torch.equal, *seen))
    assert all(parameter.requires_grad for parameter in critic)


def test_sample_grid_tells_the_source_to_a_model_that_needs_it(tmp_path):
    preview = preview_images(Flat(3), 32, count=2)
    run = TrainingRun(STGAN, Flat(), preview, SMALL, tmp_path, save_every=2)
    run.train(Limit(steps=2), lambda step, fraction: None)
    assert sample_grid(run.generator(), preview).shape == (2 * 32, 3 * 32, 3)
    loaded = STGAN.from_checkpoint(tmp_path / "stgan.safetensors")
    loaded.card = replace(loaded.card, expressions=("happy", "sad"))
    assert sample_grid(loaded, preview).shape == (2 * 32, 32, 3)


def test_fewer_generator_updates_than_critic_ones():
    trainer = new_trainer(replace(SMALL, n_critic=3))
    assert ["g_fake" in trainer.advance() for _ in range(6)] == [False, False, True] * 2


def test_the_optimisers_follow_the_schedule():
    trainer = new_trainer(replace(SMALL, schedule="linear"))
    trainer.advance(trainer.settings.learning_rate_at(0.75))
    optimizers = trainer.generator_optimizer, trainer.discriminator_optimizer
    assert [optimizer.param_groups[0]["lr"] for optimizer in optimizers] == [2e-4, 2e-4]


def test_low_precision_is_the_generators_alone():
    trainer = new_trainer(replace(SMALL, precision="bfloat16"))
    seen = {}

    def watch(name):
        return lambda module, inputs, output: seen.setdefault(name, set()).add(output.dtype)

    trainer.objective.generator.main[0].register_forward_hook(watch("generator"))
    trainer.objective.discriminator.conv1.register_forward_hook(watch("discriminator"))
    losses = trainer.advance()
    assert seen == {"generator": {torch.bfloat16}, "discriminator": {torch.float32}}
    assert all(np.isfinite(value) for value in losses.values())


def marked_faces(settings):
    """Batches of images that are one white pixel on black, the same for both images of a pair."""
    data = load_images(Flat(), 32)
    images = torch.zeros_like(data.images)
    images[:, :, 16, 16] = 255
    trainer = Trainer(StarGAN.objective(data, settings), data._replace(images=images), settings)
    for trainer.step in range(12):
        batch = trainer._draws(torch.Generator().manual_seed(trainer.step), trainer.step).batch
        yield from zip(where(batch.images), where(batch.neutrals), strict=True)


def where(images):
    return [tuple(position) for position in (images[:, 0] > 0).nonzero()[:, 1:].tolist()]


def test_jitter_moves_a_face_and_its_neutral_together():
    pairs = list(marked_faces(replace(SMALL, flip=False, jitter=2)))
    assert all(image == neutral for image, neutral in pairs)
    rows, columns = zip(*(image for image, _ in pairs), strict=True)
    assert set(rows) == set(columns) == {14, 15, 16, 17, 18}


def test_jitter_apart_moves_only_the_neutral():
    pairs = list(marked_faces(replace(SMALL, flip=False, jitter_apart=1)))
    assert {image for image, _ in pairs} == {(16, 16)}
    assert len({neutral for _, neutral in pairs}) == 9


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
    losses = (tmp_path / "losses.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in losses] == [1, 2, 3, 4, 5]
    assert sorted(file.name for file in (tmp_path / "samples").iterdir()) == [
        "000002.png",
        "000004.png",
        "000005.png",
    ]
    with Image.open(tmp_path / "samples" / "000005.png") as grid:
        assert grid.size == (3 * 32, 2 * 32)


def outcomes(successes, error=5.0):
    """Ten subjects with one edit each, of which so many succeed."""
    success = [float(number < successes) for number in range(10)]
    return Outcomes([f"s{number}" for number in range(10)], success, [1.0] * 10, [error] * 10)


class Scripted:
    """A judge that gives the outcomes of a list, one after the other."""

    def __init__(self, *given):
        self.left = list(given)

    def __call__(self, generator):
        return outcomes(*self.left.pop(0))


def judged(tmp_path, *given, candidates=(2, 4), **changes):
    settings = replace(SMALL, candidates=candidates, **changes)
    validation = Validation(Scripted(*given), "scripted", ("scripted network",))
    none = torch.zeros(0, 3, 32, 32)
    return TrainingRun(StarGAN, Flat(), none, settings, tmp_path, save_every=3, validation=validation)


def ignore(step, fraction):
    """Receive progress."""


@pytest.mark.parametrize(
    ("given", "chosen"),
    [
        (((1, 5), (9, 5), (4, 5)), 4),  # the most successes
        (((9, 5), (8, 3), (4, 1)), 4),  # the least error of those that succeed as often, within chance
        (((9, 5), (2, 1), (9, 5)), 6),  # the latest of equals
    ],
)
def test_of_candidates_that_succeed_the_truest_is_kept(tmp_path, given, chosen):
    run = judged(tmp_path, *given)
    first_layers = {}

    def remember(step, fraction):
        first_layers[step] = run.trainer.average.state_dict()["main.0.weight"].clone()

    run.train(Limit(steps=6), remember)
    kept = StarGAN.from_checkpoint(run.checkpoint)
    found = kept.network.state_dict()["main.0.weight"]
    torch.testing.assert_close(found, first_layers[chosen], atol=1e-3, rtol=1e-3)
    assert f"{chosen} steps" in kept.card.weights
    assert kept.card.guided_by == ("scripted network",)
    record = json.loads((tmp_path / "stargan.json").read_text())["training"]
    assert record["selection"]["by"] == "scripted"
    found = {
        step: (10 * one["joint"], one["error"]) for step, one in record["selection"]["candidates"].items()
    }
    assert found == dict(zip(("2 steps", "4 steps", "6 steps"), given, strict=True))
    assert record["steps"] == chosen


def test_every_candidate_is_kept_with_its_outcomes(tmp_path):
    judged(tmp_path, (1, 5), (9, 5), (4, 2)).train(Limit(steps=6), ignore)
    files = sorted((tmp_path / "candidates").glob("*.safetensors"))
    assert [file.stem for file in files] == ["000002", "000004", "000006"]
    assert [StarGAN.from_checkpoint(file).card.weights.split(", ")[1] for file in files] == [
        "2 steps",
        "4 steps",
        "6 steps",
    ]
    record = json.loads(files[2].with_suffix(".json").read_text())["training"]
    assert (record["judged_by"], record["steps"]) == ("scripted", 6)
    assert Outcomes(**record["outcomes"]) == outcomes(4, 2)


@pytest.mark.parametrize(
    ("successes", "end"),
    [
        ((0, 3, 6, 9), 40),  # still rising
        ((6, 6, 6, 6), 15),  # settled at the first candidate that may tell
        ((0, 0, 6, 6, 6), 23),  # settled two candidates after the last rise
        ((9, 5, 5, 5), 15),  # falling
    ],
)
def test_a_training_ends_after_its_success_has_stopped_rising(tmp_path, successes, end):
    settings = replace(
        SMALL,
        schedule="plateau",
        steps=40,
        candidates=tuple(range(4, 41, 4)),
        plateau_from=12,
        patience=2,
        decay_steps=3,
    )
    selection = Selection(None, tmp_path)
    selection.outcomes = {4 * number: outcomes(count) for number, count in enumerate(successes, 1)}
    assert selection.end(settings) == end
    assert selection.end(replace(settings, schedule="constant")) == 40


def plateau(tmp_path, *given):
    settings = {"steps": 40, "plateau_from": 4, "patience": 1, "decay_steps": 2}
    return judged(tmp_path, *given, candidates=(2, 4, 6, 8), schedule="plateau", **settings)


def test_the_rate_falls_at_the_end_wherever_that_is(tmp_path):
    run = plateau(tmp_path, (5, 5), (9, 4), (9, 4), (9, 3))
    rates = []
    run.train(Limit(steps=40), lambda *_: rates.append(run.trainer.generator_optimizer.param_groups[0]["lr"]))
    assert rates == pytest.approx([4e-4] * 6 + [4e-4, 4e-4 * 5 / 8], rel=1e-6)
    assert run.trainer.step == run.kept == 8


def test_a_training_in_turns_equals_one_without(tmp_path):
    given = (5, 5), (9, 4), (9, 4), (9, 3)
    whole = plateau(tmp_path / "whole", *given)
    whole.train(Limit(steps=40), ignore)
    for judged_before in (0, 1, 3):
        run = plateau(tmp_path / "turns", *given[judged_before:])
        if judged_before:
            run.resume()
        run.train(Limit(steps=40), ignore, pause=3)
    assert run.progress(Limit(steps=40)) == 1
    assert run.checkpoint.read_bytes() == whole.checkpoint.read_bytes()


def test_a_resumed_training_remembers_what_was_judged(tmp_path):
    judged(tmp_path, (9, 1), (1, 5), (2, 5)).train(Limit(steps=5), ignore)
    run = judged(tmp_path, (3, 5))
    run.resume()
    run.train(Limit(steps=6), ignore)
    found = {step: one.joint.mean() for step, one in run.selection.outcomes.items()}
    assert found == {2: 0.9, 4: 0.1, 5: 0.2, 6: 0.3}
    assert "2 steps" in StarGAN.from_checkpoint(run.checkpoint).card.weights


def test_the_record_names_every_commit_that_made_steps(tmp_path):
    def part(commit, dirty, steps):
        code, none = {"commit": commit, "dirty": dirty}, torch.zeros(0, 3, 32, 32)
        run = TrainingRun(StarGAN, Flat(), none, SMALL, tmp_path, code=code)
        if run.state_file.exists():
            run.resume()
        run.train(Limit(steps=steps), ignore)
        return json.loads(run.checkpoint.with_suffix(".json").read_text())["training"]

    part("a", True, 1)
    part("b", False, 2)
    record = part("b", False, 3)
    assert record["commits"] == [
        {"from_step": 0, "commit": "a", "dirty": True},
        {"from_step": 1, "commit": "b", "dirty": False},
    ]
    assert (record["commit"], record["dirty"]) == ("b", True)


def test_another_judge_cannot_go_on_with_the_scores_of_the_first(tmp_path):
    judged(tmp_path, (9, 5), (1, 5)).train(Limit(steps=3), ignore)
    none = torch.zeros(0, 3, 32, 32)
    with pytest.raises(SpecError, match="judged by scripted, not by nothing"):
        TrainingRun(StarGAN, Flat(), none, SMALL, tmp_path).resume()


def test_one_candidate_is_no_choice_and_trials_with_other_weights_are_unknown(tmp_path):
    alone = judged(tmp_path / "alone", (9, 5), candidates=())
    alone.train(Limit(steps=1), lambda step, fraction: None)
    assert alone.generator().card.guided_by == ()
    settings, none = replace(SMALL, weights={"g_cycle": 3.0}), torch.zeros(0, 3, 32, 32)
    tried = TrainingRun(StarGAN, Flat(), none, settings, tmp_path / "tried", notes={"trials": 4})
    assert tried.generator().card.guided_by is None


def test_a_missing_candidate_is_named(tmp_path):
    judged(tmp_path, (9, 5), (1, 5), (2, 5)).train(Limit(steps=5), ignore)
    run = judged(tmp_path)
    run.resume()
    run.selection.weights(2).unlink()
    with pytest.raises(CheckpointError, match=r"000002\.safetensors"):
        run.generator()


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
    with pytest.raises(SpecError, match="other settings or data: seed was 3 and is now 4; "):
        TrainingRun(StarGAN, Flat(), none, replace(SMALL, seed=4), tmp_path).resume()


def test_where_a_training_stands_is_read_from_its_folder(tmp_path):
    run = plateau(tmp_path / "a", (5, 5), (9, 4), (9, 4))
    run.train(Limit(steps=40), ignore, pause=7)
    with (tmp_path / "a" / LOSSES).open("a") as losses:
        losses.write('{"step": 8, "g_fa')  # a line that is being written
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / LOSSES).write_text('{"step": 1}\n{"step": 2}\n')
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    begun, new = standings(tmp_path)
    assert begun[:9] == (tmp_path / "a", "stargan", 3, 7, 8, True, 6, 0.9, 4.0)
    assert begun.seconds == round(run.seconds, 1)
    assert (new.folder.name, new.model, new.steps, new.kept) == ("new", "", 2, None)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before
    shown = CliRunner().invoke(cli, ["train", "--status", str(tmp_path)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert ["a", "stargan", "3", "7", "8", "6", "0.900", "4.00", "0.00"] in [
        [part.strip() for part in line.strip("│").split("│")] for line in shown.stdout.splitlines()
    ]


def test_a_folder_without_trainings_has_no_standing(tmp_path):
    with pytest.raises(SpecError, match="no training in"):
        standings(tmp_path)
    (tmp_path / LOSSES).write_text("no json\n")
    with pytest.raises(SpecError, match="holds no losses"):
        standings(tmp_path)


def test_choosing_again_writes_what_the_training_wrote(tmp_path):
    run = judged(tmp_path / "a", (1, 5), (9, 5), (4, 2))
    run.train(Limit(steps=6), ignore)
    files = run.checkpoint, run.checkpoint.with_suffix(".json")
    written = [file.read_bytes() for file in files]
    (same,) = choose(tmp_path)
    assert (same.before, same.kept) == (4, 4)
    assert [file.read_bytes() for file in files] == written


def test_other_outcomes_choose_other_weights(tmp_path):
    run = judged(tmp_path, (1, 5), (9, 5), (4, 2))
    run.train(Limit(steps=6), ignore)
    card = run.selection.weights(2).with_suffix(".json")
    content = json.loads(card.read_text())
    content["training"]["outcomes"]["expression"] = [1.0] * 10
    content["training"]["outcomes"]["error"] = [3.0] * 10
    card.write_text(json.dumps(content))
    result = CliRunner().invoke(cli, ["train", "--choose", str(tmp_path)])
    assert (result.exit_code, result.stdout.split()) == (0, [str(run.checkpoint)])
    assert "kept 2, before that 4" in result.stderr
    kept, wanted = (StarGAN.from_checkpoint(file) for file in (run.checkpoint, run.selection.weights(2)))
    assert all(map(torch.equal, kept.network.state_dict().values(), wanted.network.state_dict().values()))
    assert "2 steps" in kept.card.weights
    assert kept.card.guided_by == ("scripted network",)
    record = json.loads(run.checkpoint.with_suffix(".json").read_text())["training"]
    assert (record["steps"], record["selection"]["candidates"]["2 steps"]["joint"]) == (2, 1.0)
    content["training"]["outcomes"]["error"] = [1.0]
    card.write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match=r"000002\.json holds outcomes of different numbers"):
        choose(tmp_path)


def test_without_candidates_there_is_no_choice(tmp_path):
    with pytest.raises(SpecError, match="no training in it kept candidates"):
        choose(tmp_path)
