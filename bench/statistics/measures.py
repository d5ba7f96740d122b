"""What each column of scores is: its direction, range and unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from ..core.contracts import Direction, MetricCard
from .intervals import UNBOUNDED, Bounds

JOINT = "joint"
SHARE = "share"
"""The unit of scores that are 1 or 0 for each output."""
OUTPUT = "output"
"""The metric of rows that say whether an edit has an output: 1, or 0 beside the reason."""
PREDICTED = "ecs.predicted"
"""Columns of this stem hold a label, not a score."""
SEEN = "ecs.seen."
"""Columns whose stem begins so say how far a judge sees a label, whatever was asked for: no score either."""


@dataclass(frozen=True)
class Measure:
    """One column of scores.

    ``column`` is its id, as in ``fss.verified@dlib``; ``low`` and ``high`` are the ends of its range,
    infinite where it has none; ``headline`` says that main tables show it.
    """

    column: str
    title: str
    direction: Direction
    low: float
    high: float
    unit: str
    headline: bool = False

    @property
    def bounds(self) -> Bounds:
        """The bounds for ``clustered_means``: finite for shares, whose values are 0 and 1."""
        return (self.low, self.high) if self.unit == SHARE else UNBOUNDED


class _Kind(NamedTuple):
    title: str
    direction: Direction
    low: float
    high: float
    unit: str


_KNOWN = {
    "ecs.probability": _Kind("probability of the target expression", "higher", 0.0, 1.0, "probability"),
    "fss.truth": _Kind(
        "similarity to the true target, another real photo of the subject",
        "higher",
        -1.0,
        1.0,
        "cosine similarity",
    ),
    "fss.verified": _Kind("same person, at the verification threshold", "higher", 0.0, 1.0, SHARE),
    "fss.distance": _Kind("Euclidean distance of the face embeddings", "lower", 0.0, inf, "distance"),
    "mae.face": _Kind("absolute error to the truth, face", "lower", 0.0, 255.0, "grey levels"),
    "mae.changed": _Kind("absolute error to the truth, changed pixels", "lower", 0.0, 255.0, "grey levels"),
    "mae.unchanged": _Kind(
        "absolute error to the truth, unchanged pixels", "lower", 0.0, 255.0, "grey levels"
    ),
    "ssim.face": _Kind("structural similarity to the truth, face", "higher", -1.0, 1.0, "similarity"),
    "landmarks": _Kind("movement of the landmarks", "lower", 0.0, inf, "% of the eye distance"),
    "action-units": _Kind("error of the action units", "lower", 0.0, 2.0, "intensity"),
    "psnr.face": _Kind("peak signal-to-noise ratio to the truth, face", "higher", 0.0, inf, "dB"),
    "psnr.changed": _Kind(
        "peak signal-to-noise ratio to the truth, changed pixels", "higher", 0.0, inf, "dB"
    ),
}


def measures_of(cards: Iterable[MetricCard]) -> dict[str, Measure]:
    """Column id to measure, for every column of the cards that holds a score.

    A column that the suite does not know takes direction, range and unit of its card.
    """
    return {
        column: _measure(card, column)
        for card in cards
        for column in (card.columns or (card.id,))
        if is_score(column)
    }


def _measure(card: MetricCard, column: str) -> Measure:
    headline = column == (card.columns or (card.id,))[0]
    kind = _KNOWN.get(stem(column)) or _Kind(card.title, card.direction, card.low, card.high, card.unit)
    return Measure(column, *kind, headline=headline)


def is_score(column: str) -> bool:
    """Whether a column says how good an output is, not what a judge sees in it."""
    return stem(column) != PREDICTED and not column.startswith(SEEN)


def macro_measure(judge: str) -> Measure:
    """The measure of macro accuracy by a judge."""
    title = "share of outputs that show the target expression, mean over expressions"
    return Measure(f"ecs.macro@{judge}", title, "higher", 0.0, 1.0, "mean of shares")


def auc_measure(judge: str) -> Measure:
    """The measure of areas under the curves of a judge."""
    title = "area under the ROC curve of one expression against the rest, mean over expressions"
    return Measure(f"ecs.auc@{judge}", title, "higher", 0.0, 1.0, "area")


def joint_measure(column: str) -> Measure:
    """The measure of a column that ``joint_success`` made."""
    return Measure(column, "right expression and verified identity", "higher", 0.0, 1.0, SHARE, True)


def stem(column: str) -> str:
    """``fss.verified`` of ``fss.verified@dlib``."""
    return column.partition("@")[0]


def backend(column: str) -> str:
    """``dlib`` of ``fss.verified@dlib``; empty for a measure that looks through no network."""
    return column.partition("@")[2]


def joint_column(expression: str, verified: str) -> str:
    """The id of joint success by these two columns: both backends, or the one that they share."""
    names = dict.fromkeys((backend(expression), backend(verified)))
    return f"{JOINT}@{'+'.join(names)}"


def joint_pairs(columns: Mapping[str, object]) -> list[tuple[str, str]]:
    """(expression column, verification column) of each joint success that the columns allow."""
    return [
        (expression, verified)
        for expression in columns
        if stem(expression) == "ecs"
        for verified in columns
        if stem(verified) == "fss.verified"
    ]
