"""Gathers what the interactive report shows of finished runs."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

import pandas as pd

from fesbench.core.contracts import SHARE
from fesbench.statistics.measures import Measure, backend, stem

from ..cards import origin_of
from ..html.content import Further, Group, Measured, Picture, Provenance, Sheet
from ..tables.table import Table
from .further_tables import Results, further_tables, group_tables, results_of
from .publish import Published, provenance

TITLES = {
    "expressions": "By expression",
    "pairs": "Pairs of models: differences and tests",
    "truth": "Do the metrics tell the truth?",
    "reported": "Reported by the paper, measured here",
    "robustness": "Misaligned inputs",
    "groups": "By group of subjects",
    "cost": "Parameters and time",
    "confusion": "Asked for and seen",
}
"""Titles of further tables, by how the stem of their files begins."""
TIES = {"ecs": "ecs.probability", "fss.verified": "fss"}
"""What tells outputs apart that are equal by a share."""
OPTIONS = ("backend", "resolution", "limit", "folds", "seed", "inference")


@dataclass(frozen=True)
class ReportedRun:
    """A run under the name that it has in a report, with all of its tables.

    ``groups`` holds what ``read_groups`` gave, of each data set whose subjects something is known of.
    """

    name: str
    published: Published
    groups: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def results(self) -> list[Results]:
        """The results of each data set with scores."""
        return results_of(self.published)

    @cached_property
    def further(self) -> dict[str, list[tuple[str, list[Table]]]]:
        """Data set to its tables beside the main one, each group behind the stem of its files."""
        return {results.dataset: list(self._further(results)) for results in self.results}

    def _further(self, results: Results) -> Iterator[tuple[str, list[Table]]]:
        yield from further_tables(results)
        if results.dataset in self.groups:
            yield from group_tables(results, self.groups[results.dataset])

    @cached_property
    def mains(self) -> dict[str, Table]:
        """Data set to its main table."""
        return {table.title: table for table in self.published.tables}


def sheets_of(
    run: ReportedRun, copied: Collection[str], figures: Mapping[str, Sequence[Picture]]
) -> list[Sheet]:
    """What the report shows of a run: a sheet for each data set with scores.

    Args:
        run: The run.
        copied: Data sets whose images go into the report.
        figures: Data set to its figures; empty where none were drawn.
    """
    published = run.published
    origin = provenance(published)
    about = provenance_of(published, run.name)
    return [
        Sheet(
            provenance=about,
            dataset=results.dataset,
            main=run.mains[results.dataset],
            further=list(_further(run.further[results.dataset])),
            origin=origin,
            cards=results.cards,
            measured=list(_measured(results)),
            scores=results.scores,
            output_path=_Paths(published, results.dataset),
            problems=[
                (item["path"], item["reason"])
                for item in published.record["datasets"][results.dataset]["problems"]
            ],
            copied=results.dataset in copied,
            credit=origin_of(results.dataset).credit,
            figures=figures.get(results.dataset, ()),
        )
        for results in run.results
    ]


class _Paths:
    """(generator, edit) to where the image of an output lies."""

    def __init__(self, published: Published, dataset: str) -> None:
        self._store, self._dataset = published.store, dataset

    def __call__(self, generator: str, edit: str) -> Path:
        return self._store.output_path(generator, self._dataset, edit)


def _further(named: Iterable[tuple[str, list[Table]]]) -> Iterator[Further]:
    for name, tables in named:
        kind = name.partition("-")[0]
        judge = name.removeprefix(kind).strip("-")
        title = TITLES.get(kind, name) + (f" ({judge})" if judge else "")
        yield Further(name, title, tables, by_target=name == "expressions")


def _measured(results: Results) -> Iterator[Measured]:
    """The columns of single outputs and of sets, headline ones first, then the labels that judges gave."""
    scored = set(results.scores["metric"])
    meanings = _meanings(results.published.record["metrics"])
    for measure in sorted(results.measures.values(), key=lambda item: not item.headline):
        kind = ("share" if measure.unit == SHARE else "score") if measure.column in scored else "set"
        yield _column(measure, meanings, scored, kind)
    for column, labels in results.labels.items():
        yield Measured(column, "expression that the judge sees", "label", "", None, labels=labels)


def _column(measure: Measure, meanings: Mapping[str, str], scored: Collection[str], kind: Any) -> Measured:
    low, high = (end if isfinite(end) else None for end in (measure.low, measure.high))
    tie = TIES.get(stem(measure.column), "")
    ties = f"{tie}@{backend(measure.column)}" if tie else ""
    known = ties if ties in scored else ""
    meaning = meanings.get(measure.column, "")
    return Measured(
        measure.column, measure.title, kind, measure.unit, measure.direction, low, high, known, meaning
    )


def _meanings(cards: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Headline column to what it means."""
    return {(card["columns"] or [name])[0]: card["meaning"] for name, card in cards.items()}


def provenance_of(published: Published, name: str) -> Provenance:
    """Where the numbers of a run come from: command, specification, code, device, digests, times."""
    record = published.record
    device, code = record["device"], record["code"]
    groups = [
        Group("Versions and device", [
            *_facts(record["versions"]),
            ("commit", f"{code['commit'] or 'installed package'}{', with changes' if code['dirty'] else ''}"),
            ("device", f"{device['name']} ({device['device']}), {device['threads']} threads"),
        ]),
        Group("Data sets", list(_dataset_facts(record["datasets"]))),
        Group("Networks behind the metrics", [
            (network, f"{card['source']} · sha256 {card['digest']} · {card['preprocessing']}")
            for network, card in record["networks"].items()
        ]),
        Group("Files of models and metrics", list(_file_facts(published))),
        Group("Specification", _facts(record["spec"])),
        Group("Time", [(stage, f"{seconds:.1f} s") for stage, seconds in sorted(
            record["seconds"].items(), key=lambda item: -item[1])]),
        Group("Counts", _facts(record["counts"])),
    ]  # fmt: skip
    return Provenance(name, command_of(record["spec"]), _warnings(record), [g for g in groups if g.facts])


def command_of(spec: Mapping[str, Any]) -> str:
    """The command that computes a run again, for a shell."""
    words = ["bench", "run"]
    for flag, names in (("--model", spec["models"]), ("--data", spec["data"]), ("--metric", spec["metrics"])):
        words += [word for name in names for word in (flag, str(name))]
    words += [
        word for name, file in spec["checkpoints"].items() for word in ("--checkpoint", f"{name}={file}")
    ]
    given = [(name, spec[name]) for name in OPTIONS if spec.get(name) is not None]
    return shlex.join([*words, *(word for name, value in given for word in (f"--{name}", str(value)))])


def _facts(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in fields.items()]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value)) or "none"
    return "none" if value is None else str(value)


def _dataset_facts(datasets: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for name, entry in datasets.items():
        trained = entry["trained_on"]
        yield name, f"{entry['edits']} edits · sha256 {entry['digest']}"
        yield f"{name}, references", _text(entry["references"])
        yield (
            f"{name}, training",
            f"closed-form models: {trained['home']}, {trained['protocol']} · sha256 {trained['digest']}",
        )


def _file_facts(published: Published) -> Iterator[tuple[str, str]]:
    for kind, named in published.store.identities.items():
        for name, parts in named.items():
            for part, digest in parts.items():
                yield f"{kind.removesuffix('s')} {name}, {part}", digest


def _warnings(record: Mapping[str, Any]) -> list[str]:
    """What a reader must know of a run before believing its numbers."""
    found = []
    if record["status"] != "complete":
        found.append(f"The run's status is {record['status']}: something in it failed or is missing.")
    if record["code"]["dirty"]:
        found.append("The code had changes that no commit holds.")
    if record["failed"]:
        found.append(f"{record['failed']} edits have no output.")
    if record["unscored"]:
        found.append(f"Metrics failed {record['unscored']} times: see run.log.")
    limit = record["spec"].get("limit")
    if limit:
        found.append(f"Limited to {limit} subjects of each domain.")
    unavailable = [f"Not available: {name}: {reason}" for name, reason in record["unavailable"].items()]
    return [*found, *unavailable]
