"""Paper: the data-entry table of the packet, typed in from the answer sheets.

Columns: ``form_id``, ``trial_id``, ``answer`` and, optionally, ``participant``; without it the form
identifies the participant, since each form is printed for one.
"""

from __future__ import annotations

from pathlib import Path

from .raw import Reading, read_rows, tidy_answers


def read(path: Path) -> Reading:
    """Read the answers in a table; empty cells are unanswered trials.

    Raises:
        BenchError: it cannot be read.
    """
    answers = tidy_answers(path, read_rows(path))
    return Reading([answer._replace(participant=answer.participant or answer.form) for answer in answers])
