"""RegGAN's two stages as one network."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .layer import RegressionLayer
from .refinement import Correction, Refinement


class Edited(NamedTuple):
    """``outputs`` (B, 3, R, R) before clamping, and the ``mask`` (B, 1, R, R) by which they were blended."""

    outputs: Tensor
    mask: Tensor


class RegGANNetwork(nn.Module):
    """Regression, then refinement.

    ``outputs = images + mask * (intermediate + colour - images)``. Where the mask is 0 the photo stays as it
    is, in every domain.

    Args:
        regression: First stage; None hands the source on as the intermediate image.
        refinement: Second stage; None makes the intermediate image the result.
    """

    def __init__(self, regression: RegressionLayer | None, refinement: Refinement | None) -> None:
        super().__init__()
        self.regression, self.refinement = regression, refinement

    def intermediate(self, images: Tensor, condition: Tensor) -> Tensor:
        """What the first stage gives, (B, 3, R, R) in [-1, 1], in full precision."""
        if self.regression is None:
            return images
        with torch.autocast(images.device.type, enabled=False):
            predicted: Tensor = self.regression(images, condition)
        return predicted

    def edit(self, images: Tensor, condition: Tensor) -> Edited:
        """(B, 3, R, R) in [-1, 1] and (B, E) one-hot float32 to the blend and its mask."""
        intermediate = self.intermediate(images, condition)
        if self.refinement is None:
            return Edited(intermediate, torch.ones_like(images[:, :1]))
        correction: Correction = self.refinement(images, intermediate, condition)
        change = intermediate + correction.colour - images
        return Edited(images + correction.mask * change, correction.mask)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """The blend alone, for square images of any size where there is a regression; see ``edit``.

        Images of another size than the regression's are edited at its size, and the change, resized
        (bicubic), is added to them: what the edit leaves alone keeps all its detail.
        """
        if self.regression is None or images.shape[-1] == self.regression.resolution:
            return self.edit(images, condition).outputs
        size = (self.regression.resolution,) * 2
        small = F.interpolate(images, size, mode="bilinear", antialias=True)
        change = self.edit(small, condition).outputs - small
        return images + F.interpolate(change, images.shape[-2:], mode="bicubic")
