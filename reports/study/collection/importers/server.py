"""The lab's own server: its SQLite file, or the same answers as JSON lines or CSV.

Columns: ``participant``, ``form_id``, ``trial_id``, ``answer``, ``rt_ms``, ``timestamp``, ``screen``.
"""

from __future__ import annotations

from pathlib import Path

from ..server import collection
from .raw import Reading, read_records, tidy_answers

_SQLITE = b"SQLite format 3\0"
"""The first bytes of an SQLite file (sqlite.org/fileformat.html)."""


def read(path: Path) -> Reading:
    """Read the answers in a file; the server may still be running.

    Raises:
        BenchError: it cannot be read.
    """
    records = collection.read_records(path) if _is_database(path) else read_records(path)
    return Reading(list(tidy_answers(path, records)))


def _is_database(path: Path) -> bool:
    """Whether the suffix or the first bytes are those of SQLite; unreadable files are reported later."""
    if path.suffix == ".sqlite":
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False
