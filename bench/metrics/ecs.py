"""Expression consistency score: does a classifier recognise the target expression in the output?

The classifier ("judge") is named in the metric's id. An explicit table maps its labels to the names of data
sets, such as ``happiness`` to ``happy``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fesbench.datasets.expressions import canonical

from ..core.contracts import (
    SHARE,
    Batch,
    Column,
    Edit,
    FeatureExtractor,
    FeatureExtractorCard,
    ImageMetric,
    MetricCard,
)
from ..core.errors import BenchError, UnknownName


def our_labels(judge: FeatureExtractorCard) -> tuple[str, ...]:
    """Return the suite's names of a classifier's labels, in order; see ``datasets.expressions.ALIASES``.

    Raises:
        BenchError: there are no labels, one is no known expression, or two stand for one expression.
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


class Ceiling(NamedTuple):
    """Accuracy of a classifier on real images with an expression among its labels.

    Attributes:
        images: How many.
        subjects: Of how many subjects.
        accuracy: Share of right labels; NaN without images.
        macro: Its mean over expressions.
        confusion: True expression to the count of each predicted label, in the classifier's order.
    """

    images: int
    subjects: int
    accuracy: float
    macro: float
    confusion: Mapping[str, Sequence[int]]


class ExpressionConsistency(ImageMetric):
    """The share of outputs in which the judge's most probable label is the target.

    Columns: ``ecs@B`` 1 or 0; ``ecs.probability@B`` the judge's probability of the target, in [0, 1];
    ``ecs.predicted@B`` the judge's label as a position in ``labels``; ``ecs.seen.LABEL@B`` its probability of
    each label, whatever the target, which areas under curves are computed from. The first two are NaN where
    the judge has no label for the target (compound expressions).

    Args:
        judge: A classifier whose features are the probabilities of its ``card.labels``.
        backend: The name after the ``@``.

    Raises:
        BenchError: a label of the judge is no expression that the suite knows, or stands for two.
    """

    compared_with = ("truth",)
    """For the ceiling alone; scores do not depend on true targets."""

    def __init__(self, judge: FeatureExtractor, backend: str) -> None:
        self.networks = (judge,)
        self.labels = our_labels(judge.card)
        self._index = {label: index for index, label in enumerate(self.labels)}
        self._hit, self._probability, self._predicted = (
            f"ecs{part}@{backend}" for part in ("", ".probability", ".predicted")
        )
        self._seen = [f"ecs.seen.{label}@{backend}" for label in self.labels]
        self.card = MetricCard(
            id=self._hit,
            title=f"Expression consistency ({backend})",
            direction="higher",
            low=0.0,
            high=1.0,
            unit=SHARE,
            meaning="Share of outputs that an expression classifier assigns to the target expression; read "
            "it beside its ceiling (truth) and its floor (copy)"
            + (f"; this classifier is {judge.card.reached}." if judge.card.reached else "."),
            columns=(
                self._hit,
                Column(
                    self._probability,
                    "probability of the target expression",
                    "higher",
                    0.0,
                    1.0,
                    "probability",
                ),
                Column(self._predicted, "predicted expression, as a position in the labels", score=False),
                *(Column(name, "probability of one expression", score=False) for name in self._seen),
            ),
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
            **dict(zip(self._seen, probabilities.T, strict=True)),
        }

    def ceiling(self, truths: Mapping[str, tuple[Edit, NDArray[np.float32]]]) -> Ceiling:
        """Return the accuracy on real images, each counted once.

        Args:
            truths: Image id to an edit with that true target, and the judge's (L,) probabilities.
        """
        known = [(edit, seen) for edit, seen in truths.values() if edit.target in self._index]
        confusion: dict[str, list[int]] = {}
        for edit, seen in known:
            row = confusion.setdefault(edit.target, [0] * len(self.labels))
            row[int(np.argmax(seen))] += 1
        right = {label: row[self._index[label]] for label, row in confusion.items()}
        shares = [right[label] / sum(row) for label, row in confusion.items()]
        return Ceiling(
            images=len(known),
            subjects=len({edit.source.subject for edit, _ in known}),
            accuracy=sum(right.values()) / len(known) if known else float("nan"),
            macro=float(np.mean(shares)) if shares else float("nan"),
            confusion=confusion,
        )

    def failed(self) -> Mapping[str, float]:
        """A missing output shows no expression: wrong, with probability 0; nothing is seen in it."""
        nothing = dict.fromkeys((self._predicted, *self._seen), float("nan"))
        return {self._hit: 0.0, self._probability: 0.0, **nothing}

    def reason(self, edit: Edit, column: str) -> str:
        """Why an edit has no score; empty where it has one."""
        if edit.target in self._index or column not in (self._hit, self._probability):
            return ""
        judge = self.networks[0].card.name
        return f"{judge} has no label for {edit.target!r}; it knows {', '.join(self.labels)}"
