"""What each column of scores is: its direction, range and unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import inf, isfinite, isnan
from typing import Any

from ..core.contracts import SHARE, Column, Direction, MetricCard
from .intervals import UNBOUNDED, Bounds

JOINT = "joint"
OUTPUT = "output"
"""The metric of rows that record whether an edit has an output: 1, or 0 with the reason."""
UNSCORED = "not scored: "
"""Prefix of the reason of a score that is missing because its metric failed."""
PREDICTED = "ecs.predicted"
"""Columns of this stem hold the predicted label, as a position in the classifier's labels."""
SEEN = "ecs.seen."
"""Columns whose stem begins so hold the probability of one label, whatever the target."""
_EARLIER_SAME_ORDER = ("fss.distance", "fss.truth", "psnr.face", "psnr.changed")
"""Stems of columns with ``Column.same_order``, in records that do not hold it."""


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


def measure_from(record: Mapping[Any, Any]) -> Measure:
    """Return a measure from its record in ``summary.json``, where the end of an endless range is null."""
    direction = record["direction"] if isinstance(record["direction"], str) else None
    return Measure(**(_with_endless_ranges(record) | {"direction": direction}))


def metric_record(card: MetricCard) -> dict[str, Any]:
    """Return the record of a card in ``run.json``: ``columns`` holds names, ``details`` what they mean.

    The ends of endless ranges are null.
    """
    details = [_with_null_ranges(asdict(column)) for column in card.described_columns]
    return _with_null_ranges(asdict(card)) | {"columns": list(card.column_names), "details": details}


def recorded_card(record: Mapping[str, Any], measures: Mapping[str, Measure]) -> MetricCard:
    """Return a card from its record in ``run.json``.

    Args:
        record: What ``metric_record`` returned, or an earlier version without ``details`` and ``citations``.
        measures: Column id to measure, from the same run's summary; describes the columns of earlier records.
    """
    details = record.get("details")
    columns = (
        tuple(_earlier_column(name, measures.get(name)) for name in record["columns"])
        if details is None
        else tuple(Column(**_with_endless_ranges(detail)) for detail in details)
    )
    citations = tuple(record.get("citations", ()))
    fields = {name: value for name, value in record.items() if name != "details"}
    return MetricCard(**(_with_endless_ranges(fields) | {"columns": columns, "citations": citations}))


def _earlier_column(name: str, measure: Measure | None) -> Column:
    """Return a column of a record without details; those without a measure held no score."""
    if measure is None:
        return Column(name, name, score=False)
    return Column(
        *(name, measure.title, measure.direction, measure.low, measure.high, measure.unit),
        same_order=stem(name) in _EARLIER_SAME_ORDER,
    )


def _with_endless_ranges(record: Mapping[Any, Any]) -> dict[str, Any]:
    endless = (("low", -inf), ("high", inf))
    return dict(record) | {name: end for name, end in endless if record[name] is None or isnan(record[name])}


def _with_null_ranges(record: Mapping[str, Any]) -> dict[str, Any]:
    return dict(record) | {name: None for name in ("low", "high") if not isfinite(record[name])}


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
    """``dlib`` of ``fss.verified@dlib``; empty where no network is involved."""
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
