"""Face similarity score: is the subject of the output still the subject of the source?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf
from typing import NamedTuple

import numpy as np

from ..core.contracts import SHARE, Batch, Column, Edit, Floats, ImageMetric, MetricCard
from .verification import FaceEmbedder, Verification


class Levels(NamedTuple):
    """Mean cosine similarities of real photos: two of one subject, and of different subjects (all pairs).

    ``pairs`` counts the former, ``subjects`` whom the latter is over; NaN where there are none.
    """

    genuine: float
    pairs: int
    impostor: float
    subjects: int


class FaceSimilarity(ImageMetric):
    """Similarity of the embeddings of output and source, and of output and another photo of the subject.

    Columns: ``fss@B`` cosine similarity in [-1, 1]; ``fss.verified@B`` 1 where output and source pass the
    backend's own verification threshold, else 0; ``fss.distance@B`` Euclidean distance of the embeddings;
    ``fss.truth@B`` cosine similarity of output and true target, which a copied input cannot raise to 1.

    Both faces are seen in the same place: images are aligned crops, no detector looks for a face anew. An
    edit without output counts as a stranger; an output without a face is compared as it is.

    Args:
        embedder: Its features are face embeddings.
        backend: The name after the ``@``.
        verification: Threshold and impostor levels; None takes the embedder's own.
    """

    def __init__(
        self, embedder: FaceEmbedder, backend: str, verification: Verification | None = None
    ) -> None:
        self.networks = (embedder,)
        self.verification = verification or embedder.verification
        self._cosine, self._verified, self._distance, self._truth = (
            f"fss{part}@{backend}" for part in ("", ".verified", ".distance", ".truth")
        )
        self.card = MetricCard(
            id=self._cosine,
            title=f"Face similarity ({backend})",
            direction="higher",
            low=-1.0,
            high=1.0,
            unit="cosine similarity",
            meaning="Cosine similarity of the face embeddings of output and source (fss.truth: of output and "
            "true target, another real photo of the subject); aligned crops are compared as they are, "
            "without a detector; read it beside the levels of real photos: same person (truth) and another "
            f"person. Verified {self.verification.rule}.",
            columns=(
                self._cosine,
                Column(
                    self._verified, "same person, at the verification threshold", "higher", 0.0, 1.0, SHARE
                ),
                Column(
                    self._distance,
                    "Euclidean distance of the face embeddings",
                    "lower",
                    0.0,
                    inf,
                    "distance",
                    same_order=True,
                ),
                Column(
                    self._truth,
                    "similarity to the true target, another real photo of the subject",
                    "higher",
                    -1.0,
                    1.0,
                    "cosine similarity",
                    same_order=True,
                ),
            ),
        )

    def score(self, batch: Batch) -> Mapping[str, Floats]:
        """Similarity, verification and distance of each output; see the class."""
        features = batch.features[self.networks[0].card.name]
        output, source = features["output"].astype(np.float64), features["source"].astype(np.float64)
        cosine = _cosine(output, source)
        distance = np.linalg.norm(output - source, axis=1)
        verified = self.verification.decide(cosine, distance)
        return {
            self._cosine: cosine,
            self._verified: verified.astype(np.float64),
            self._distance: distance,
            self._truth: _cosine(output, features["truth"].astype(np.float64)),
        }

    def reason(self, edit: Edit, column: str) -> str:
        """Why an output has no similarity to another photo; empty where it has one."""
        if column == self._truth and edit.truth is None:
            return "the data set has no other photo of the subject with the target expression"
        return ""

    def levels(self, sources: Floats, truths: Floats, subjects: Sequence[str]) -> Levels:
        """What real photos reach: the scale on which a similarity is read.

        Args:
            sources: (N, d) embeddings of the sources; rows of NaN are left out.
            truths: (N, d) embeddings of another real photo of each source's subject; NaN where there is none.
            subjects: (N,) who is shown.
        """
        genuine = _cosine(sources, truths)
        genuine = genuine[np.isfinite(genuine)]
        usable = np.flatnonzero(np.isfinite(sources[:, 0]))
        first = list({subjects[i]: i for i in usable[::-1]}.values())
        impostor = _mean_of_pairs(sources[first]) if len(first) > 1 else float("nan")
        same = float(genuine.mean()) if len(genuine) else float("nan")
        return Levels(same, len(genuine), impostor, len(first))

    def failed(self) -> Mapping[str, float]:
        """A missing output is not verified and as near to the source as a stranger is on average."""
        levels = self.verification
        return {
            self._cosine: levels.impostor_cosine,
            self._verified: 0.0,
            self._distance: levels.impostor_distance,
            self._truth: levels.impostor_cosine,
        }


def _mean_of_pairs(embeddings: Floats) -> float:
    """Mean cosine over all pairs of different rows, by way of the length of their sum."""
    units = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    count = len(units)
    return float(((units.sum(axis=0) ** 2).sum() - count) / (count * (count - 1)))


def _cosine(a: Floats, b: Floats) -> Floats:
    """(N,) cosine of the rows; 0 where a row is all zeros."""
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine: Floats = (a * b).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny)
    return cosine
