"""Google Forms: the sheet of answers, downloaded as CSV.

One form of the study is one Google form. The title of a question contains its trial id in brackets. A
response is one person, identified by form, ``Timestamp`` and code (``participant``) together, since two
people may type the same code. These are the same in every download.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from .raw import RawAnswer, Reading, read_rows, text_of, trial_in


def read(path: Path) -> Reading:
    """Read the answers in a sheet.

    Raises:
        BenchError: it cannot be read.
    """
    rows = read_rows(path)
    columns = list(rows[0]) if rows else []
    trials = {name: trial for name in columns if (trial := trial_in(name))}
    answers = [
        RawAnswer(
            participant=person,
            form=text_of(row, "form_id"),
            trial=trial,
            answer=row[name].strip(),
            where=f"{path.name}, response {number}",
        )
        for number, (row, person) in enumerate(zip(rows, _people(rows, trials), strict=True), start=1)
        for name, trial in trials.items()
        if row[name].strip()
    ]
    kept = {*trials, "participant", "form_id"}
    return Reading(answers, [name for name in columns if name not in kept])


def _people(rows: Sequence[Mapping[str, str]], trials: Mapping[str, str]) -> Iterator[str]:
    """Yield the participant of each response; a trial id identifies the form, as no two forms share one."""
    form = min(trials.values(), default="")
    met: Counter[str] = Counter()
    for row in rows:
        person = " ".join([form, text_of(row, "Timestamp"), text_of(row, "participant")])
        met[person] += 1
        yield f"{person} {met[person]}"
