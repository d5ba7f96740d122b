"""Tables in Markdown and CSV."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..tables.table import BLOCKS, MISSING, Cell, Column, Table, ends, metric_title
from .delimited import csv_rows

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+!|~-])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_WRAPS = {"best": "**", "second": "*", "": ""}

CSV_HEADER = (
    "dataset", "block", "model", "label", "trained_on", "supervision", "metric", "direction", "unit",
    "domain", "display", "value", "low", "high", "p", "n_asked", "n_scored", "complete", "mark", "note",
)  # fmt: skip


def escape(text: str) -> str:
    """``text`` for Markdown: no markup, no HTML, no cell or line end."""
    plain = _SPECIAL.sub(r"\\\1", " ".join(text.split()))
    return "".join(_HTML.get(character, character) for character in plain)


def markdown_tables(tables: Sequence[Table]) -> str:
    """Markdown text of one table after the other."""
    return "\n".join(markdown_table(table) for table in tables)


def markdown_table(table: Table) -> str:
    """Markdown text: a table for each panel, best in bold and second in italics, then the footnotes."""
    parts = [f"### {escape(table.title)}", *(_panel(table, *panel) for panel in table.panels())]
    notes = [f"{note.mark + ': ' if note.mark else ''}{escape(note.text)}" for note in table.notes]
    return "\n\n".join([*parts, "\n".join(f"- {note}" for note in notes)]).rstrip() + "\n"


def _panel(table: Table, heading: str, indices: Sequence[int]) -> str:
    columns = [table.columns[index] for index in indices]
    names = [
        column.domain_title if heading else f"{metric_title(column.metric)}{column.arrow}"
        for column in columns
    ]
    corner = f"{metric_title(heading)}{columns[0].arrow}" if heading else table.kind
    left = [corner, "trained on"] if table.shows_training else [corner]
    lines = [_line([escape(name) for name in (*left, *names)])]
    lines.append(_line([*["---"] * len(left), *["--:"] * len(indices)]))
    for block, members in table.blocks():
        if BLOCKS[block]:
            lines.append(_line([f"*{escape(BLOCKS[block])}*", *[""] * (len(left) - 1 + len(indices))]))
        for index in members:
            row = table.rows[index]
            names = [escape(row.label) + _mark(row.note), escape(row.training)][: len(left)]
            lines.append(_line([*names, *(_cell(table.cells[index][j], table.columns[j]) for j in indices)]))
    return "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _mark(mark: str) -> str:
    return f" <sup>{mark}</sup>" if mark else ""


def _cell(cell: Cell, column: Column) -> str:
    if cell.display == MISSING:
        return MISSING + _mark(cell.note)
    wrap = _WRAPS[cell.mark]
    shown = f"{wrap}{cell.display}{wrap}{escape(cell.stars)}"
    found = ends(cell, column)
    return shown if found is None else f"{shown} [{found[0]}, {found[1]}]"


def csv_tables(tables: Sequence[Table]) -> str:
    """CSV text, a line for each cell, with full precision and the displayed value beside it."""
    return csv_rows([CSV_HEADER, *(row for table in tables for row in _csv_rows(table))])


def _csv_rows(table: Table) -> Iterator[tuple[object, ...]]:
    texts = {note.mark: note.text for note in table.notes}
    for row, cells in zip(table.rows, table.cells, strict=True):
        for column, cell in zip(table.columns, cells, strict=True):
            yield (
                table.title, row.block, row.name, row.label, row.trained_on, row.supervision, column.metric,
                column.direction or "", column.unit, column.domain, cell.display, cell.value, cell.low,
                cell.high, cell.p, cell.n_asked, cell.n_scored, cell.complete, cell.mark,
                texts[cell.note] if cell.note else "",
            )  # fmt: skip
