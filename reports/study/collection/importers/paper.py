"""Paper: the data-entry table of the packet, typed in from the answer sheets.

Columns: ``form_id``, ``trial_id``, ``answer`` and, where people had numbers, ``participant``; else a form is
a participant, since each is printed for one.
"""

from __future__ import annotations

from pathlib import Path

from .raw import Reading, read_rows, tidy_answers


def read(path: Path) -> Reading:
    """The answers of one table; empty cells are trials left unanswered.

    Raises:
        BenchError: it cannot be read.
    """
    answers = tidy_answers(path, read_rows(path))
    return Reading([answer._replace(participant=answer.participant or answer.form) for answer in answers])
