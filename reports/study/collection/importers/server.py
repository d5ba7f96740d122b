"""The lab's own server: its SQLite file, or the same answers as JSON lines or CSV.

Columns: ``participant``, ``form_id``, ``trial_id``, ``answer``, ``rt_ms``, ``timestamp``, ``screen``.
"""

from __future__ import annotations

from pathlib import Path

from ..server import collection
from .layouts import check_layout
from .raw import Reading, tidy_reading
from .tables import read_records, table_of

_SQLITE = b"SQLite format 3\0"
"""The first bytes of an SQLite file (sqlite.org/fileformat.html)."""


def read(path: Path) -> Reading:
    """Read the answers in a file; the server may still be running.

    Raises:
        BenchError: it cannot be read.
    """
    if _is_database(path):
        return tidy_reading(table_of(path, collection.read_records(path)))
    table = read_records(path)
    check_layout(table, "server")
    return tidy_reading(table)


def _is_database(path: Path) -> bool:
    """Whether the suffix or the first bytes are those of SQLite; unreadable files are reported later."""
    if path.suffix == ".sqlite":
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False
