"""Tables for the terminal, by rich."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from .tables import BLOCKS, MISSING, Cell, Column, Row, Table, metric_title

ARROWS = {"higher": "↑", "lower": "↓"}
STYLES = {"best": "bold", "second": "underline", "": ""}
LEGEND = (
    "Best in bold, second underlined, by displayed values, among models with the same training data. "
    "± reaches to the farther end of the 95% interval."
)


def terminal_table(table: Table) -> RenderableType:
    """The table as a rich renderable: a panel for each metric (or one in all), then the footnotes."""
    panels = [_panel(table, heading, indices) for heading, indices in table.panels()]
    lines = [LEGEND, *_training(table), *(f"{mark} {text}".lstrip() for mark, text in table.notes)]
    notes = [Text(line, style="dim") for line in lines]
    return Group(Text(table.title, style="bold underline"), *panels, *notes)


def _training(table: Table) -> list[str]:
    """A line for each way of training, with the models trained so."""
    models: dict[str, list[str]] = {}
    for row in table.rows:
        if row.trained_on:
            models.setdefault(row.training, []).append(row.label)
    return [f"Trained on {training}: {', '.join(labels)}." for training, labels in models.items()]


def _panel(table: Table, heading: str, indices: Sequence[int]) -> RenderableType:
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    grid.add_column(Text("model"), max_width=26)
    for index in indices:
        grid.add_column(_heading(table.columns[index], heading), justify="right", no_wrap=True)
    for block, members in table.blocks():
        if BLOCKS[block]:
            grid.add_row(Text(BLOCKS[block].partition(":")[0], style="dim italic"))
        for row in members:
            cells = [_cell(table.cells[row][index], table.columns[index]) for index in indices]
            grid.add_row(_label(table.rows[row]), *cells)
        grid.add_section()
    if not heading:
        return grid
    column = table.columns[indices[0]]
    title = Text.assemble((f"{metric_title(heading)} {ARROWS[column.direction]}", "bold"), f"  {column.unit}")
    return Group(title, grid)


def _heading(column: Column, panel: str) -> Text:
    if panel:
        return Text(column.domain_title)
    return Text(f"{metric_title(column.metric)} {ARROWS[column.direction]}".replace("@", "\n@", 1))


def _label(row: Row) -> Text:
    return Text.assemble(row.label, (f" {row.note}", "dim italic") if row.note else "")


def _cell(cell: Cell, column: Column) -> Text:
    if cell.display == MISSING:
        return Text.assemble(MISSING, (f" {cell.note}", "dim italic"))
    reach = half_width(cell)
    spread = "" if reach is None else f" ±{reach:.{column.digits}f}".replace("±0.", "±.")
    return Text.assemble((cell.display, STYLES[cell.mark]), (spread, "dim"))


def half_width(cell: Cell) -> float | None:
    """The distance from the value to the farther end of its interval; None without one."""
    if cell.value is None or cell.low is None or cell.high is None:
        return None
    return max(cell.high - cell.value, cell.value - cell.low)
