"""Mechanical Turk: ``Batch_<n>_batch_results.csv``.

The answer to a trial is in ``Answer.<trial>`` (a radio group) or, with one column for each choice, in
``Answer.<trial>.<choice>`` or ``Answer.<trial>.<choice>.on``, ``true`` for the chosen one. Columns have no
fixed order, and those that nobody chose are missing, so all are found by name. The name of a trial within a
HIT, such as ``t03``, is resolved by ``Input.t03_trial_id``. Other answers, such as comments, are not read.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

from .layouts import check_layout
from .raw import CONSENT, NO_CONSENT, RawAnswer, Reading, agreed, trial_id
from .tables import Record, folded, read_table

_ANSWER, _INPUT = "answer.", "input."
_CONSENT = (f"{_ANSWER}{CONSENT}", f"{_ANSWER}{CONSENT}.on")
_READ = ("workerid", "assignmentstatus", "submittime")
_HOURS = {"UTC": 0, "GMT": 0, "PST": -8, "PDT": -7}


def read(path: Path) -> Reading:
    """Read the answers of one batch; rejected assignments and those without consent are skipped.

    Raises:
        BenchError: it cannot be read.
    """
    table = read_table(path)
    check_layout(table, "mturk")
    answers: list[RawAnswer] = []
    skipped = []
    for record in table.records:
        if record.text("AssignmentStatus").casefold() == "rejected":
            skipped.append((record.place, "assignment rejected"))
        elif not all(agreed(record, name) for name in _CONSENT):
            skipped.append((record.place, NO_CONSENT))
        else:
            answers += _answers(record)
    dropped = [name for name in table.columns if not folded(name).startswith((_ANSWER, _INPUT, *_READ))]
    return Reading(answers, dropped, skipped)


def _answers(record: Record) -> Iterator[RawAnswer]:
    for column, value in record.cells:
        if not column.lower().startswith(_ANSWER) or not value.strip():
            continue
        name, _, choice = column[len(_ANSWER) :].removesuffix(".on").partition(".")
        trial = trial_id(name) or trial_id(record.text(f"{_INPUT}{name}_trial_id"))
        if not trial or (choice and value.strip().lower() != "true"):
            continue
        yield RawAnswer(
            participant=record.text("WorkerId"),
            form=record.text(f"{_INPUT}form_id"),
            trial=trial,
            answer=choice or value.strip(),
            where=f"{record.place}, {column}",
            timestamp=submitted(record.text("SubmitTime")),
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
