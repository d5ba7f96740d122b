"""RegGAN's parts as generators."""

from __future__ import annotations

from torch import Tensor

from fesbench.contracts import GeneratorCard

from .paired import PairedRegression
from .regression import Channels


class RegressionStage(PairedRegression):
    """RegGAN's first stage: a local ridge regression for each target expression, on [-1, 1] images.

    Only the abstract of the paper is public to us: it names a sparsified ridge regression with local
    receptive fields, whose output is an intermediate representation that a second network refines. Window,
    penalty, channels and the residual target are our reading, chosen on validation subjects by
    ``benchmarks/select_regression.py`` (docs/regression.md).

    Args:
        receptive_field: Side of the window in pixels, odd.
        alpha: Ridge penalty, positive, not scaled by the number of images.
        channels: See ``LocalRidge``.
        residual: Fit the difference to the source.
        resolution: Side of the square images in pixels; None takes that of the first training pair.
    """

    card = GeneratorCard(
        name="reggan-regression",
        title="RegGAN, regression stage",
        year=2026,
        citation="RegGAN, arXiv 2603.15648",
        source="own implementation of our reading of the abstract",
        licence="MIT",
        supervision="paired",
        weights="fitted in closed form on the training split",
        choices=("first stage only, without refinement", "our reading: the paper's body is not public to us"),
    )

    def __init__(
        self,
        receptive_field: int = 7,
        alpha: float = 3.0,
        channels: Channels = "same",
        residual: bool = True,
        resolution: int | None = None,
    ) -> None:
        super().__init__(receptive_field, alpha, channels, residual, resolution)

    def encode(self, images: Tensor) -> Tensor:
        """The images as they are."""
        return images

    def decode(self, predicted: Tensor, images: Tensor) -> Tensor:
        """Clamped to [-1, 1]."""
        return predicted.clamp(-1, 1)
