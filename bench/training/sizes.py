"""The image sizes that a model can be trained at."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..core.contracts import NEUTRAL
from ..core.errors import BenchError, SpecError
from ..generators.hyperparameters import Settings
from ..generators.neural import NeuralGenerator
from ..generators.training_data import TrainingImages
from ..generators.trial import try_out

NARROW = 4
"""Channels of the networks that are tried: sizes do not depend on it."""

STEP, REACH = 4, 128
"""Other sizes are tried in steps of so many pixels, and up to so many larger, to name the nearest."""


def check_training_size(model: type[NeuralGenerator], settings: Settings) -> None:
    """Check that both networks of a model take images of ``settings.resolution``.

    Raises:
        SpecError: they do not; the message names the nearest sizes that they take.
    """
    size = settings.resolution
    if _trains(model, settings, size):
        return
    sizes = sorted(range(16, min(size + REACH, 1024) + 1, STEP), key=lambda other: abs(other - size))
    fitting = (other for other in sizes if _trains(model, settings, other))
    nearest = sorted(other for other, _ in zip(fitting, range(2), strict=False))
    if nearest:  # else the size is not what is wrong, and training says what is
        raise SpecError(
            f"{model.template.name} cannot be trained on images of {size} x {size} pixels; take "
            f"{' or '.join(map(str, nearest))}"
        )


def _trains(model: type[NeuralGenerator], settings: Settings, size: int) -> bool:
    """Return whether narrow networks for two expressions take images of a size."""
    narrow = replace(settings, resolution=size, width=NARROW, discriminator_width=NARROW)
    with torch.random.fork_rng(devices=[]):
        data = _any_images(size)
        try:
            objective = model.objective(data, narrow)
            try_out(objective.discriminator, size)
            return model.trained(objective.generator, data, size).takes(size)
        except (BenchError, RuntimeError, ValueError):
            return False


def _any_images(size: int) -> TrainingImages:
    """Return noise as neutral and happy images of two people."""
    rows = torch.arange(4)
    noise = torch.randint(0, 256, (4, 3, size, size), dtype=torch.uint8)
    return TrainingImages(noise, rows % 2, rows // 2, rows // 2 * 2, rows >= 0, (NEUTRAL, "happy"), ())
