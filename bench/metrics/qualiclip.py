"""QualiCLIP: how good an image looks, by its likeness to opposite prompts, without any reference.

Agnolucci et al., 'Quality-aware image-text alignment for opinion-unaware image quality assessment',
arXiv 2403.11176. For each of seven pairs of opposite prompts the two cosines, times a scale, become
probabilities; the score is the mean probability of the positive prompts. The authors' code scales by 100;
pyiqa's metric of the same name by half of CLIP's own factor, which draws scores towards 0.5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..core.contracts import Batch, Floats, Image, ImageMetric, MetricCard
from .networks.qualiclip import QualiClipNetwork

SCALE = 100.0
PYIQA_TEMPERATURE = 2.0


class QualiCLIP(ImageMetric):
    """The official score; also callable on plain images.

    Column: ``qualiclip`` in (0, 1), higher is better; 0 stands for an output that does not exist.

    Args:
        weights: The authors' ``qualiclip.pth``, or the feature extractor itself.
        backend: The name after the ``@``; empty for the plain id ``qualiclip``.

    Raises:
        WeightsMissing: there is no such file, or open-clip-torch is not installed.
        CheckpointError: the file is not that checkpoint.
    """

    title = "QualiCLIP"
    meaning = (
        "Likeness to prompts such as 'good photo' against 'bad photo', by a CLIP that learned to rank "
        "degradations; depends on the size at which images are seen, knows nothing of expression or identity."
    )

    compared_with = ()

    def __init__(self, weights: Path | str | QualiClipNetwork, backend: str = "") -> None:
        identifier = f"qualiclip@{backend}" if backend else "qualiclip"
        self.network = weights if isinstance(weights, QualiClipNetwork) else QualiClipNetwork(weights)
        self.networks = (self.network,)
        self.card = MetricCard(
            id=identifier,
            title=self.title,
            direction="higher",
            low=0.0,
            high=1.0,
            unit="score",
            meaning=self.meaning,
            columns=(identifier,),
        )

    @property
    def scale(self) -> float:
        """Factor of the cosines."""
        return SCALE

    def __call__(self, images: Sequence[Image] | NDArray[np.uint8]) -> Floats:
        """(N,) scores of (H, W, 3) uint8 RGB images, each at its own size.

        Raises:
            BenchError: one of them is not such an image.
        """
        return positive_share(self.network(images), self.scale)

    def score(self, batch: Batch) -> Mapping[str, Floats]:
        """The quality of each output."""
        cosines = batch.features[self.network.card.name]["output"]
        return {self.card.id: positive_share(cosines, self.scale)}

    def failed(self) -> Mapping[str, float]:
        """A missing output has the lowest quality."""
        return {self.card.id: 0.0}


class PyiqaQualiCLIP(QualiCLIP):
    """The score that pyiqa 0.1.16 calls qualiclip: temperature 2, and CLIP's own factor in place of 100."""

    title = "QualiCLIP (pyiqa's temperature)"
    meaning = "QualiCLIP as pyiqa scales it: not comparable with the authors' own scores."

    def __init__(self, weights: Path | str | QualiClipNetwork, backend: str = "pyiqa") -> None:
        super().__init__(weights, backend)

    @property
    def scale(self) -> float:
        """CLIP's own factor divided by the temperature."""
        return self.network.scale / PYIQA_TEMPERATURE


def positive_share(cosines: NDArray[np.floating], scale: float) -> Floats:
    """(N, 14) cosines, positive and negative in turn, to (N,) mean probabilities of the positive prompts."""
    pairs = scale * cosines.astype(np.float64).reshape(len(cosines), -1, 2)
    share: Floats = (1 / (1 + np.exp(pairs[..., 1] - pairs[..., 0]))).mean(axis=1)
    return share
