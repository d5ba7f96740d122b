"""What each column of scores is: its direction, range and unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.contracts import SHARE, Direction, MetricCard
from .intervals import UNBOUNDED, Bounds

JOINT, WORKS, QUALITY = "joint", "works", "quality"
OUTPUT = "output"
"""The metric of rows that record whether an edit has an output: 1, or 0 with the reason."""
PREDICTED = "ecs.predicted"
"""Columns of this stem hold the predicted label, as a position in the classifier's labels."""
SEEN = "ecs.seen."
"""Columns whose stem begins so hold the probability of one label, whatever the target."""


@dataclass(frozen=True)
class Measure:
    """One column of scores.

    Attributes:
        column: Its id, as in ``fss.verified@dlib``.
        title: What it measures, in words.
        direction: Which end is better; None where it does not rank.
        low: Lower end of its range, infinite where it has none.
        high: Upper end of its range.
        unit: Its unit.
        headline: Whether main tables show it.
    """

    column: str
    title: str
    direction: Direction | None
    low: float
    high: float
    unit: str
    headline: bool = False

    @property
    def bounds(self) -> Bounds:
        """The bounds for ``clustered_means``: finite for shares, whose values are 0 and 1."""
        return (self.low, self.high) if self.unit == SHARE else UNBOUNDED

    @property
    def limits(self) -> Bounds:
        """The ends of the range, infinite where it has none."""
        return self.low, self.high


def measures_of(cards: Iterable[MetricCard]) -> dict[str, Measure]:
    """Return column id to measure, for every column of the cards that holds a score."""
    return {
        column.name: Measure(
            *(column.name, column.title, column.direction, column.low, column.high, column.unit),
            headline=place == 0 or column.headline,
        )
        for card in cards
        for place, column in enumerate(card.described_columns)
        if column.score
    }


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


def works_measure(column: str) -> Measure:
    """The measure of a column that ``works`` made."""
    title = "right expression, verified identity and a quality that real photos have"
    return Measure(column, title, "higher", 0.0, 1.0, SHARE)


def stem(column: str) -> str:
    """``fss.verified`` of ``fss.verified@dlib``."""
    return column.partition("@")[0]


def backend(column: str) -> str:
    """``dlib`` of ``fss.verified@dlib``; empty where no network is involved."""
    return column.partition("@")[2]


def joint_column(expression: str, verified: str) -> str:
    """The id of joint success by these two columns: both backends, or the one that they share."""
    names = dict.fromkeys((backend(expression), backend(verified)))
    return f"{JOINT}@{'+'.join(names)}"


def works_column(joint: str, quality: str) -> str:
    """The id of the share that works by joint success and a quality: the backends of both, each once."""
    names = dict.fromkeys((*backend(joint).split("+"), backend(quality)))
    return f"{WORKS}@{'+'.join(names)}"


def joint_pairs(columns: Mapping[str, object]) -> list[tuple[str, str]]:
    """(expression column, verification column) of each joint success that the columns allow."""
    return [
        (expression, verified)
        for expression in columns
        if stem(expression) == "ecs"
        for verified in columns
        if stem(verified) == "fss.verified"
    ]
