"""RegGAN's two stages as one network."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .layer import RegressionLayer
from .refinement import Correction, Refinement


def _full_precision(device: str) -> AbstractContextManager[None]:
    """End autocasting, where the device has any: shapes are checked on one without."""
    available = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if available else nullcontext()


class Edited(NamedTuple):
    """``outputs``, (B, 3, R, R) before clamping, and the ``mask``, (B, 1, R, R), that blended them."""

    outputs: Tensor
    mask: Tensor


class RegGANNetwork(nn.Module):
    """Regression, then refinement.

    ``outputs = images + mask * (intermediate + colour - images)``. Where the mask is 0 the photo does not
    change, in every domain.

    Args:
        regression: First stage; without it the source is the intermediate image.
        refinement: Second stage; without it the intermediate image is the output.
    """

    def __init__(self, regression: RegressionLayer | None, refinement: Refinement | None) -> None:
        super().__init__()
        self.regression, self.refinement = regression, refinement

    def intermediate(self, images: Tensor, condition: Tensor) -> Tensor:
        """Return the output of the first stage, (B, 3, R, R) in [-1, 1], in full precision."""
        if self.regression is None:
            return images
        with _full_precision(images.device.type):
            predicted: Tensor = self.regression(images, condition)
        return predicted

    def edit(self, images: Tensor, condition: Tensor) -> Edited:
        """Edit (B, 3, R, R) images in [-1, 1] towards (B, E) one-hot float32 targets."""
        return self.refine(images, self.intermediate(images, condition), condition)

    def refine(self, images: Tensor, intermediate: Tensor, condition: Tensor) -> Edited:
        """Return the edit for a given output of the first stage, (B, 3, R, R) in [-1, 1]; see ``edit``."""
        if self.refinement is None:
            return Edited(intermediate, torch.ones_like(images[:, :1]))
        correction: Correction = self.refinement(images, intermediate, condition)
        change = intermediate + correction.colour - images
        return Edited(images + correction.mask * change, correction.mask)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Return the outputs of ``edit``."""
        return self.edit(images, condition).outputs
