"""The table model that every renderer (terminal, LaTeX, Markdown, CSV) shows.

A cell holds its value and the text that is displayed. Best and second are decided by the displayed text,
among complete cells of the main block only, and never in a column in which they are all the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from fesbench.core.contracts import Block, Direction
from fesbench.core.errors import BenchError, did_you_mean
from fesbench.statistics.comparisons import OOD

Mark = Literal["best", "second", ""]

BLOCKS: Mapping[Block, str] = {
    "main": "",
    "transfer": "transfer: trained on other data, not ranked with the rows above",
    "registered": "registered: faces brought to a common frame by their landmarks, ranked among themselves",
    "registered transfer": "registered, transfer: trained on other data, ranked among themselves",
    "control": "controls: floor, ceiling and simple references, not ranked",
}
DOMAIN_TITLES = {OOD: "mean OOD"}
MISSING = "–"
ARROWS: Mapping[Direction | None, str] = {"higher": "↑", "lower": "↓", None: ""}
FEWEST_TO_MARK = 2
"""Fewest different numbers of models in a column in which best and second are marked."""

STARS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
"""A p value below the number has so many stars."""

_WRITTEN = {"qualiclip": "QualiCLIP", "action-units": "Action units"} | {
    name: name.upper() for name in ("ecs", "fss", "fid", "kid", "mae", "psnr", "ssim")
}


class Note(NamedTuple):
    """A footnote.

    Attributes:
        mark: The letter by which cells and rows refer to it; empty where none does.
        text: One or more sentences.
        detail: Whether it is shown in files only, not in the terminal.
    """

    mark: str
    text: str
    detail: bool = False


@dataclass(frozen=True)
class Column:
    """One number per row: a metric in a domain, or in whatever else divides the columns.

    ``direction`` is None where no end is better; ``digits`` are the decimals that the interval supports;
    nothing is marked as best where the metric is not ``fit_to_rank``.
    """

    metric: str
    domain: str
    direction: Direction | None
    unit: str
    digits: int
    fit_to_rank: bool = True

    @property
    def domain_title(self) -> str:
        """The domain as a heading."""
        return DOMAIN_TITLES.get(self.domain, self.domain)

    @property
    def arrow(self) -> str:
        """Which way is better, as an arrow behind a space; empty where neither is."""
        return f" {ARROWS[self.direction]}" if self.direction else ""


@dataclass(frozen=True)
class Row:
    """A model, or whatever else a table compares.

    ``note`` is the mark of a footnote on the row as a whole, such as 'untrained'.
    """

    name: str
    label: str
    block: Block
    trained_on: str
    supervision: str
    note: str = ""

    @property
    def training(self) -> str:
        """What the model was trained on and how, in one phrase; a dash where nothing was."""
        if not self.trained_on:
            return MISSING
        return self.trained_on if self.supervision == "none" else f"{self.trained_on}, {self.supervision}"


@dataclass(frozen=True)
class Cell:
    """One number. ``display`` is what a reader sees: a dash where the cell is incomplete or empty.

    ``p`` is the adjusted p value of a difference; None elsewhere.
    """

    value: float | None
    low: float | None
    high: float | None
    display: str
    n_asked: int
    n_scored: int
    complete: bool
    mark: Mark = ""
    note: str = ""
    p: float | None = None

    @property
    def stars(self) -> str:
        """One star for p below 0.05, two below 0.01, three below 0.001."""
        return "" if self.p is None else next((stars for level, stars in STARS if self.p < level), "")


@dataclass(frozen=True)
class Table:
    """Rows by columns of cells, with footnotes; ``cells[i][j]`` belongs to ``rows[i]`` and ``columns[j]``.

    ``kind`` is the heading over the labels of rows.
    """

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...] = ()
    kind: str = "model"

    @property
    def shows_training(self) -> bool:
        """Whether any row was trained, so that a column with what it was trained on means something."""
        return any(row.trained_on for row in self.rows)

    @property
    def has_domains(self) -> bool:
        """Whether columns differ in more than the metric."""
        return len({column.domain for column in self.columns}) > 1

    @property
    def has_intervals(self) -> bool:
        """Whether any number has an interval."""
        return any(cell.low is not None and cell.high is not None for row in self.cells for cell in row)

    @property
    def has_marks(self) -> bool:
        """Whether any number is marked as best."""
        return any(cell.mark for row in self.cells for cell in row)

    def with_notes(self, notes: Iterable[str], details: Iterable[str] = ()) -> Table:
        """Return the table with further sentences below it, each once.

        Args:
            notes: Sentences that every reader needs.
            details: Sentences for files only, such as ``Summary.methods``.
        """
        added = [
            *(Note("", text) for text in notes),
            *(Note("", text, detail=True) for text in details),
        ]
        return replace(self, notes=tuple(dict.fromkeys([*self.notes, *added])))

    def blocks(self) -> Iterator[tuple[Block, list[int]]]:
        """Yield each block that has rows, with their indices: main first, controls last."""
        for block in BLOCKS:
            members = [index for index, row in enumerate(self.rows) if row.block == block]
            if members:
                yield block, members

    def panels(self) -> list[tuple[str, list[int]]]:
        """Groups of columns that are shown side by side: (heading, indices of columns).

        With several domains, one panel for each metric and a column for each domain; with one domain, a
        single panel without heading and a column for each metric.
        """
        if not self.has_domains:
            return [("", list(range(len(self.columns))))]
        metrics = dict.fromkeys(column.metric for column in self.columns)
        return [
            (metric, [index for index, column in enumerate(self.columns) if column.metric == metric])
            for metric in metrics
        ]


def compact(table: Table, domains: Collection[str]) -> Table:
    """Return the columns of some domains, or all where none is there, without intervals, to fit a page."""
    indices = range(len(table.columns))
    shown = [j for j in indices if table.columns[j].domain in domains] or list(indices)
    cells = tuple(tuple(replace(row[j], low=None, high=None) for j in shown) for row in table.cells)
    part = replace(
        table,
        title=f"{table.title}, compact",
        columns=tuple(table.columns[j] for j in shown),
        cells=cells,
    )
    return part.with_notes(["Intervals, and further domains if any, stand in the main table."])


@dataclass(frozen=True)
class Choice:
    """The models, metrics and domains of a table to show, by name; all where none is named."""

    models: Sequence[str] = ()
    metrics: Sequence[str] = ()
    domains: Sequence[str] = ()

    def of(self, table: Table) -> Table:
        """Return the chosen rows and columns; best and second are those of what is shown.

        Raises:
            BenchError: a name is not in the table.
        """
        _require("model", self.models, [row.name for row in table.rows])
        _require("metric", self.metrics, [column.metric for column in table.columns])
        _require("domain", self.domains, [column.domain for column in table.columns])
        rows = [i for i, row in enumerate(table.rows) if row.name in (self.models or [row.name])]
        columns = [
            j
            for j, column in enumerate(table.columns)
            if column.metric in (self.metrics or [column.metric])
            and column.domain in (self.domains or [column.domain])
        ]
        if not columns:
            raise BenchError(f"{table.title}: none of these metrics has a number in these domains")
        chosen = replace(
            table,
            rows=tuple(table.rows[i] for i in rows),
            columns=tuple(table.columns[j] for j in columns),
            cells=tuple(tuple(table.cells[i][j] for j in columns) for i in rows),
        )
        marked = {row.note for row in chosen.rows} | {cell.note for row in chosen.cells for cell in row}
        notes = tuple(note for note in table.notes if not note.mark or note.mark in marked)
        return mark_best(replace(chosen, notes=notes))


def _require(kind: str, asked: Sequence[str], present: Sequence[str]) -> None:
    for name in asked:
        if name not in present:
            known = ", ".join(dict.fromkeys(present))
            raise BenchError(
                f"no {kind} {name!r} in the table.{did_you_mean(name, present)} There are: {known}"
            )


def metric_title(metric: str) -> str:
    """Return a column id as a heading, with its backend: ``FSS verified@dlib`` of ``fss.verified@dlib``."""
    stem, at, backend = metric.partition("@")
    first, *rest = stem.split(".")
    head = _WRITTEN.get(first, first.capitalize())
    return " ".join([head, *rest]) + at + backend


def fixed(value: float, digits: int, sign: str = "") -> str:
    """Return ``value`` with so many decimals, never as a negative zero; ``sign`` is '+' to show each sign."""
    return f"{round(value, digits) + 0.0:{sign}.{digits}f}"


def ends(cell: Cell, column: Column) -> tuple[str, str] | None:
    """Return the ends of a cell's interval with the decimals of its column; None without an interval."""
    if cell.low is None or cell.high is None or cell.display == MISSING:
        return None
    return fixed(cell.low, column.digits), fixed(cell.high, column.digits)


def training_lines(table: Table) -> Iterator[str]:
    """Return a line for each way of training, with the models trained so."""
    models: dict[str, list[str]] = {}
    for row in table.rows:
        if row.trained_on:
            models.setdefault(row.training, []).append(row.label)
    return (f"Trained on {training}: {'; '.join(labels)}." for training, labels in models.items())


def mark_best(table: Table) -> Table:
    """Return the table with best and second marked in every column; ties share the mark."""
    columns = [_marks(table, index) for index in range(len(table.columns))]
    cells = tuple(
        tuple(replace(cell, mark=columns[j][i]) for j, cell in enumerate(row))
        for i, row in enumerate(table.cells)
    )
    return replace(table, cells=cells)


def _marks(table: Table, column: int) -> list[Mark]:
    values = {
        i: float(row[column].display)
        for i, row in enumerate(table.cells)
        if table.rows[i].block == "main" and row[column].complete and row[column].display != MISSING
    }
    shown = table.columns[column]
    if len(set(values.values())) < FEWEST_TO_MARK or shown.direction is None or not shown.fit_to_rank:
        return [""] * len(table.rows)
    higher = shown.direction == "higher"
    best, second = [*sorted(set(values.values()), reverse=higher), None][:2]
    marks: dict[float | None, Mark] = {second: "second", best: "best"}
    return [marks.get(values[i], "") if i in values else "" for i in range(len(table.rows))]
