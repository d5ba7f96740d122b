"""The images of a training step and its random choices, the same on any number of devices."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Batch(NamedTuple):
    """The training images of one step.

    Attributes:
        images: (B, 3, R, R) float32 in [-1, 1].
        labels: (B,) int64, their expressions.
        subjects: (B,) int64, the people on them.
        neutrals: Like ``images``: neutral faces of the same people, mirrored and shifted with them.
        paired: (B,) bool; false where a person has no neutral face, and ``neutrals`` holds the image itself.
        intermediates: Like ``neutrals``: what a first stage makes of them; None without such a stage.
    """

    images: Tensor
    labels: Tensor
    subjects: Tensor
    neutrals: Tensor
    paired: Tensor
    intermediates: Tensor | None = None


class Draws:
    """Random choices for the images of a step.

    Every device draws for the whole batch, from the same state, and takes the values of its own images: the
    step does not depend on the number of devices, and a target may be the label of any image of the batch,
    even where a device has one image only.

    Args:
        whole: The batch of the step on all devices. It may hold more images than are trained on, from which
            targets are taken too.
        random: A generator on the CPU, in the same state on all devices.
        size: Images that are trained on, the first ones of ``whole``; by default all.
        rank: Number of this device.
        devices: Number of devices; each takes every ``devices``-th image.

    Attributes:
        whole: See above.
        size: See above.
        rows: (B,) int64, the rows of ``whole`` that this device trains on.
    """

    def __init__(
        self, whole: Batch, random: torch.Generator, size: int | None = None, rank: int = 0, devices: int = 1
    ) -> None:
        self.whole, self.size = whole, len(whole.labels) if size is None else size
        self.rows = torch.arange(self.size)[rank::devices]
        self._random = random

    @property
    def batch(self) -> Batch:
        """The images that this device trains on."""
        rows, whole = self.rows.to(self.whole.labels.device), self.whole
        chosen = Batch(*(values[rows] for values in whole[:5]))
        if whole.intermediates is None:
            return chosen
        return chosen._replace(intermediates=whole.intermediates[rows])

    def exemplars(self) -> Tensor:
        """Draw a permutation of the whole batch.

        Returns:
            (B,) int64, for each image of this device the row of ``whole`` that it takes its target from.
        """
        order = torch.randperm(len(self.whole.labels), generator=self._random)
        return order[self.rows].to(self.whole.labels.device)

    def targets(self) -> Tensor:
        """Draw the labels of the whole batch in random order: (B,) int64."""
        return self.whole.labels[self.exemplars()]

    def uniform(self, *shape: int) -> Tensor:
        """Draw from U(0, 1): (B, ...) float32 on the device of the images."""
        values = torch.rand(self.size, *shape, generator=self._random)
        return values[self.rows].to(self.whole.labels.device)

    def normal(self, *shape: int) -> Tensor:
        """Draw from N(0, 1): (B, ...) float32 on the device of the images."""
        values = torch.randn(self.size, *shape, generator=self._random)
        return values[self.rows].to(self.whole.labels.device)
