"""Masked regression, as its authors define it, solved without its mask."""

from __future__ import annotations

from torch import Tensor

from fesbench.core.contracts import GeneratorCard
from fesbench.reggan.paired import PairedRegression


def stretch(images: Tensor) -> Tensor:
    """Shift and scale each (C, H, W) of ``images`` to fill [0, 1]; constant images become 0."""
    low, span = _extent(images)
    return (images - low) / span


def _extent(images: Tensor) -> tuple[Tensor, Tensor]:
    """Darkest value of each image and its distance to the brightest, 1 where they are the same."""
    low, high = images.amin((-3, -2, -1), keepdim=True), images.amax((-3, -2, -1), keepdim=True)
    return low, (high - low).where(high > low, 1)


class MaskedRegression(PairedRegression):
    """The masked regression of Khan, Akram, Mahmood et al. (IJCV 2020, arXiv 2011.09104).

    As in the authors' program (github.com/arbishakram/masked_regression_code): every pixel of every channel
    is a ridge regression on the 3 x 3 window of the same channel and a penalised constant, with lambda 0.4.
    Source and target are each stretched to [0, 1] by their own extremes over all channels. One model for each
    target expression.

    That program compares and saves all images stretched, results included. Here results are compared with
    photos as they are, so a prediction is scaled back to the extremes of its source and clamped to [-1, 1]:
    otherwise the result of a photo with little contrast would be scored for its change of contrast.

    Args:
        receptive_field: Side of the window in pixels, odd.
        alpha: The program's lambda, not scaled by the number of images.
        resolution: Side of the square images in pixels; None takes that of the first training pair.
    """

    card = GeneratorCard(
        name="masked-regression",
        title="Masked regression",
        year=2020,
        citation='Khan, Akram, Mahmood et al., "Masked Linear Regression for Learning Local Receptive Fields '
        'for Facial Expression Synthesis", IJCV 2020, arXiv 2011.09104',
        source="own implementation of https://github.com/arbishakram/masked_regression_code",
        licence="MIT",
        supervision="paired",
        weights="fitted in closed form on the training split",
        choices=(
            "output in the value range of its source; the authors' program stretches each to the full range",
        ),
        guided_by=(),
    )

    def __init__(self, receptive_field: int = 3, alpha: float = 0.4, resolution: int | None = None) -> None:
        super().__init__(receptive_field, alpha, "same", False, resolution)

    def encode(self, images: Tensor) -> Tensor:
        """Return the images, each stretched to [0, 1]."""
        return stretch(images)

    def decode(self, predicted: Tensor, images: Tensor) -> Tensor:
        """Return the predictions at the extremes of ``images``, clamped to [-1, 1]."""
        low, span = _extent(images)
        return (predicted * span + low).clamp(-1, 1)
