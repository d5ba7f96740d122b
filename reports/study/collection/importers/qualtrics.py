"""Qualtrics: the CSV or TSV export, with its three header rows.

The first row names the fields, the second repeats the question, the third holds ``{"ImportId": …}``. Only a
field that is a trial id is an answer; timing (``…_First Click``), display order (``…_DO_1``) and text fields
are not. Answers are the text of the choice or its recode value, the position counted from 1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from .layouts import check_layout
from .raw import CONSENT, FORM, NO_CONSENT, RawAnswer, Reading, agreed, person_in, trial_id
from .tables import Record, folded, read_table

_PEOPLE = ("PROLIFIC_PID", "participant", "ResponseId")
_STATUS = "Status"
_NOT_COLLECTED = 1 | 2 | 4 | 8
"""The bits of a numeric status: survey preview, survey test, imported, spam. 16 is offline."""


def read(path: Path) -> Reading:
    """Read the answers in an export.

    Responses without consent and those that the survey did not collect from a participant, by their
    ``Status``, are skipped.

    Raises:
        BenchError: it cannot be read.
    """
    table = read_table(path)
    check_layout(table, "qualtrics")
    answers: list[RawAnswer] = []
    skipped = []
    for record in _responses(table.records):
        reason = _no_answer(record.text(_STATUS)) or ("" if agreed(record) else NO_CONSENT)
        if reason:
            skipped.append((record.place, reason))
        else:
            answers += _answers(record)
    kept = {folded(name) for name in (_STATUS, CONSENT, *_PEOPLE, *FORM)}
    dropped = [name for name in table.columns if folded(name) not in kept and not trial_id(name)]
    return Reading(answers, dropped, skipped)


def _responses(records: Sequence[Record]) -> Sequence[Record]:
    """Return the records after the header rows, the last of which has the import ids."""
    for place, record in enumerate(records[:2], start=1):
        if any("ImportId" in value for _, value in record.cells):
            return records[place:]
    return records


def _no_answer(status: str) -> str:
    """Return why a response with this status is not one of a participant; empty if it is one.

    Text is matched by the words that all languages share, as Qualtrics translates it: ``IP-Adresse``.
    """
    if not status:
        return ""
    if status.isdecimal():
        real = not int(status) & _NOT_COLLECTED
    else:
        words = re.findall(r"\w+", status.casefold())
        real = "ip" in words or words in (["offline"], ["offline", "response"])
    return "" if real else f"status {status[:40]!r}: not collected from a participant"


def _answers(record: Record) -> list[RawAnswer]:
    person, form = person_in(record, *_PEOPLE), record.text(*FORM)
    return [
        RawAnswer(person, form, trial, answer, f"{record.place}, {name}")
        for name, value in record.cells
        if (trial := trial_id(name)) and (answer := value.strip())
    ]
