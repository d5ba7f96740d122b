"""Qualtrics: the CSV export, with its three header rows.

The first row names the fields (a question's is its trial id), the second repeats the question, the third
holds ``{"ImportId": …}``. Answers are the words of the choice or its recode value, the place counted from 1.
"""

from __future__ import annotations

from pathlib import Path

from .raw import RawAnswer, Reading, read_rows, text_of, trial_in

_PEOPLE = ("PROLIFIC_PID", "participant", "ResponseId")
_FORM = ("form_id", "form")
_PREVIEW = ("Survey Preview", "1")
"""``Status`` of answers that the organiser gave while looking at the survey, in words and as a number."""


def read(path: Path) -> Reading:
    """The answers of one export; previews are passed over.

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
