"""Google Forms: the sheet of answers, downloaded as CSV.

One form of the study is one Google form. A question's title carries its trial id in brackets; a response has
no name, so its ``Timestamp`` and row in the file stand for the person, unless a question is titled
``participant``.
"""

from __future__ import annotations

from pathlib import Path

from .raw import RawAnswer, Reading, read_rows, text_of, trial_in


def read(path: Path) -> Reading:
    """The answers of one sheet.

    Raises:
        BenchError: it cannot be read.
    """
    rows = read_rows(path)
    columns = list(rows[0]) if rows else []
    trials = {name: trial for name in columns if (trial := trial_in(name))}
    answers = [
        RawAnswer(
            participant=text_of(row, "participant") or f"{path.name} {row.get('Timestamp', '')} {number}",
            form=text_of(row, "form_id"),
            trial=trial,
            answer=row[name].strip(),
            where=f"{path.name}, response {number}",
        )
        for number, row in enumerate(rows, start=1)
        for name, trial in trials.items()
        if row[name].strip()
    ]
    kept = {*trials, "participant", "form_id"}
    return Reading(answers, [name for name in columns if name not in kept])
