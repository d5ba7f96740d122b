"""Submissions of many people, put into tables of what can be compared; whatever cannot be used is listed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from pathlib import Path

import pandas as pd

from ..core.contracts import Block, GeneratorCard
from ..core.errors import BenchError, explain
from ..core.plurals import counted
from ..runs.results import RunResults
from ..runs.store.store import RECORD
from ..statistics.comparisons import CELL_COLUMNS
from .submission import MAX_BYTES, Model, Results, Submission, read_submission, submission_of

MOST_FILES = 500
MOST_BYTES = 200 << 20
"""Of all files of submissions together."""

LONGEST_TITLE = 80


@dataclass(frozen=True)
class Refused:
    """A file or folder that is in no table, and why."""

    origin: str
    reason: str


@dataclass(frozen=True)
class Entry:
    """The results of a submission on one data set; ``origin`` is its file or folder."""

    origin: str
    submission: Submission
    results: Results


@dataclass(frozen=True)
class Ranked:
    """A model in a table.

    Attributes:
        key: Unique in the table.
        model: As it was submitted.
        names: Of the submissions that hold it with the same weights and the same numbers.
    """

    key: str
    model: Model
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """The name for readers, cut where it is long."""
        return (self.model.card.title or self.model.card.name)[:LONGEST_TITLE]


@dataclass(frozen=True)
class Group:
    """Entries that may stand in one table: data, settings, networks and measures agree.

    Attributes:
        entries: In the order of their origins.
        apart: Number of an earlier group on the same data set to what differs from it, in words.
    """

    entries: Sequence[Entry]
    apart: Mapping[int, Sequence[str]] = field(default_factory=dict)

    @property
    def results(self) -> Results:
        """The results of the first entry, which stand for what all agree in."""
        return self.entries[0].results

    @cached_property
    def ranked(self) -> list[Ranked]:
        """Each model once for each set of numbers that was submitted of it."""
        return [
            Ranked(first.key, first.model, tuple(dict.fromkeys(names))) for first, names in self._distinct
        ]

    @cached_property
    def _distinct(self) -> list[tuple[_Submitted, list[str]]]:
        found: dict[str, tuple[_Submitted, list[str]]] = {}
        for place, entry in enumerate(self.entries):
            cells = entry.results.cells_of
            for name, model in entry.results.models.items():
                submitted = _Submitted(place, name, model)
                same = f"{name} {model.model_dump_json()} {cells.get(name, [])!r}"
                found.setdefault(same, (submitted, []))[1].append(entry.submission.name)
        return list(found.values())

    @cached_property
    def cards(self) -> dict[str, GeneratorCard]:
        """Key to card, whose title tells models of the same title apart."""
        titles = [ranked.title for ranked in self.ranked]
        return {
            ranked.key: replace(ranked.model.card, name=ranked.key, title=_distinct_title(ranked, titles))
            for ranked in self.ranked
        }

    @cached_property
    def blocks(self) -> dict[tuple[str, str], Block]:
        """(key, data set) to the block in which the model is ranked."""
        return {(ranked.key, self.results.dataset): ranked.model.block for ranked in self.ranked}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """``CELL_COLUMNS`` of all models; ``generator`` holds keys."""
        rows = [
            cell.model_dump() | {"generator": first.key, "dataset": self.results.dataset}
            for first, _ in self._distinct
            for cell in self.entries[first.place].results.cells_of.get(first.name, [])
        ]
        return pd.DataFrame(rows, columns=CELL_COLUMNS)

    @cached_property
    def measures(self) -> pd.DataFrame:
        """As ``Summary.measures``."""
        return pd.DataFrame([measure.model_dump() for measure in self.results.measures])

    @cached_property
    def unfit(self) -> frozenset[tuple[str, str]]:
        """(domain, metric) that any entry found unfit to rank."""
        return frozenset(pair for entry in self.entries for pair in entry.results.unfit)

    @cached_property
    def notes(self) -> dict[str, tuple[str, ...]]:
        """A note to the names of the submissions that state it."""
        found: dict[str, list[str]] = {}
        for entry in self.entries:
            for note in entry.results.notes:
                found.setdefault(note, []).append(entry.submission.name)
        return {note: tuple(dict.fromkeys(names)) for note, names in found.items()}


@dataclass(frozen=True)
class _Submitted:
    place: int
    name: str
    model: Model

    @property
    def key(self) -> str:
        return f"{self.place}/{self.name}"


def _distinct_title(ranked: Ranked, titles: Sequence[str]) -> str:
    return ranked.title if titles.count(ranked.title) == 1 else f"{ranked.title} ({ranked.names[0]})"


@dataclass(frozen=True)
class Leaderboard:
    """What ``read_leaderboard`` found."""

    groups: Sequence[Group]
    refused: Sequence[Refused]


def read_leaderboard(folder: Path) -> Leaderboard:
    """Return the submissions in a folder: its ``*.json`` files, and runs in folders inside it.

    Nothing is computed again: numbers are those that were submitted. At most ``MOST_FILES`` are read.

    Raises:
        BenchError: there is no such folder.
    """
    if not folder.is_dir():
        raise BenchError(f"there is no folder {folder}; give one with submissions or runs")
    entries: list[Entry] = []
    refused: list[Refused] = []
    for origin, found in _read_all(folder):
        if isinstance(found, Submission):
            entries += [Entry(origin, found, results) for results in found.results]
            if not any(results.cells for results in found.results):
                refused.append(Refused(origin, "it holds no numbers"))
        else:
            refused.append(Refused(origin, found))
    return Leaderboard(_groups([entry for entry in entries if entry.results.cells]), refused)


def _read_all(folder: Path) -> Iterator[tuple[str, Submission | str]]:
    """Yield each file or folder by its name, with what it holds, or why it cannot be used."""
    room = MOST_BYTES
    places = _places(folder)
    for path in islice(places, MOST_FILES):
        size = path.stat().st_size if path.is_file() else 0
        room -= min(size, MAX_BYTES)
        if room < 0:
            yield path.name, f"the files before it hold {MOST_BYTES >> 20} MB, the most that is read"
        else:
            yield path.name, _read(path)
    rest = sum(1 for _ in places)
    if rest:
        yield "…", f"{counted(rest, 'more file')}: no more than {MOST_FILES} are read"


def _places(folder: Path) -> Iterator[Path]:
    """Yield files of submissions and folders of runs, by name."""
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if (path.suffix == ".json" and path.is_file()) or (path.is_dir() and (path / RECORD).is_file()):
            yield path


def _read(path: Path) -> Submission | str:
    try:
        return submission_of(RunResults.open(path)) if path.is_dir() else read_submission(path)
    except Exception as error:  # one bad file must not keep the others from their place
        return explain(error).replace(f"{path.parent}/", "")


def _groups(entries: Iterable[Entry]) -> list[Group]:
    """Return groups of entries that agree in all terms, the largest of each data set first."""
    by_terms: dict[tuple[tuple[str, str], ...], list[Entry]] = {}
    for entry in entries:
        by_terms.setdefault(tuple(sorted(entry.results.terms.items())), []).append(entry)
    found = sorted(by_terms.values(), key=lambda group: (group[0].results.dataset, -len(group)))
    return [Group(group, _apart(group, found[:number])) for number, group in enumerate(found)]


def _apart(group: Sequence[Entry], earlier: Sequence[Sequence[Entry]]) -> dict[int, list[str]]:
    """Return what tells a group from each earlier one on a data set of the same name or content."""
    own = group[0].results
    return {
        number: list(_differences(other[0].results, own))
        for number, other in enumerate(earlier)
        if own.dataset == other[0].results.dataset or own.digest == other[0].results.digest
    }


def _differences(first: Results, second: Results) -> Iterator[str]:
    old, new = first.terms, second.terms
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield f"{name}: {_shown(old.get(name))} there, {_shown(new.get(name))} here"


def _shown(value: str | None) -> str:
    """Return a value in words; of a sha256 the beginning."""
    if value is None:
        return "none"
    words = (word[:12] + "…" if len(word) >= 64 else word for word in value.split(" "))
    return " ".join(words) or "the suite's own"
