"""The web page: the data that jsPsych 8 saves, as CSV or JSON.

Every row of a trial has ``participant`` (or Prolific's ``PROLIFIC_PID``), ``form_id``, ``trial_id`` and
``answer``; without ``answer``, ``response`` is the position of the choice, from 0. ``rt`` is in milliseconds.
"""

from __future__ import annotations

from pathlib import Path

from .raw import Reading, read_records, tidy_answers


def read(path: Path) -> Reading:
    """Read the answers in a saved file.

    Raises:
        BenchError: it cannot be read.
    """
    return Reading(list(tidy_answers(path, read_records(path))))
