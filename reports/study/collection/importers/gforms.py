"""Google Forms: the sheet of answers, downloaded as CSV.

One form of the study is one Google form. The title of a question begins with its trial id in brackets; a
question that was edited can have several columns, of which each response fills one. A response is one
person, since two people may type the same code (``participant``). It is identified by its form, code and
answers, which are the same in every download; the time stamp is not: it is written in the time zone and the
format of the sheet.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .layouts import TITLE, check_layout
from .raw import CONSENT, FORM, NO_CONSENT, RawAnswer, Reading, agreed, person_in
from .tables import Record, read_table

CODE = "participant"
Given = Sequence[tuple[str, str]]
"""The trials and answers of one response."""


def read(path: Path) -> Reading:
    """Read the answers in a sheet; responses without consent are skipped.

    Raises:
        BenchError: it cannot be read.
    """
    table = read_table(path)
    check_layout(table, "gforms")
    people, answers, skipped = _People(), [], []
    for record in table.records:
        if not agreed(record):
            skipped.append((record.place, NO_CONSENT))
            continue
        given = sorted(_given(record))
        person = people.name(person_in(record, CODE), given)
        answers += [
            RawAnswer(person, record.text(*FORM), trial, answer, record.place) for trial, answer in given
        ]
    kept = {CODE, CONSENT, *FORM}
    dropped = [name for name in table.columns if name.lower() not in kept and not trial_in_title(name)]
    return Reading(answers, dropped, skipped)


def trial_in_title(title: str) -> str:
    """Return the trial id of a question; empty if the title is not that of a trial."""
    found = TITLE.fullmatch(title.strip().lower())
    return found[1] if found else ""


def _given(record: Record) -> Iterator[tuple[str, str]]:
    for name, value in record.cells:
        trial, answer = trial_in_title(name), str(value).strip()
        if trial and answer:
            yield trial, answer


class _People:
    """Names the person of each response in one file; equal responses in one file are of several people."""

    def __init__(self) -> None:
        self._equal: Counter[str] = Counter()

    def name(self, code: str, given: Given) -> str:
        content = json.dumps([code, [(trial, answer.casefold()) for trial, answer in given]])
        self._equal[content] += 1
        return f"{content} {self._equal[content]}"
