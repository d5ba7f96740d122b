"""Paper: the data-entry table of the packet, typed in from the answer sheets.

Columns: ``form_id``, ``trial_id``, ``answer`` and, optionally, ``participant``; without it the form
identifies the participant, since each form is printed for one.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .layouts import check_layout
from .raw import Reading, tidy_reading
from .tables import read_table


def read(path: Path) -> Reading:
    """Read the answers in a table; empty cells are unanswered trials.

    Raises:
        BenchError: it cannot be read.
    """
    table = read_table(path)
    check_layout(table, "paper")
    reading = tidy_reading(table)
    answers = [one._replace(participant=one.participant or one.form) for one in reading.answers]
    return replace(reading, answers=answers)
