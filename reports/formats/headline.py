"""The end of a run in the terminal: one small table for each data set, and what changes how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from fesbench.statistics.comparisons import ALL, IN_DISTRIBUTION, OOD

from ..tables.table import BLOCKS, MISSING, Cell, Table, metric_title

METRICS = ("ecs", "fss", "quality", "qualiclip", "fid")
"""Stems of the measures that are shown, where the run has them."""

WARNINGS = 3
"""The most notes that are shown with a table."""

STYLES = {"best": "bold", "second": "underline", "": ""}


@dataclass(frozen=True)
class Headline:
    """The main measures of a table in the studio and out of distribution, without intervals, and a few notes.

    Where there is no such domain, the mean over domains or the only one is shown.

    Attributes:
        table: The main table.
        notes: Sentences that change how it is read; the first few are shown.
    """

    table: Table
    notes: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the title, the rows and the first notes."""
        shown = _shown(self.table)
        yield Text(self.table.title, style="bold underline")
        if shown:
            yield _grid(self.table, shown)
        yield from (Text(f"! {text}", style="dim") for text in self.notes[:WARNINGS])


def _shown(table: Table) -> list[int]:
    """Return the indices of the columns that are shown."""
    domains = {column.domain for column in table.columns}
    wanted = {IN_DISTRIBUTION, OOD} & domains or {ALL} & domains or set(list(domains)[:1])
    return [
        index
        for stem in METRICS
        for index, column in enumerate(table.columns)
        if column.metric.partition("@")[0] == stem and column.domain in wanted
    ]


def _grid(table: Table, shown: Sequence[int]) -> RenderableType:
    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    grid.add_column(Text(table.kind))
    for index in shown:
        column = table.columns[index]
        name = metric_title(column.metric).partition("@")[0]
        grid.add_column(Text(f"{name}{column.arrow}\n{column.domain_title}"), justify="right")
    for label, cells in _lines(table):
        grid.add_row(label, *(_text(cells[index]) for index in shown))
    return grid


def _lines(table: Table) -> Iterator[tuple[Text, Sequence[Cell]]]:
    """Yield the label and the cells of each row, the block behind the names of models ranked apart."""
    for block, members in table.blocks():
        apart = BLOCKS[block].partition(":")[0]
        for index in members:
            label = Text(table.rows[index].label)
            yield label.append(f" ({apart})" if apart else "", style="dim"), table.cells[index]


def _text(cell: Cell) -> Text:
    return Text(cell.display, style=STYLES[cell.mark] if cell.display != MISSING else "dim")
