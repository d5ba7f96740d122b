"""Expression consistency score: does a classifier see the target expression in the output?

The classifier ("judge") is named in the metric's id. Its labels reach the names of the data set through an
explicit map, so that a judge's ``happiness`` and a data set's ``happy`` meet by decision and not by chance.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from fesbench.datasets.expressions import canonical

from ..contracts import Batch, Edit, ImageMetric, MetricCard, Network, NetworkCard
from ..errors import BenchError, UnknownName


def our_labels(judge: NetworkCard) -> tuple[str, ...]:
    """The suite's names for a judge's labels, by ``datasets.expressions.ALIASES`` and in the judge's order.

    Raises:
        BenchError: it has no labels, one that is no expression known here, or two names of one expression.
    """
    try:
        names = tuple(canonical(label) for label in judge.labels)
    except UnknownName as error:
        raise BenchError(f"{judge.name} cannot judge expressions: {error}") from error
    if not names or len(set(names)) < len(names):
        raise BenchError(
            f"{judge.name} cannot judge expressions: its labels must be different "
            f"expressions, not {', '.join(judge.labels) or 'none at all'}"
        )
    return names


class ExpressionConsistency(ImageMetric):
    """The share of outputs in which the judge's most probable label is the target.

    Columns: ``ecs@B`` 1 or 0; ``ecs.probability@B`` the judge's probability of the target, in [0, 1];
    ``ecs.predicted@B`` the judge's label as a position in ``labels``. The first two are NaN where the judge
    has no label for the target (compound expressions).

    Args:
        judge: Gives one probability for each of its ``card.labels``.
        backend: The name after the ``@``.

    Raises:
        BenchError: a label of the judge is no expression that the suite knows, or stands for two.
    """

    beside = ()

    def __init__(self, judge: Network, backend: str) -> None:
        self.networks = (judge,)
        self.labels = our_labels(judge.card)
        self._index = {label: index for index, label in enumerate(self.labels)}
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
            "it beside its ceiling (truth) and its floor (copy)"
            + (f"; this classifier is {judge.card.reached}." if judge.card.reached else "."),
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
