"""The table model: what every renderer (terminal, LaTeX, Markdown, CSV) shows, decided once.

A table holds semantic values beside displayed ones. Best and second are judged by the displayed values,
among complete cells of the main block only, and never in a column with fewer than two of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from fesbench.contracts import Direction

Block = Literal["main", "transfer", "control"]
Mark = Literal["best", "second", ""]

BLOCKS: Mapping[Block, str] = {
    "main": "",
    "transfer": "transfer: trained on other data, not ranked with the rows above",
    "control": "controls: floor, ceiling and simple references, not ranked",
}
DOMAIN_TITLES = {"ood": "mean OOD"}
MISSING = "–"
FEWEST_TO_MARK = 2
"""A best among fewer complete models says nothing."""

_ACRONYMS = ("ecs", "fss", "fid", "kid", "mae", "psnr", "ssim")


class Note(NamedTuple):
    """A footnote; ``mark`` is the letter by which cells and rows refer to it, empty where none does.

    A ``detail`` stands in files, where there is room, and not in the terminal.
    """

    mark: str
    text: str
    detail: bool = False


@dataclass(frozen=True)
class Column:
    """One number per row: a metric in a domain. ``digits`` are the decimals that its interval supports."""

    metric: str
    domain: str
    direction: Direction
    unit: str
    digits: int

    @property
    def domain_title(self) -> str:
        """The domain as a heading."""
        return DOMAIN_TITLES.get(self.domain, self.domain)


@dataclass(frozen=True)
class Row:
    """A model. ``note`` is the mark of a footnote on the model as a whole, such as 'untrained'."""

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
    """One number. ``display`` is what a reader sees: a dash where the cell is incomplete or empty."""

    value: float | None
    low: float | None
    high: float | None
    display: str
    n_asked: int
    n_scored: int
    complete: bool
    mark: Mark = ""
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Rows by columns of cells, with footnotes; ``cells[i][j]`` belongs to ``rows[i]`` and ``columns[j]``."""

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...] = ()

    def blocks(self) -> Iterator[tuple[Block, list[int]]]:
        """Each block that has rows, with their indices: main first, controls last."""
        for block in BLOCKS:
            members = [index for index, row in enumerate(self.rows) if row.block == block]
            if members:
                yield block, members

    def panels(self) -> list[tuple[str, list[int]]]:
        """Groups of columns that are shown side by side: (heading, indices of columns).

        With several domains, one panel for each metric and a column for each domain; with one domain, a
        single panel without heading and a column for each metric.
        """
        if len({column.domain for column in self.columns}) == 1:
            return [("", list(range(len(self.columns))))]
        metrics = dict.fromkeys(column.metric for column in self.columns)
        return [
            (metric, [index for index, column in enumerate(self.columns) if column.metric == metric])
            for metric in metrics
        ]


def metric_title(metric: str) -> str:
    """``FSS verified@dlib`` of ``fss.verified@dlib``; the backend always shows."""
    stem, at, backend = metric.partition("@")
    first, *rest = stem.split(".")
    head = first.upper() if first in _ACRONYMS else first.capitalize()
    return " ".join([head, *rest]) + at + backend


def mark_best(table: Table) -> Table:
    """The table with best and second marked in every column; ties share the mark."""
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
    if len(values) < FEWEST_TO_MARK:
        return [""] * len(table.rows)
    higher = table.columns[column].direction == "higher"
    best, second = [*sorted(set(values.values()), reverse=higher), None][:2]
    marks: dict[float | None, Mark] = {second: "second", best: "best"}
    return [marks.get(values[i], "") if i in values else "" for i in range(len(table.rows))]
