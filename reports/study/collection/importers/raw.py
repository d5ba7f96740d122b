"""The raw answer, and reading of untrusted files: the shared parts of all platform readers.

The size, rows and cells of files are limited, and nothing in them is evaluated.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from fesbench.core.errors import BenchError
from fesbench.core.files import read_limited

from ...schema import SCREEN

LARGEST = 64 * 2**20
"""Largest size of a file in bytes."""
MOST_ROWS = 1_000_000
TRIAL = re.compile(r"t[0-9a-f]{12}")

_PARTICIPANT = ("participant", "participant_id", "PROLIFIC_PID", "prolific_pid", "workerId")
_FORM = ("form_id", "form")


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


def read_text(path: Path) -> str:
    """Read the text of a file.

    Raises:
        BenchError: it is missing, too large or not UTF-8.
    """
    try:
        text = read_limited(path, LARGEST, "give the answers in parts").decode("utf-8-sig")
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BenchError(
            f"{path} is not UTF-8 text (byte {error.start}): export it again as UTF-8"
        ) from error
    if "\0" in text:
        raise BenchError(f"{path} holds NUL characters, so it is not a table: export it again as CSV")
    return text


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV or TSV file as dictionaries; missing cells are empty.

    Raises:
        BenchError: see ``read_text``; or there are too many rows, repeated columns or an unclosed cell.
    """
    text = read_text(path)
    delimiter = "\t" if "\t" in text.partition("\n")[0] else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restval="")
    rows: list[dict[str, str]] = []
    try:
        columns = reader.fieldnames or []
        repeated = sorted({name for name in columns if columns.count(name) > 1})
        if repeated:
            raise BenchError(f"{path} has two columns called {repeated[0]!r}: rename one of them")
        for row in reader:
            row.pop(None, None)
            rows.append(row)
            if len(rows) > MOST_ROWS:
                raise BenchError(f"{path} has more than {MOST_ROWS} rows: give the answers in parts")
    except csv.Error as error:
        raise BenchError(f"{path}, line {reader.line_num}: {error}") from error
    return rows


def read_json(path: Path, text: str) -> Any:
    """Parse JSON.

    Raises:
        BenchError: the text is not JSON, or is nested too deeply.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BenchError(f"{path} is not readable as JSON: {error}") from error


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the records of a CSV or TSV file, a JSON list or JSON lines, by the suffix of the file.

    Raises:
        BenchError: see ``read_rows`` and ``read_json``; or the JSON holds values that are not objects.
    """
    if path.suffix == ".jsonl":
        lines = [line for line in read_text(path).splitlines() if line.strip()]
        records = [read_json(path, line) for line in lines[: MOST_ROWS + 1]]
    elif path.suffix == ".json":
        content = read_json(path, read_text(path))
        records = content if isinstance(content, list) else [content]
    else:
        return list(read_rows(path))
    if len(records) > MOST_ROWS or not all(isinstance(record, dict) for record in records):
        raise BenchError(f"{path} must hold at most {MOST_ROWS} JSON objects")
    return records


def tidy_answers(path: Path, records: Iterable[Mapping[str, Any]]) -> Iterator[RawAnswer]:
    """Yield the answers in records with the columns participant, form, trial, answer and time.

    Records without a trial id (instructions, consent) or without an answer are skipped.
    """
    for number, record in enumerate(records, start=1):
        trial, answer = text_of(record, "trial_id", "trial"), text_of(record, "answer")
        slot = _slot(record.get("response")) if not answer else None
        if trial and (answer or slot is not None):
            yield RawAnswer(
                participant=text_of(record, *_PARTICIPANT),
                form=text_of(record, *_FORM),
                trial=trial,
                answer=answer,
                where=f"{path.name}, record {number}",
                slot=slot,
                rt_ms=number_of(record.get("rt_ms", record.get("rt"))),
                timestamp=time_of(text_of(record, "timestamp")),
                screen=screen_of(text_of(record, "screen")),
            )


def _slot(response: Any) -> int | None:
    """Return the index of the button that jsPsych reports."""
    text = str(response).strip()
    return int(text) if text.isdecimal() and len(text) < 3 else None


def text_of(record: Mapping[str, Any], *names: str) -> str:
    """Return the stripped text of the first of these columns that is not empty."""
    values = (record.get(name) for name in names)
    return next((text for value in values if value is not None and (text := str(value).strip())), "")


def number_of(value: Any) -> float | None:
    """Parse a time in milliseconds; None if it is missing, negative or not finite."""
    try:
        number = float(value)
    except (TypeError, ValueError):
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


def trial_in(text: str) -> str:
    """Return the trial id in a column name or the title of a question; empty if there is none."""
    found = TRIAL.search(text)
    return found.group() if found else ""
