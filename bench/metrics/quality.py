"""No-reference image quality: the headline feature of a network trained to rank degradations."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..core.contracts import Batch, FeatureExtractor, ImageMetric, MetricCard


class Quality(ImageMetric):
    """How clean an output looks, without comparing it to anything.

    Column: ``quality@B`` in (0, 1), higher is better; 0 stands for an output that does not exist.

    Args:
        network: Its first feature is the quality, in (0, 1).
        backend: The name after the ``@``.
    """

    compared_with = ()

    def __init__(self, network: FeatureExtractor, backend: str) -> None:
        self.networks = (network,)
        self.card = MetricCard(
            id=f"quality@{backend}",
            title=f"Quality ({backend})",
            direction="higher",
            low=0.0,
            high=1.0,
            unit="score",
            meaning="Sharpness and freedom from noise, compression and synthesis artefacts, as ranked by a "
            "network that learned from synthetic degradations; it knows nothing of expression or identity.",
            columns=(f"quality@{backend}",),
        )

    def score(self, batch: Batch) -> Mapping[str, NDArray[np.float64]]:
        """The quality of each output."""
        features = batch.features[self.networks[0].card.name]["output"]
        return {self.card.id: features[:, 0].astype(np.float64)}

    def failed(self) -> Mapping[str, float]:
        """A missing output has the lowest quality."""
        return {self.card.id: 0.0}
