"""The random choices of a step: those of a batch, whatever the number of devices that share it."""

import pytest
import torch

from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.registry import GENERATORS
from fesbench.generators.training_data import TrainingImages
from fesbench.training.trainer import Trainer

SIZE = 8
SETTINGS = Settings(resolution=32, width=4, discriminator_width=4, batch_size=SIZE)


def whole_batch(size=SIZE):
    rows = torch.arange(size)
    images = torch.rand(size, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(images, rows % 3, rows, images, rows >= 0)


def shards(devices, whole=None):
    """The draws of each device for one step, in the order of their ranks."""
    return [
        Draws(whole or whole_batch(), torch.Generator().manual_seed(7), rank=rank, devices=devices)
        for rank in range(devices)
    ]


def joined(parts):
    """The values of all devices in the order of the batch."""
    return torch.stack(parts, dim=1).flatten(0, 1)


@pytest.mark.parametrize("devices", [1, 2, 4, 8])
@pytest.mark.parametrize(
    "draw",
    [
        lambda draws: draws.batch.images,
        lambda draws: draws.exemplars(),
        lambda draws: draws.targets(),
        lambda draws: draws.uniform(5),
        lambda draws: draws.normal(2),
    ],
)
def test_each_device_draws_its_part_of_what_one_device_draws(devices, draw):
    assert torch.equal(joined([draw(draws) for draws in shards(devices)]), draw(shards(1)[0]))


def test_with_one_image_on_each_device_targets_are_those_of_the_others():
    draws = shards(SIZE)
    targets = torch.cat([one.targets() for one in draws])
    own = torch.cat([one.batch.labels for one in draws])
    assert sorted(targets.tolist()) == sorted(own.tolist())
    assert (targets != own).any()


def training_images(count=24):
    pixels = torch.randint(0, 256, (count, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator())
    rows = torch.arange(count)
    names = ("neutral", "happy", "sad")
    return TrainingImages(pixels, rows % 3, rows // 3, rows // 3 * 3, rows >= 0, names, ())


@pytest.mark.parametrize("name", ["stargan", "usgan", "sargan", "ganimation", "ganmut", "degan", "reggan"])
def test_losses_of_all_devices_average_to_those_of_one(name):
    """AttGAN and STGAN are left out: their batch normalisation sees the images of one device."""

    def terms_of(draws):
        torch.manual_seed(0)
        objective = GENERATORS.load(name).objective(training_images(), SETTINGS)
        return objective.discriminator_terms(draws.batch, draws) | objective.generator_terms(
            draws.batch, draws
        )

    def losses(devices):
        terms = [terms_of(draws) for draws in shards(devices)]
        shared = [key for key in terms[0] if key not in {"g_same", "g_strength"}]
        return {key: torch.stack([part[key] for part in terms]).mean().item() for key in shared}

    expected = losses(1)
    for devices in (2, 8):
        assert losses(devices) == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("name", ["stargan", "ganimation", "degan", "ganmut", "attgan", "stgan"])
def test_a_batch_of_one_image_learns_other_targets_than_its_own(name):
    settings = Settings(resolution=32, width=4, discriminator_width=4, batch_size=1)
    data = training_images()
    trainer = Trainer(GENERATORS.load(name).objective(data, settings), data, settings)
    own, targets = [], []
    for _ in range(24):
        draws = trainer._draws(torch.Generator().manual_seed(trainer.step), trainer.step)
        own.append(draws.batch.labels.item())
        targets.append(draws.targets().item())
        trainer.step += 1
    assert sorted(own) == [0] * 8 + [1] * 8 + [2] * 8
    assert 4 <= sum(a != b for a, b in zip(own, targets, strict=True)) < 24
    assert all(value == value for value in trainer.advance().values())
