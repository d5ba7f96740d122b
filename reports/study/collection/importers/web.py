"""The web page: the data that jsPsych 8 saves, as CSV or JSON.

Every row of a trial has ``participant`` (or Prolific's ``PROLIFIC_PID``), ``form_id``, ``trial_id`` and
``answer``; without ``answer``, ``response`` is the position of the choice, from 0. ``rt`` is in milliseconds.
"""

from __future__ import annotations

from pathlib import Path

from .layouts import check_layout
from .raw import Reading, tidy_reading
from .tables import read_records


def read(path: Path) -> Reading:
    """Read the answers in a saved file.

    Raises:
        BenchError: it cannot be read.
    """
    table = read_records(path)
    check_layout(table, "web")
    return tidy_reading(table)
