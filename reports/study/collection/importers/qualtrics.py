"""Qualtrics: the CSV export, with its three header rows.

The first row names the fields (the trial id for a question), the second repeats the question, the third holds
``{"ImportId": …}``. Answers are the text of the choice or its recode value, the position counted from 1.
"""

from __future__ import annotations

from pathlib import Path

from .raw import RawAnswer, Reading, read_rows, text_of, trial_in

_PEOPLE = ("PROLIFIC_PID", "participant", "ResponseId")
_FORM = ("form_id", "form")
_PREVIEW = ("Survey Preview", "1")
"""``Status`` of previews of the survey by the organiser, as text and as a number."""


def read(path: Path) -> Reading:
    """Read the answers in an export; previews are skipped.

    Raises:
        BenchError: it cannot be read.
    """
    rows = read_rows(path)
    if len(rows) > 1 and any("ImportId" in cell for cell in rows[1].values()):
        rows = rows[2:]
    trials = {name: trial for name in (rows[0] if rows else ()) if (trial := trial_in(name))}
    answers, skipped = [], []
    for number, row in enumerate(rows, start=1):
        where = f"{path.name}, response {number}"
        if row.get("Status", "").strip() in _PREVIEW:
            skipped.append((where, "survey preview"))
            continue
        answers += [
            RawAnswer(
                text_of(row, *_PEOPLE), text_of(row, *_FORM), trial, row[name].strip(), f"{where}, {name}"
            )
            for name, trial in trials.items()
            if row[name].strip()
        ]
    kept = {*trials, "Status", *_PEOPLE, *_FORM}
    return Reading(answers, [name for name in (rows[0] if rows else ()) if name not in kept], skipped)
