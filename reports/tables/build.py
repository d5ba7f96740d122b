"""Builds tables from the frames of a run's summary."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import floor, isfinite, log10
from statistics import median
from string import ascii_lowercase
from typing import Any, cast

import pandas as pd

from fesbench.core.contracts import Block, GeneratorCard
from fesbench.core.errors import BenchError
from fesbench.core.plurals import counted
from fesbench.statistics.comparisons import ALL, OOD

from .table import BLOCKS, MISSING, Cell, Column, Note, Row, Table, fixed, mark_best, metric_title

FEWEST_DIGITS, MOST_DIGITS = 2, 3
DIGITS_TO_TELL_APART = 6
"""Most decimals where fewer would show different values of a metric as one number."""

ONE_MORE_BELOW = 3.0
"""A half width of 0.012 or 0.028 shows three decimals, one of 0.03 or 0.08 two."""

Record = Mapping[Hashable, Any]


@dataclass(frozen=True)
class TableContext:
    """What the tables of one data set share.

    Attributes:
        dataset: The name of the data set.
        measures: ``Summary.measures``: column, direction, unit, headline.
        cards: Generator name to card; their order is the order of rows within a block.
        blocks: (generator, dataset) to block. Generators that are left out are controls where their card says
            so, else in the main block.
    """

    dataset: str
    measures: pd.DataFrame
    cards: Mapping[str, GeneratorCard]
    blocks: Mapping[tuple[str, str], Block] = field(default_factory=dict)


def build_table(
    cells: pd.DataFrame,
    context: TableContext,
    metrics: Sequence[str] | None = None,
    domains: Sequence[str] | None = None,
    unfit: Collection[tuple[str, str]] = (),
) -> Table:
    """Build the table of one data set.

    Args:
        cells: ``Summary.cells`` of a run.
        context: The data set, its measures and generators.
        metrics: Column ids to show; None shows the headline ones.
        domains: Domains to show; None shows each domain and, where there are several, 'ood' or else 'all'.
        unfit: (domain, metric) whose numbers cannot rank models: nothing is marked there.

    Raises:
        BenchError: the data set has no cells, or not those that are asked for.
    """
    part = _cells_of(cells, context.dataset)
    scopes = domains or _default_domains(list(dict.fromkeys(part["domain"])))
    _require("domain", scopes, part["domain"])
    columns = _columns(part, context.measures, metrics, scopes, unfit)
    rows = _rows(context, set(part["generator"]))
    records = {(r["generator"], r["metric"], r["domain"]): cast(Record, r) for r in part.to_dict("records")}
    grid = tuple(
        tuple(
            _cell(records.get((row.name, column.metric, column.domain)), column.digits) for column in columns
        )
        for row in rows
    )
    table = mark_best(Table(context.dataset, rows, columns, grid))
    explained = _with_lettered_notes(table, records, context.cards)
    return explained.with_notes([*_count_notes(part, scopes), *_reference_notes(part)])


def _cells_of(cells: pd.DataFrame, dataset: str) -> pd.DataFrame:
    """Return the cells of a data set, values and ends of intervals as floats."""
    part = cells[cells["dataset"] == dataset]
    if part.empty:
        raise BenchError(f"no scores for data set {dataset!r}; there are {sorted(set(cells['dataset']))}")
    numbers = {name: pd.to_numeric(part[name]).astype(float) for name in ("value", "low", "high")}
    return part.assign(**numbers)


def _columns(
    part: pd.DataFrame,
    measures: pd.DataFrame,
    metrics: Sequence[str] | None,
    domains: Sequence[str],
    unfit: Collection[tuple[str, str]],
) -> tuple[Column, ...]:
    """Return the columns that have cells, by metric, then by domain."""
    facts = {record["column"]: record for record in measures.to_dict("records")}
    shown = metrics or [name for name in dict.fromkeys(part["metric"]) if facts[name]["headline"]]
    _require("metric", shown, part["metric"])
    digits = {metric: _digits(part[part["metric"] == metric], domains) for metric in shown}
    present = set(zip(part["metric"], part["domain"], strict=True))
    return tuple(
        Column(
            metric,
            domain,
            None if pd.isna(facts[metric]["direction"]) else facts[metric]["direction"],
            facts[metric]["unit"],
            digits[metric],
            fit_to_rank=(domain, metric) not in unfit,
        )
        for metric in shown
        for domain in domains
        if (metric, domain) in present
    )


def _require(kind: str, asked: Sequence[str], present: Iterable[str]) -> None:
    known = sorted(set(present))
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise BenchError(f"no {kind} {unknown[0]!r} in this run; there are: {', '.join(known)}")


def _default_domains(present: list[str]) -> list[str]:
    return [name for name in present if name != ALL or (OOD not in present and len(present) > 1)]


def _digits(cells: pd.DataFrame, domains: Sequence[str]) -> int:
    """Decimals that the typical interval of a metric supports; without intervals a digit more is shown.

    There are more than ``MOST_DIGITS`` only where all values in the domains would look the same without them.
    """
    halves = [half for half in (cells["high"] - cells["low"]) / 2 if half > 0]
    sizes = halves or [abs(value) for value in cells["value"].dropna() if value]
    if not sizes:
        return FEWEST_DIGITS
    supported = max(decimals(median(sizes), 1 if halves else 2), 0)
    visible = cells[cells["domain"].isin(list(domains)) & cells["complete"].astype(bool)]
    few, many = (min(supported, most) for most in (MOST_DIGITS, DIGITS_TO_TELL_APART))
    different = [len({fixed(value, digits) for value in visible["value"].dropna()}) for digits in (few, many)]
    return many if different[0] == 1 < different[1] else few


def decimals(size: float, significant: int) -> int:
    """Decimals that show ``size`` with so many significant digits, one more where it starts with 1 or 2."""
    exponent: int = floor(log10(size))
    return significant - 1 - exponent + int(size / 10.0**exponent < ONE_MORE_BELOW)


def _rows(context: TableContext, present: set[str]) -> tuple[Row, ...]:
    rows = [
        Row(
            name=name,
            label=card.title or name,
            block=context.blocks.get((name, context.dataset), "control" if card.control else "main"),
            trained_on=card.trained_on,
            supervision=card.supervision,
        )
        for name, card in context.cards.items()
        if name in present
    ]
    order = list(BLOCKS)
    return tuple(sorted(rows, key=lambda row: order.index(row.block)))


def _cell(record: Record | None, digits: int) -> Cell:
    if record is None:
        return Cell(None, None, None, MISSING, 0, 0, False)
    value, low, high = (_number(record[name]) for name in ("value", "low", "high"))
    complete = bool(record["complete"]) and value is not None
    display = fixed(value, digits) if complete and value is not None else MISSING
    return Cell(value, low, high, display, int(record["n_asked"]), int(record["n_scored"]), complete)


def _number(value: Any) -> float | None:
    return float(value) if value is not None and isfinite(value) else None


def _count_notes(part: pd.DataFrame, scopes: Sequence[str]) -> list[str]:
    counts = part[part["domain"].isin(list(scopes)) & ~part["domain"].isin([OOD, ALL])]
    counts = counts[counts["subjects"] > 0].groupby("domain", sort=False)[["n_asked", "subjects"]].max()
    texts: dict[str, list[str]] = {}
    for domain, edits, subjects in counts.itertuples():
        text = f"{counted(edits, 'edit')} of {counted(subjects, 'subject')}"
        texts.setdefault(text, []).append(str(domain))
    return [f"{text} in {', '.join(domains)}." for text, domains in texts.items()]


def _reference_notes(part: pd.DataFrame) -> list[str]:
    if "references" not in part:
        return []
    known = part[part["references"].notna()]
    by_label: dict[tuple[str, int], list[str]] = {}
    for metric, label, count in zip(known["metric"], known["references"], known["n_references"], strict=True):
        by_label.setdefault((str(label), int(count)), []).append(metric_title(str(metric)))
    return [
        f"{', '.join(dict.fromkeys(metrics))}: against {counted(count, 'reference image')} ({label})."
        for (label, count), metrics in by_label.items()
    ]


def _with_lettered_notes(
    table: Table, records: Mapping[tuple[str, str, str], Record], cards: Mapping[str, GeneratorCard]
) -> Table:
    """Return the table with a lettered note for each reason why a row or an incomplete cell needs one."""
    marks = _Marks()
    rows = tuple(replace(row, note=marks.of(row.label, _caution(cards[row.name]))) for row in table.rows)
    why = [_why_missing(table, i, records) for i in range(len(table.rows))]
    grid = tuple(
        tuple(
            cell if cell.complete else replace(cell, note=marks.of(row.label, gaps[column.metric]))
            for column, cell in zip(table.columns, cells, strict=True)
        )
        for row, cells, gaps in zip(table.rows, table.cells, why, strict=True)
    )
    return replace(table, rows=rows, cells=grid, notes=tuple(marks.notes()))


class _Marks:
    """Letters of footnotes: one for each text, however many rows refer to it."""

    def __init__(self) -> None:
        self._rows: dict[str, list[str]] = {}

    def of(self, row: str, text: str) -> str:
        """Return the letter of a note on ``row``: a..z, then aa, bb and so on; empty for an empty text."""
        if not text:
            return ""
        rows = self._rows.setdefault(text, [])
        if row not in rows:
            rows.append(row)
        return _letter(list(self._rows).index(text))

    def notes(self) -> list[Note]:
        """Return all notes in the order of their letters, each with the labels of its rows."""
        texts = enumerate(self._rows.items())
        return [Note(_letter(index), f"{'; '.join(rows)}: {text}") for index, (text, rows) in texts]


def _letter(index: int) -> str:
    return ascii_lowercase[index % 26] * (1 + index // 26)


def _caution(card: GeneratorCard) -> str:
    return f"{card.weights}." if card.weights.startswith("untrained") else ""


def _why_missing(table: Table, row: int, records: Mapping[tuple[str, str, str], Record]) -> dict[str, str]:
    """Metric to the sentence that explains its incomplete cells in this row."""
    name = table.rows[row].name
    by_reason: dict[str, dict[str, Cell]] = {}
    reasons: dict[str, str] = {}
    for column, cell in zip(table.columns, table.cells[row], strict=True):
        if cell.complete:
            continue
        record = records.get((name, column.metric, column.domain))
        reason = str(record["reason"] or "not scored") if record else "not scored"
        by_reason.setdefault(reason, {}).setdefault(column.domain_title, cell)
        reasons[column.metric] = reason
    return {metric: f"{reason}; {_where(by_reason[reason])}." for metric, reason in reasons.items()}


def _where(cells: Mapping[str, Cell]) -> str:
    """Name the domains of incomplete cells, with how many outputs have a score unless all have one."""
    if all(cell.n_scored == cell.n_asked for cell in cells.values()):
        return f"in {', '.join(cells)}"
    return "scored " + ", ".join(
        f"{cell.n_scored} of {cell.n_asked} in {name}" for name, cell in cells.items()
    )
