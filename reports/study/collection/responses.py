"""Import raw answers of any platform into one tidy table: matched, pseudonymous, without duplicates.

Participants' ids are replaced by pseudonyms (an HMAC with the secret of the key) before anything is written;
names, addresses and places are never read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from fesbench.core.errors import BenchError, invalid_fields
from fesbench.core.files import write_text

from ...formats.delimited import csv_rows
from ..schema import Form, Key, Platform, Response, Study, Trial
from ..storage import pseudonym
from .importers import READERS, RawAnswer
from .importers.tables import Record, read_table

COLUMNS = (
    "study_id", "form_id", "participant", "platform", "trial_id", "question", "kind", "answer", "slot",
    "stimulus", "rt_ms", "timestamp", "screen", "gold_pass",
)  # fmt: skip
SHOWN_PROBLEMS = 20


class Problem(NamedTuple):
    """A row that was not imported, and the reason. ``detail`` never contains the id of a participant."""

    kind: str
    where: str
    detail: str


@dataclass(frozen=True)
class Imported:
    """The imported responses, at most one of a participant to a trial, and the rows that were not imported.

    ``read`` counts the answers in the files, ``dropped`` names the columns that were ignored. Kinds of
    problems: ``skipped`` (not an answer of a participant), ``unmatched`` (matches no trial), ``duplicate``
    and ``conflict`` (the trial was answered before, with the same or another answer). ``replaced`` counts the
    answers of earlier imports that these take the place of.
    """

    responses: Sequence[Response]
    problems: Sequence[Problem]
    dropped: Sequence[str]
    read: int
    replaced: int = 0

    def report(self) -> dict[str, object]:
        """Return the content of ``import.json``: counts, ignored columns and the first problems."""
        return {
            "read": self.read,
            "responses": len(self.responses),
            "participants": len({response.participant for response in self.responses}),
            "replaced": self.replaced,
            "problems": dict(Counter(problem.kind for problem in self.problems)),
            "dropped_columns": list(self.dropped),
            "first_problems": [problem._asdict() for problem in self.problems[:SHOWN_PROBLEMS]],
        }


def import_files(
    platform: Platform, paths: Sequence[Path], study: Study, forms: Sequence[Form], secret: str
) -> Imported:
    """Import the answers in files of one platform.

    Args:
        platform: The platform.
        paths: The files; of two answers to one trial, the first in this order counts.
        study: The study.
        forms: All its forms.
        secret: The secret of the key, for pseudonyms.

    Raises:
        BenchError: a file cannot be read, or the files hold no answer that fits the study.
    """
    readings = [READERS[platform](path) for path in paths]
    raw = [answer for reading in readings for answer in reading.answers]
    passed_over = [Problem("skipped", *row) for reading in readings for row in reading.skipped]
    for path, reading in zip(paths, readings, strict=True):
        if not reading.answers and not reading.skipped:
            passed_over.append(Problem("skipped", path.name, "no row has an answer"))
    responses, problems = _matched(raw, study, forms, platform, secret)
    problems = [*passed_over, *problems]
    if not responses:
        raise BenchError(_nothing_read(platform, paths, problems))
    dropped = dict.fromkeys(name for reading in readings for name in reading.dropped)
    return Imported(responses, problems, list(dropped), len(raw))


def _nothing_read(platform: Platform, paths: Sequence[Path], problems: Sequence[Problem]) -> str:
    counts = Counter(problem.kind for problem in problems)
    reasons = ", ".join(f"{kind}: {count}" for kind, count in counts.items())
    first = f"; the first, {problems[0].where}: {problems[0].detail}"
    return (
        f"{', '.join(map(str, paths))}: no answers of the platform {platform} fit this study, so nothing was "
        f"written ({reasons}{first})"
    )


def _matched(
    raw: Iterable[RawAnswer], study: Study, forms: Sequence[Form], platform: Platform, secret: str
) -> tuple[list[Response], list[Problem]]:
    trials = {trial.id: (form.id, trial) for form in forms for trial in form.trials}
    found: dict[tuple[str, str], Response] = {}
    problems: list[Problem] = []
    for one in raw:
        form, trial = trials.get(one.trial, ("", None))
        problem = _unmatched(one, form, trial)
        if trial is None or problem:
            problems.append(Problem("unmatched", one.where, problem))
            continue
        response = Response(
            study_id=study.id,
            participant=pseudonym(secret, one.participant),
            form_id=form,
            trial_id=trial.id,
            answer=resolve(one, trial) or "",
            rt_ms=one.rt_ms,
            timestamp=one.timestamp,
            screen=one.screen,
            platform=platform,
        )
        first = found.setdefault((response.participant, response.trial_id), response)
        if first is not response:
            same = first.answer == response.answer
            kind, text = ("duplicate", "the same") if same else ("conflict", "another answer")
            problems.append(Problem(kind, one.where, f"{trial.id} answered twice, {text}: the first counts"))
    return list(found.values()), problems


def _unmatched(one: RawAnswer, form: str, trial: Trial | None) -> str:
    if trial is None:
        return f"no trial of this study is called {one.trial[:40]!r}"
    if one.form and one.form != form:
        return f"trial {trial.id} belongs to form {form}, not {one.form[:20]!r}"
    if not one.participant:
        return "no participant"
    if resolve(one, trial) is None:
        shown = one.answer[:40] if one.answer else f"place {one.slot}"
        return f"{shown!r} is none of the answers of {trial.id}: {', '.join(trial.choices)}"
    return ""


def resolve(one: RawAnswer, trial: Trial) -> str | None:
    """Return the choice that an answer names, by its name, label or position; None if there is none."""
    if one.slot is not None:
        return trial.choices[one.slot] if one.slot < len(trial.choices) else None
    spoken = one.answer.casefold()
    for names in (trial.choices, trial.labels):
        folded = [name.casefold() for name in names]
        if folded.count(spoken) == 1:
            return trial.choices[folded.index(spoken)]
    if spoken.isdecimal() and len(spoken) < 3 and 1 <= int(spoken) <= len(trial.choices):
        return trial.choices[int(spoken) - 1]
    return None


def responses_csv(responses: Iterable[Response], forms: Iterable[Form], key: Key) -> str:
    """Return the tidy table as CSV text: ``COLUMNS``, one row for each answer; it names no model."""
    trials = {trial.id: trial for form in forms for trial in form.trials}
    return csv_rows([COLUMNS, *_rows(responses, trials, key)])


def _rows(responses: Iterable[Response], trials: Mapping[str, Trial], key: Key) -> Iterator[list[object]]:
    about = {trial.id: trial for trial in key.trials}
    for one in responses:
        trial, known = trials[one.trial_id], about[one.trial_id]
        time = one.timestamp.isoformat() if one.timestamp else None
        passed = int(one.answer in known.gold) if known.gold else None
        yield [
            one.study_id, one.form_id, one.participant, one.platform, trial.id, trial.question, known.kind,
            one.answer, trial.choices.index(one.answer), trial.chosen(one.answer), one.rt_ms, time,
            one.screen, passed,
        ]  # fmt: skip


def write_import(folder: Path, imported: Imported, forms: Sequence[Form], key: Key) -> Path:
    """Write ``responses.csv`` into a folder and return its path."""
    path = folder / "responses.csv"
    write_text(path, responses_csv(imported.responses, forms, key))
    return path


def read_responses(path: Path, study: Study, forms: Iterable[Form]) -> list[Response]:
    """Read the responses in a tidy table, which may be none; only the columns of ``Response`` are used.

    Raises:
        BenchError: the file cannot be read, or a row was changed or belongs to another study.
    """
    trials = {trial.id: (form.id, trial) for form in forms for trial in form.trials}
    return [
        _response(record, f"{path.parent / record.place}", study, trials)
        for record in read_table(path).records
    ]


def _response(record: Record, place: str, study: Study, trials: Mapping[str, tuple[str, Trial]]) -> Response:
    fields = {name: value or None for name, value in record.cells if name in Response.model_fields}
    try:
        one = Response.model_validate(fields)
    except ValidationError as error:
        raise BenchError(
            f"{place}: {invalid_fields(error)}; delete the file and import all answers again"
        ) from error
    form, trial = trials.get(one.trial_id, ("", None))
    if one.study_id != study.id or trial is None or one.form_id != form or one.answer not in trial.choices:
        raise BenchError(
            f"{place}: {one.trial_id} with answer {one.answer!r} does not fit study {study.id}; give the "
            "packet that these answers belong to"
        )
    return one


def merged(earlier: Sequence[Response], imported: Imported) -> Imported:
    """Add new responses to earlier ones; an answer to an answered trial is a duplicate or a conflict."""
    found = {(one.participant, one.trial_id): one for one in earlier}
    problems = list(imported.problems)
    for one in imported.responses:
        first = found.setdefault((one.participant, one.trial_id), one)
        if first is not one:
            same = first.answer == one.answer
            kind, hint = ("duplicate", "") if same else ("conflict", "; --replace takes the new one")
            problems.append(
                Problem(kind, "an earlier import", f"{one.trial_id}: the first answer counts{hint}")
            )
    return replace(imported, responses=list(found.values()), problems=problems)


def replacing(earlier: Sequence[Response], imported: Imported, platform: Platform) -> Imported:
    """Add new responses to earlier ones, in place of those that the same platform gave before.

    All earlier answers of the participants in the new files are removed. A sheet of Google Forms holds all
    responses to its forms, and a corrected one names other participants there, so the earlier answers to
    these forms are removed with it.
    """
    people = {one.participant for one in imported.responses}
    forms = {one.form_id for one in imported.responses} if platform == "gforms" else set()
    kept = [
        one
        for one in earlier
        if one.platform != platform or (one.participant not in people and one.form_id not in forms)
    ]
    return replace(merged(kept, imported), replaced=len(earlier) - len(kept))
