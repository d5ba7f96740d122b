"""Steps and trainings in a folder: they learn, resume exactly, and refuse what they cannot do."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from fesbench.baselines.attgan import AttGAN
from fesbench.baselines.stargan import StarGAN
from fesbench.baselines.stgan import STGAN
from fesbench.core.contracts import Dataset, Sample
from fesbench.core.errors import BenchError, CheckpointError, DatasetError, ImageError, SpecError
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot
from fesbench.generators.losses import gradient_penalty
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import load_images, preview_images
from fesbench.training.checkpoint_selection import Validation
from fesbench.training.loop import Limit, TrainingRun, sample_grid
from fesbench.training.trainer import Trainer

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


class Scripted:
    """A judge that gives the scores of a list, one after the other."""

    def __init__(self, *scores):
        self.left = list(scores)

    def __call__(self, generator):
        return self.left.pop(0)


def judged(tmp_path, *scores, candidates=(2, 4)):
    settings = replace(SMALL, candidates=candidates)
    validation = Validation(Scripted(*scores), "scripted", ("scripted network",))
    none = torch.zeros(0, 3, 32, 32)
    return TrainingRun(StarGAN, Flat(), none, settings, tmp_path, save_every=3, validation=validation)


@pytest.mark.parametrize(
    ("scores", "chosen"), [((0.1, 0.9, 0.4), 4), ((0.9, 0.1, 0.4), 2), ((0.9, 0.1, 0.9), 6)]
)
def test_the_weights_that_the_judge_likes_best_are_kept(tmp_path, scores, chosen):
    run = judged(tmp_path, *scores)
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
    expected = dict(zip(("2 steps", "4 steps", "6 steps"), scores, strict=True))
    assert record["selection"] == {"by": "scripted", "candidates": expected}
    assert record["steps"] == chosen


def test_a_resumed_training_remembers_what_was_judged(tmp_path):
    judged(tmp_path, 0.9, 0.1, 0.2).train(Limit(steps=5), lambda step, fraction: None)
    run = judged(tmp_path, 0.3)
    run.resume()
    run.train(Limit(steps=6), lambda step, fraction: None)
    assert run.selection.scores == {2: 0.9, 4: 0.1, 5: 0.2, 6: 0.3}
    assert "2 steps" in StarGAN.from_checkpoint(run.checkpoint).card.weights


def test_another_judge_cannot_go_on_with_the_scores_of_the_first(tmp_path):
    judged(tmp_path, 0.9, 0.1).train(Limit(steps=3), lambda step, fraction: None)
    none = torch.zeros(0, 3, 32, 32)
    with pytest.raises(SpecError, match="judged by scripted, not by nothing"):
        TrainingRun(StarGAN, Flat(), none, SMALL, tmp_path).resume()


def test_one_candidate_is_no_choice_and_trials_with_other_weights_are_unknown(tmp_path):
    alone = judged(tmp_path / "alone", 0.9, candidates=())
    alone.train(Limit(steps=1), lambda step, fraction: None)
    assert alone.generator().card.guided_by == ()
    settings, none = replace(SMALL, weights={"g_cycle": 3.0}), torch.zeros(0, 3, 32, 32)
    tried = TrainingRun(StarGAN, Flat(), none, settings, tmp_path / "tried", notes={"trials": 4})
    assert tried.generator().card.guided_by is None


def test_a_resumed_training_needs_no_file_but_its_state(tmp_path):
    judged(tmp_path, 0.9, 0.1, 0.2).train(Limit(steps=5), lambda step, fraction: None)
    before = StarGAN.from_checkpoint(tmp_path / "stargan.safetensors").network.state_dict()
    (tmp_path / "stargan.safetensors").unlink()
    run = judged(tmp_path, 0.3)
    run.resume()
    run.train(Limit(steps=6), lambda step, fraction: None)
    after = StarGAN.from_checkpoint(run.checkpoint).network.state_dict()
    torch.testing.assert_close(after, before)


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
