"""Tables for the terminal, by rich: as wide as it is, and nothing in them is ever cut off.

Where a row with intervals beside the numbers is too long for the line, intervals stand below the numbers;
where that is too long as well, the columns are dealt out over several tables, one below the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table as RichTable
from rich.text import Text

from fesbench.core.contracts import Block
from fesbench.core.plurals import counted

from ..tables.table import (
    BLOCKS,
    MISSING,
    Cell,
    Column,
    Row,
    Table,
    ends,
    metric_title,
    training_lines,
)

STYLES = {"best": "bold", "second": "underline", "": ""}
MARKS = "Bold: best, underlined: second, among models with the same training data."
INTERVALS = "In brackets: the 95% interval."

NO_BREAK = "\u00a0"
"""Keeps numbers below numbers where an interval is shorter than others, or missing."""
_GAP = 2
"""Characters between two columns, of which the table's box brings one."""
_WIDEST_LABEL = 26


@dataclass(frozen=True)
class _Layout:
    """How a table is set: characters for a line and for names, and where intervals stand."""

    width: int
    label: int
    stacked: bool


@dataclass(frozen=True)
class TerminalTable:
    """A table as a rich renderable: a panel for each metric (or one in all), then the essential footnotes.

    It is set for the width of the console that prints it.
    """

    table: Table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Title, panels and footnotes."""
        layout = _layout(self.table, options.max_width)
        yield Text(self.table.title, style="bold underline")
        for heading, indices in self.table.panels():
            yield from _panel(self.table, heading, indices, layout)
        yield Text()
        yield from (Text(line, style="dim") for line in _footnotes(self.table))


def _footnotes(table: Table) -> Iterator[str]:
    legend = [MARKS] * table.has_marks + [INTERVALS] * table.has_intervals
    if legend:
        yield " ".join(legend)
    yield from training_lines(table)
    yield from (f"{note.mark} {note.text}".lstrip() for note in table.notes if not note.detail)
    more = sum(note.detail for note in table.notes)
    if more:
        yield f"{counted(more, 'more note')}, on methods, in report/table.md."


def _layout(table: Table, width: int) -> _Layout:
    """Intervals beside the numbers where every panel then fits the width, else below them."""
    labels = [_label(row).plain for row in table.rows] + [_title(block).plain for block, _ in table.blocks()]
    longest = min(max(map(cell_len, labels)), _WIDEST_LABEL)
    if longest + _widest_panel(table, stacked=False) <= width:
        return _Layout(width, longest, stacked=False)
    word = min(max((cell_len(word) for label in labels for word in label.split()), default=1), _WIDEST_LABEL)
    room = width - _widest_panel(table, stacked=True)
    return _Layout(width, max(word, min(longest, room)), stacked=True)


def _widest_panel(table: Table, stacked: bool) -> int:
    """Characters that the columns of the widest panel need beside the names."""
    return max(
        sum(_GAP + _column_width(table, heading, index, stacked) for index in indices)
        for heading, indices in table.panels()
    )


def _column_width(table: Table, heading: str, index: int, stacked: bool) -> int:
    column = table.columns[index]
    texts = [_heading(column, heading), *(_cell(table, i, index, stacked) for i in range(len(table.rows)))]
    return max(cell_len(line) for text in texts for line in text.plain.splitlines())


def _panel(table: Table, heading: str, indices: Sequence[int], layout: _Layout) -> Iterator[RenderableType]:
    if heading:
        column = table.columns[indices[0]]
        name = f"{metric_title(heading)}{column.arrow}"
        yield Text.assemble("\n", (name, "bold"), f"  {column.unit}")
    for number, part in enumerate(_parts(table, heading, indices, layout)):
        if number:
            yield Text()
        yield _grid(table, heading, part, layout)


def _parts(table: Table, heading: str, indices: Sequence[int], layout: _Layout) -> Iterator[list[int]]:
    """Yield the columns in as few groups as fit the width, each with one column at least."""
    part: list[int] = []
    taken = layout.label
    for index in indices:
        needed = _GAP + _column_width(table, heading, index, layout.stacked)
        if part and taken + needed > layout.width:
            yield part
            part, taken = [], layout.label
        part.append(index)
        taken += needed
    yield part


def _grid(table: Table, heading: str, indices: Sequence[int], layout: _Layout) -> RichTable:
    grid = RichTable(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0, 0, _GAP - 1))
    grid.add_column(Text(table.kind), width=layout.label, overflow="fold")
    for index in indices:
        width = _column_width(table, heading, index, layout.stacked)
        name = _heading(table.columns[index], heading)
        grid.add_column(name, justify="right", width=width, overflow="fold")
    for block, members in table.blocks():
        if BLOCKS[block]:
            grid.add_row(_title(block))
        for row in members:
            cells = [_cell(table, row, index, layout.stacked) for index in indices]
            grid.add_row(_label(table.rows[row]), *cells)
    return grid


def _title(block: Block) -> Text:
    return Text(BLOCKS[block].partition(":")[0], style="dim italic")


def _heading(column: Column, panel: str) -> Text:
    if panel:
        return Text(column.domain_title)
    return Text(f"{metric_title(column.metric)}{column.arrow}".replace("@", "\n@", 1))


def _label(row: Row) -> Text:
    return Text.assemble(row.label, (f" {row.note}", "dim italic") if row.note else "")


def _cell(table: Table, row: int, index: int, stacked: bool) -> Text:
    cell = table.cells[row][index]
    if cell.display == MISSING:
        return Text.assemble(MISSING, (f" {cell.note}", "dim italic"))
    number, spread = (cell.display, STYLES[cell.mark]), (_spread(cell, table.columns[index]), "dim")
    if stacked:
        return Text.assemble(number, cell.stars, "\n" if spread[0] else "", spread)
    behind = [_behind(line[index], table.columns[index]) for line in table.cells]
    room = max(map(cell_len, behind)) - cell_len(behind[row])
    return Text.assemble(number, cell.stars, " " if spread[0] else "", spread, NO_BREAK * room)


def _behind(cell: Cell, column: Column) -> str:
    """Return what stands behind a number in its line."""
    spread = _spread(cell, column)
    return "" if cell.display == MISSING else cell.stars + (f" {spread}" if spread else "")


def _spread(cell: Cell, column: Column) -> str:
    found = ends(cell, column)
    return "" if found is None else f"[{_short(found[0])}, {_short(found[1])}]"


def _short(end: str) -> str:
    """``.95`` of ``0.95``."""
    return end.replace("0.", ".", 1) if end.startswith(("0.", "-0.")) else end
