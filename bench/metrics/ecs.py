"""Expression consistency score: does a classifier see the target expression in the output?

The classifier ("judge") is named in the metric's id. Its labels reach the names of the data set through an
explicit map, so that a judge's ``happiness`` and a data set's ``happy`` meet by decision and not by chance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ..contracts import Batch, Edit, ImageMetric, MetricCard, Network

EXPRESSION_NAMES: Mapping[str, str] = {
    "anger": "angry",
    "disgust": "disgusted",
    "fear": "fearful",
    "happiness": "happy",
    "sadness": "sad",
    "surprise": "surprised",
}
"""Other programs' names of the basic expressions, and ours; our own names stand for themselves."""


def label_map(labels: Sequence[str]) -> dict[str, int]:
    """Our expression names to the positions of a classifier's ``labels``."""
    return {EXPRESSION_NAMES.get(label, label): index for index, label in enumerate(labels)}


class ExpressionConsistency(ImageMetric):
    """The share of outputs in which the judge's most probable label is the target.

    Columns: ``ecs@B`` 1 or 0; ``ecs.probability@B`` the judge's probability of the target, in [0, 1];
    ``ecs.predicted@B`` the judge's label as a position in ``labels``. The first two are NaN where the judge
    has no label for the target (compound expressions).

    Args:
        judge: Gives one probability for each of its ``card.labels``.
        backend: The name after the ``@``.
    """

    def __init__(self, judge: Network, backend: str) -> None:
        self.networks = (judge,)
        self.labels = tuple(EXPRESSION_NAMES.get(label, label) for label in judge.card.labels)
        self._index = label_map(judge.card.labels)
        self._hit, self._probability, self._predicted = (
            f"ecs{part}@{backend}" for part in ("", ".probability", ".predicted")
        )
        self.card = MetricCard(
            id=self._hit,
            title=f"Expression consistency ({backend})",
            direction="higher",
            low=0.0,
            high=1.0,
            unit="share",
            meaning="Share of outputs that an expression classifier assigns to the target expression; read "
            "it beside its ceiling (truth) and its floor (copy).",
            columns=(self._hit, self._probability, self._predicted),
        )

    def score(self, batch: Batch) -> Mapping[str, NDArray[np.float64]]:
        """Hit, probability and predicted label of each output; see the class."""
        probabilities = batch.features[self.networks[0].card.name]["output"].astype(np.float64)
        predicted = probabilities.argmax(axis=1)
        target = np.array([self._index.get(edit.target, -1) for edit in batch.edits], dtype=np.int64)
        known = target >= 0
        probability = probabilities[np.arange(len(target)), np.where(known, target, 0)]
        return {
            self._hit: np.where(known, predicted == target, np.nan),
            self._probability: np.where(known, probability, np.nan),
            self._predicted: predicted.astype(np.float64),
        }

    def failed(self) -> Mapping[str, float]:
        """A missing output shows no expression: wrong, with probability 0 and no label."""
        return {self._hit: 0.0, self._probability: 0.0, self._predicted: float("nan")}

    def reason(self, edit: Edit) -> str:
        """Why an edit has no score; empty where it has one."""
        if edit.target in self._index:
            return ""
        judge = self.networks[0].card.name
        return f"{judge} has no label for {edit.target!r}; it knows {', '.join(self.labels)}"
