"""Masked regression, as its authors define it, solved without its mask."""

from __future__ import annotations

from fesbench.contracts import GeneratorCard
from fesbench.reggan.paired import PairedRegression
from torch import Tensor


def stretch(images: Tensor) -> Tensor:
    """Each (C, H, W) of ``images`` moved and scaled to fill [0, 1]; constant images become 0."""
    low, high = images.amin((-3, -2, -1), keepdim=True), images.amax((-3, -2, -1), keepdim=True)
    span = high - low
    return (images - low) / span.where(span > 0, 1)


class MaskedRegression(PairedRegression):
    """The masked regression of Khan, Akram, Mahmood et al. (IJCV 2020, arXiv 2011.09104).

    As in the authors' program (github.com/arbishakram/masked_regression_code): every pixel of every channel
    is a ridge regression on the 3 x 3 window of the same channel and a penalised constant, with lambda 0.4.
    Source and target are each stretched to [0, 1] by their own extremes over all channels, and so is the
    predicted image, which is how that program writes its results. One model for each target expression.

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
            "output stretched to the full range of values, image by image, as the authors' program does",
        ),
    )

    def __init__(self, receptive_field: int = 3, alpha: float = 0.4, resolution: int | None = None) -> None:
        super().__init__(receptive_field, alpha, "same", False, resolution)

    def encode(self, images: Tensor) -> Tensor:
        """Stretched to [0, 1], image by image."""
        return stretch(images)

    def decode(self, predicted: Tensor) -> Tensor:
        """Stretched to [-1, 1], image by image; a constant prediction becomes black."""
        return stretch(predicted) * 2 - 1
