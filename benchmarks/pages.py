"""Writes tables into pages of the documentation, and never one with fewer rows than the page has.

A table stands between ``<!-- NAME -->`` and ``<!-- end of NAME -->``. Scripts import this module from
their own folder; where ``PYTHONSAFEPATH`` is set, as ``make`` does, run them with ``PYTHONPATH=benchmarks``.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

KEPT = Path(__file__).resolve().parents[1] / "build" / "pages"
"""Where a page goes that is not written, so that nothing measured is lost."""

_TABLE = re.compile(r"^\|.*\|[ \t]*\n\|[ \t:|-]+\|[ \t]*\n(?P<rows>(?:\|.*\|[ \t]*(?:\n|\Z))*)", re.MULTILINE)


def write_table(path: Path, name: str, table: str) -> None:
    """Replace a table of a page.

    Raises:
        SystemExit: the page has no such table or several, or the new one lacks a row.
    """
    pattern = rf"(<!-- {re.escape(name)} -->\n).*?(<!-- end of {re.escape(name)} -->)"
    page = path.read_text(encoding="utf-8")
    new, count = re.subn(pattern, lambda found: f"{found[1]}{table}\n{found[2]}", page, flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{path} has {count} tables called {name}")
    write_page(path, new)


def write_page(path: Path, text: str) -> None:
    """Write a page, new or in the place of an earlier one.

    Raises:
        SystemExit: a table of the earlier page has a row, known by its first cell, that the new page lacks.
    """
    lost = list(lost_rows(path.read_text(encoding="utf-8"), text)) if path.exists() else []
    if lost:
        kept = KEPT / path.name
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_text(text, encoding="utf-8")
        raise SystemExit(
            f"{path} was not written: it has rows that were not measured now: {', '.join(lost)}. Measure all "
            f"of them, or remove them from the page first. What was measured is in {kept}."
        )
    path.write_text(text, encoding="utf-8")


def lost_rows(old: str, new: str) -> Iterator[str]:
    """Yield the first cells of the rows of tables in Markdown that are missing in a new text."""
    missing = Counter(first_cells(old)) - Counter(first_cells(new))
    yield from missing


def first_cells(text: str) -> Iterator[str]:
    """Yield the first cell of every row of every table, headings left out."""
    for table in _TABLE.finditer(text):
        for row in table["rows"].splitlines():
            yield re.split(r"(?<!\\)\|", row)[1].strip()
