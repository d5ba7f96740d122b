"""Mechanical Turk: ``Batch_<n>_batch_results.csv``.

The answer to a trial is in ``Answer.<trial>`` (a radio group) or, with one column for each choice, in
``Answer.<trial>.<choice>`` or ``Answer.<trial>.<choice>.on``, ``true`` for the chosen one. Columns have no
fixed order, and those that nobody chose are missing, so all are found by name. The name of a trial within a
HIT, such as ``t03``, is resolved by ``Input.t03_trial_id``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .raw import RawAnswer, Reading, read_rows, text_of, trial_in

ANSWER, INPUT, CONSENT = "Answer.", "Input.", "consent"
NEEDED = ("WorkerId", "AssignmentStatus", "SubmitTime", "Input.form_id")
_HOURS = {"UTC": 0, "GMT": 0, "PST": -8, "PDT": -7}


def read(path: Path) -> Reading:
    """Read the answers of one batch; rejected assignments are skipped.

    Raises:
        BenchError: it cannot be read.
    """
    rows = read_rows(path)
    answers: list[RawAnswer] = []
    skipped = []
    for number, row in enumerate(rows, start=1):
        where = f"{path.name}, assignment {number}"
        if row.get("AssignmentStatus") == "Rejected":
            skipped.append((where, "assignment rejected"))
        else:
            answers += _answers(row, where)
    columns = rows[0] if rows else {}
    dropped = [name for name in columns if name not in NEEDED and not name.startswith((ANSWER, INPUT))]
    return Reading(answers, dropped, skipped)


def _answers(row: Mapping[str, str], where: str) -> Iterator[RawAnswer]:
    for column, value in row.items():
        if not column.startswith(ANSWER) or not value.strip():
            continue
        name, _, choice = column.removeprefix(ANSWER).removesuffix(".on").partition(".")
        if name == CONSENT or (choice and value.strip().lower() != "true"):
            continue
        yield RawAnswer(
            participant=row.get("WorkerId", "").strip(),
            form=text_of(row, "Input.form_id"),
            trial=trial_in(name) or text_of(row, f"{INPUT}{name}_trial_id"),
            answer=choice or value.strip(),
            where=f"{where}, {column}",
            timestamp=submitted(row.get("SubmitTime", "")),
        )


def submitted(text: str) -> datetime | None:
    """Parse a time such as ``Thu Oct 09 07:30:20 UTC 2025``; None for another format."""
    words = text.split()
    if len(words) != 6 or words[4] not in _HOURS:
        return None
    try:
        moment = datetime.strptime(" ".join([*words[1:4], words[5]]), "%b %d %H:%M:%S %Y")
    except ValueError:
        return None
    return moment.replace(tzinfo=timezone(timedelta(hours=_HOURS[words[4]])))
