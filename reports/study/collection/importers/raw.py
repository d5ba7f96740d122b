"""The raw answer, and the parts that all platform readers share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from fesbench.core.errors import BenchError

from ...schema import SCREEN
from .layouts import PARTICIPANT, TRIAL
from .tables import Record, Table

FORM = ("form_id", "form")
CONSENT = "consent"
NO_CONSENT = "no consent"
_AGREED = re.compile(r"1|true|on|y|yes\b.*|i (agree|consent)\b.*|agreed?|consented")
_REFUSED = re.compile(
    r"0|2|false|off|n|none|no\b.*|i (do not|don['’]t|disagree|refuse|decline)\b.*|disagreed?|refused?"
)
_PLACEHOLDER = re.compile(r"\{\{.*\}\}|\$\{.*\}|\{%.*%\}")


class RawAnswer(NamedTuple):
    """One answer as the platform reports it; ``participant`` is the id on the platform, not a pseudonym.

    ``slot`` is the position of the choice, from 0, where the platform reports it instead of the text.
    ``form`` is empty where the platform does not report it.
    """

    participant: str
    form: str
    trial: str
    answer: str
    where: str
    slot: int | None = None
    rt_ms: float | None = None
    timestamp: datetime | None = None
    screen: str | None = None


@dataclass(frozen=True)
class Reading:
    """The answers in a file, the names of ignored columns, and the skipped rows with reasons."""

    answers: Sequence[RawAnswer]
    dropped: Sequence[str] = ()
    skipped: Sequence[tuple[str, str]] = field(default_factory=list)


def tidy_reading(table: Table) -> Reading:
    """Read records with the columns participant, form, trial, answer and time, one for each answer.

    Records without a trial id (instructions, consent) or without an answer are no answers. Where any record
    tells of consent, all answers of participants who agreed in none, or refused in one, are skipped.
    """
    stated = [(_person(record), agreed(record)) for record in table.records if record.text(CONSENT)]
    refused = {person for person, consent in stated if not consent}
    consenting = {person for person, _ in stated} - refused
    asked = any(CONSENT in record for record in table.records)
    skipped, answers = [], list[RawAnswer]()
    for record in table.records:
        if asked and _person(record) not in consenting:
            skipped.append((record.place, NO_CONSENT))
        else:
            answers.extend(_tidy_answer(record))
    return Reading(answers, skipped=skipped)


def _person(record: Record) -> str:
    return person_in(record, *PARTICIPANT) or record.text(*FORM)


def _tidy_answer(record: Record) -> Iterator[RawAnswer]:
    trial, answer = record.text("trial_id", "trial"), record.text("answer")
    slot = _slot(record.get("response")) if not answer else None
    if trial and (answer or slot is not None):
        yield RawAnswer(
            participant=person_in(record, *PARTICIPANT),
            form=record.text(*FORM),
            trial=trial_id(trial) or trial,
            answer=answer,
            where=record.place,
            slot=slot,
            rt_ms=number_of(record.get("rt_ms", "rt")),
            timestamp=time_of(record.text("timestamp")),
            screen=screen_of(record.text("screen")),
        )


def _slot(response: Any) -> int | None:
    """Return the index of the button that jsPsych reports."""
    text = str(response).strip()
    return int(text) if text.isdecimal() and len(text) < 3 else None


def person_in(record: Record, *names: str) -> str:
    """Return the participant in the first of these columns that is not empty.

    Text that a platform should have replaced by an id, such as ``{{%PROLIFIC_PID%}}``, counts as empty.
    """
    texts = (record.text(name) for name in names)
    return next((text for text in texts if text and not _PLACEHOLDER.fullmatch(text)), "")


def agreed(record: Record, name: str = CONSENT) -> bool:
    """Whether the participant agreed: True without a column ``name``, False where its cell is empty.

    Raises:
        BenchError: see ``agrees``.
    """
    return name not in record or agrees(record.text(name), record.place)


def agrees(answer: str, place: str) -> bool:
    """Whether an answer to the question of consent is agreement; an empty one is not.

    Raises:
        BenchError: it is neither agreement nor refusal; ``place`` says where it is.
    """
    text = answer.casefold().rstrip(".!")
    if _AGREED.fullmatch(text):
        return True
    if not text or _REFUSED.fullmatch(text):
        return False
    raise BenchError(
        f"{place}: the consent is {answer[:40]!r}, which is neither yes nor no: write yes or no there"
    )


def number_of(value: Any) -> float | None:
    """Parse a time in milliseconds, also with a decimal comma; None if missing, negative or not finite."""
    try:
        number = float(value.replace(",", ".") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if 0 <= number < float("inf") else None


def time_of(text: str) -> datetime | None:
    """Parse an ISO 8601 time; None if it is malformed or has no zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def screen_of(text: str) -> str | None:
    """Parse the size of a screen, such as 1024x768; None if it is malformed."""
    return text if re.fullmatch(SCREEN, text) else None


def trial_id(name: str) -> str:
    """Return the trial id that a name is, in lower case; empty if the name is anything else."""
    text = name.strip().lower()
    return text if TRIAL.fullmatch(text) else ""
