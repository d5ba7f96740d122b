"""Face verification: when a pair of embeddings counts as one person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..core.contracts import FeatureExtractor, Floats


@dataclass(frozen=True)
class Verification:
    """The threshold that verifies a pair of faces, and the mean levels of different subjects.

    Attributes:
        measure: What the threshold applies to: ``cosine`` similarity (verified at or above it) or
            ``distance``, the Euclidean distance of the embeddings as they are (verified below it).
        threshold: The backend's own threshold.
        impostor_cosine: Mean cosine similarity of different subjects.
        impostor_distance: Mean Euclidean distance of different subjects.
        origin: Where threshold and levels come from.
    """

    measure: Literal["cosine", "distance"]
    threshold: float
    impostor_cosine: float
    impostor_distance: float
    origin: str

    @property
    def rule(self) -> str:
        """The condition that verifies a pair, in words."""
        if self.measure == "cosine":
            return f"at a similarity of {self.threshold:.2f} or more ({self.origin})"
        return f"at a Euclidean distance below {self.threshold:.2f} ({self.origin})"

    def decide(self, cosine: Floats, distance: Floats) -> NDArray[np.bool_]:
        """Return (N,) whether each pair counts as one person."""
        if self.measure == "cosine":
            return cosine >= self.threshold
        return distance < self.threshold


class FaceEmbedder(FeatureExtractor):
    """A feature extractor whose features are face embeddings.

    Attributes:
        verification: Its own threshold, and the levels of different subjects.
    """

    verification: Verification
