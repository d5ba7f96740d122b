"""The lab's own server: the SQLite file in which it keeps answers, or those answers as JSON lines or CSV.

Columns: ``participant``, ``form_id``, ``trial_id``, ``answer``, ``rt_ms``, ``timestamp``, ``screen``.
"""

from __future__ import annotations

from pathlib import Path

from ..server import collection
from .raw import Reading, read_records, tidy_answers


def read(path: Path) -> Reading:
    """The answers of one file; its server may still be running.

    Raises:
        BenchError: it cannot be read.
    """
    records = collection.read_records(path) if path.suffix == ".sqlite" else read_records(path)
    return Reading(list(tidy_answers(path, records)))
