"""Tables as HTML needs them: which columns stand side by side, and what each cell says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from fesbench.statistics.comparisons import ALL, OOD

from ..tables.table import BLOCKS, MISSING, Cell, Column, Row, Table, ends, metric_title
from .content import Measured

NO_BREAK = "\u00a0"


@dataclass(frozen=True)
class Bar:
    """A value and its interval on the scale of the column, in percent of its width."""

    low: float
    value: float
    high: float


@dataclass(frozen=True)
class ShownCell:
    """One number; ``opens`` are the attributes by which the page finds what is behind it."""

    display: str
    spoken: str
    sort: str
    mark: str
    stars: str
    interval: str
    note: str
    bar: Bar | None
    opens: Mapping[str, str]


@dataclass(frozen=True)
class ShownRow:
    """A row; ``training`` is empty where nothing was trained."""

    label: str
    name: str
    training: str
    note: str
    cells: Sequence[ShownCell]


@dataclass(frozen=True)
class Head:
    """A column's heading: text, unit and meaning, and in which direction a first click sorts."""

    text: str
    unit: str
    meaning: str
    first: str


@dataclass(frozen=True)
class View:
    """One HTML table: a part of a table's columns.

    ``group`` and ``label`` name it in the menu of views; ``blocks`` are (caption, rows).
    """

    group: str
    label: str
    kind: str
    shows_training: bool
    heads: Sequence[Head]
    blocks: Sequence[tuple[str, Sequence[ShownRow]]]


def main_views(table: Table, measured: Mapping[str, Measured], opens: str = "domain") -> list[View]:
    """Return every view of a main table, the first to show first: all metrics, then all domains.

    ``opens`` is 'domain' where the page has the outputs behind a number, else empty.
    """
    domains = list(dict.fromkeys(column.domain for column in table.columns))
    ahead = [name for name in (OOD, ALL) if name in domains][:1]
    order = [*ahead, *(name for name in domains if name not in ahead)]
    parts = [("All metrics in", _domain_part(table, name)) for name in order]
    if table.has_domains:
        parts += [("All domains of", indices) for _, indices in table.panels()]
    return [_view(table, measured, indices, group, opens, bars=True) for group, indices in parts]


def panel_views(table: Table, measured: Mapping[str, Measured], opens: str) -> list[View]:
    """Return a view for each panel of a table; ``opens`` is what its columns divide: 'target', or empty."""
    group = "" if table.has_domains else table.title
    return [_view(table, measured, indices, group, opens) for _, indices in table.panels()]


def _domain_part(table: Table, domain: str) -> list[int]:
    return [index for index, column in enumerate(table.columns) if column.domain == domain]


def _view(
    table: Table,
    measured: Mapping[str, Measured],
    indices: Sequence[int],
    group: str,
    opens: str,
    bars: bool = False,
) -> View:
    columns = [table.columns[index] for index in indices]
    by_metric = len({column.metric for column in columns}) > 1 or (
        len(columns) == 1 and group != "All domains of"
    )
    title = columns[0].domain_title if by_metric else f"{metric_title(columns[0].metric)}{columns[0].arrow}"
    blocks = [
        (BLOCKS[block], [_row(table, i, indices, opens, bars) for i in members])
        for block, members in table.blocks()
    ]
    heads = [_head(column, measured, by_metric) for column in columns]
    return View(group, title, table.kind, table.shows_training, heads, blocks)  # fmt: skip


def _head(column: Column, measured: Mapping[str, Measured], by_metric: bool) -> Head:
    arrow = column.arrow.replace(" ", NO_BREAK)
    text = f"{metric_title(column.metric)}{arrow}" if by_metric else column.domain_title
    known = measured.get(column.metric)
    first = "ascending" if column.direction == "lower" else "descending"
    return Head(text, column.unit, known.meaning or known.title if known else "", first)


def _row(table: Table, i: int, indices: Sequence[int], opens: str, bars: bool) -> ShownRow:
    row = table.rows[i]
    cells = [_cell(table, i, j, opens, bars) for j in indices]
    return ShownRow(row.label, row.name, row.training if row.trained_on else "", row.note, cells)


def _cell(table: Table, i: int, j: int, opens: str, bars: bool) -> ShownCell:
    row, column, cell = table.rows[i], table.columns[j], table.cells[i][j]
    return ShownCell(
        display=cell.display,
        spoken=_spoken(row, column, cell),
        sort="" if cell.value is None or cell.display == MISSING else repr(cell.value),
        mark=cell.mark,
        stars=cell.stars,
        interval=_interval(cell, column),
        note=cell.note,
        bar=_bar(table, cell, j) if bars else None,
        opens={"model": row.name, "metric": column.metric, opens: column.domain} if opens else {},
    )


def _spoken(row: Row, column: Column, cell: Cell) -> str:
    mark = {"best": ", best", "second": ", second best", "": ""}[cell.mark]
    value = "incomplete" if cell.display == MISSING else cell.display
    place = f"{metric_title(column.metric)} of {row.label} in {column.domain_title}"
    return f"{place}: {value}{mark}. Show the outputs behind it"


def _interval(cell: Cell, column: Column) -> str:
    found = ends(cell, column)
    return "" if found is None else f"{found[0]} – {found[1]}"


def _bar(table: Table, cell: Cell, j: int) -> Bar | None:
    """Return the cell's interval on a scale that holds all of its column and of the same metric's others."""
    if cell.value is None or not cell.complete:
        return None
    scale = list(_ends(table, table.columns[j].metric))
    start, span = min(scale), max(scale) - min(scale)
    if not span:
        return None
    low, high = (cell.value if end is None else end for end in (cell.low, cell.high))
    return Bar(*(round(100 * (end - start) / span, 1) for end in (low, cell.value, high)))


def _ends(table: Table, metric: str) -> Iterator[float]:
    for row in table.cells:
        for column, cell in zip(table.columns, row, strict=True):
            if column.metric == metric and cell.complete:
                yield from (end for end in (cell.low, cell.value, cell.high) if end is not None)
