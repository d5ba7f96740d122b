"""The content of the interactive report of finished runs."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from fesbench.core.contracts import SHARE, MetricCard
from fesbench.core.errors import ImageError
from fesbench.core.plurals import counted
from fesbench.runs.results import DatasetResults, RunResults
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.records import DatasetRecord, Identities, plain
from fesbench.statistics.measures import Measure, backend, stem

from ..cards import origin_of
from ..html.content import Further, Group, Measured, Picture, Provenance, Sheet
from ..tables.table import Table
from .further_tables import NamedTables, further_tables, group_tables
from .main_tables import lost_edits, main_table, origin_line, reading_notes, times

OPENS: Mapping[str, Literal["target", "domain"]] = {"expressions": "target", "trainings": "domain"}
"""What divides the columns of further tables behind whose numbers the page has outputs."""
TITLES = {
    "trainings": "Each training",
    "expressions": "By expression",
    "pairs": "Pairs of models: differences and tests",
    "truth": "Do the metrics tell the truth?",
    "reported": "Reported by the paper, measured here",
    "robustness": "Misaligned inputs",
    "groups": "By group of subjects",
    "cost": "Parameters and time",
    "confusion": "Asked for and seen",
}
"""Titles of further tables, by the beginning of the stem of their files."""
TIES = {"ecs": "ecs.probability", "fss.verified": "fss"}
"""Stem of a share to the stem of the graded score that orders outputs of equal share."""
CAUTIONS = 3
"""The most notes that are shown before a fold."""
OPTIONS = ("backend", "resolution", "limit", "folds", "seed", "inference", "upscale")


@dataclass(frozen=True)
class ReportedRun:
    """A run under its name in a report, with all of its tables.

    ``groups`` maps data sets to the return value of ``read_groups``, where anything is known of the subjects.
    """

    name: str
    results: RunResults
    groups: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @cached_property
    def further(self) -> dict[str, list[NamedTables]]:
        """Data set to its tables beside the main one."""
        return {results.dataset: list(self._further(results)) for results in self.results.datasets}

    def _further(self, results: DatasetResults) -> Iterator[NamedTables]:
        yield from further_tables(results)
        if results.dataset in self.groups:
            yield from group_tables(results, self.groups[results.dataset])

    @cached_property
    def mains(self) -> dict[str, Table]:
        """Data set to its main table."""
        return {results.dataset: main_table(results) for results in self.results.datasets}


def sheets_of(
    run: ReportedRun, copied: Collection[str], figures: Mapping[str, Sequence[Picture]]
) -> list[Sheet]:
    """Return what the report shows of a run: a sheet for each data set with scores.

    Args:
        run: The run.
        copied: Data sets whose images go into the report.
        figures: Data set to its figures; empty where none were drawn.
    """
    origin, about = origin_line(run.results), provenance_of(run)
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
            output_path=partial(_output_path, results),
            output_bytes=partial(_output_bytes, results),
            problems=[(item.path, item.reason) for item in results.record.problems],
            copied=results.dataset in copied,
            credit=origin_of(results.dataset).credit,
            figures=figures.get(results.dataset, ()),
            cautions=[
                *_without_images(results, results.dataset in copied),
                *islice(reading_notes(results), CAUTIONS),
            ],
        )
        for results in run.results.datasets
    ]


def _output_path(results: DatasetResults, generator: str, edit: str) -> Path:
    return results.run.store.output_path(generator, results.dataset, edit)


def _output_bytes(results: DatasetResults, generator: str, edit: str) -> bytes | None:
    try:
        return results.run.store.outputs.read_bytes(generator, results.dataset, edit)
    except ImageError:
        return None


def _without_images(results: DatasetResults, copied: bool) -> Iterator[str]:
    """Say where the images are that a page cannot show."""
    if results.run.record.output_form == "shards" and not copied:
        yield (
            "The outputs of this run are kept in archives, which a page cannot show: see them with "
            f"bench report --include-images {results.dataset}."
        )


def _further(named: Iterable[NamedTables]) -> Iterator[Further]:
    for name, tables in named:
        kind = name.partition("-")[0]
        judge = name.removeprefix(kind).strip("-")
        title = TITLES.get(kind, name) + (f" ({judge})" if judge else "")
        yield Further(name, title, tables, OPENS.get(name, ""))


def _measured(results: DatasetResults) -> Iterator[Measured]:
    """Yield the columns of single outputs and of sets, headline ones first, then the predicted labels."""
    scored = set(results.scores["metric"])
    meanings = _meanings(results.run.metrics)
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


def _meanings(cards: Iterable[MetricCard]) -> dict[str, str]:
    """Return headline column to what it means."""
    return {card.column_names[0]: card.meaning for card in cards}


def provenance_of(run: ReportedRun) -> Provenance:
    """Return where the numbers of a run come from: command, specification, code, device, digests, times."""
    record, spec = run.results.record, run.results.spec
    commit = f"{record.code.commit or 'installed package'}{', with changes' if record.code.dirty else ''}"
    device = f"{record.device.name} ({record.device.device}), {record.device.threads} threads"
    groups = [
        Group("Versions and device", [*_facts(record.versions), ("commit", commit), ("device", device)]),
        Group("Data sets", list(_dataset_facts(record.datasets))),
        Group("Networks behind the metrics", [
            (network, f"{card.source} · sha256 {card.digest} · {card.preprocessing}")
            for network, card in record.networks.items()
        ]),
        Group("Files of models and metrics", list(_file_facts(run.results.identities))),
        Group("Specification", _facts(plain(spec))),
        Group("Time", [(stage, f"{seconds:.1f} s") for stage, seconds in sorted(
            record.seconds.items(), key=lambda item: -item[1])]),
        Group("Counts", _facts(plain(record.counts) if record.counts else {})),
    ]  # fmt: skip
    return Provenance(
        run.name, command_of(spec), list(_warnings(run.results)), [g for g in groups if g.facts]
    )


def command_of(spec: RunSpec) -> str:
    """Return the command that computes a run again, for a shell."""
    words = ["bench", "run"]
    for flag, names in (("--model", spec.models), ("--data", spec.data), ("--metric", spec.metrics)):
        words += [word for name in names for word in (flag, name)]
    for flag, by_model in (
        ("--checkpoint", spec.checkpoints),
        ("--labels", {name: ",".join(labels) for name, labels in spec.labels.items()}),
        ("--native-size", spec.native_sizes),
        ("--action-units", spec.action_units),
    ):
        words += [word for name, value in by_model.items() for word in (flag, f"{name}={value}")]
    given = [(name, value) for name in OPTIONS if (value := getattr(spec, name)) is not None]
    words += [word for name, value in given for word in (f"--{name}", str(value))]
    return shlex.join([*words, *(["--registered"] if spec.registered else [])])


def _facts(fields: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(name, _text(value)) for name, value in fields.items()]


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name}: {_text(item)}" for name, item in value.items()) or "none"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(map(_text, value)) or "none"
    return "none" if value is None else str(value)


def _dataset_facts(datasets: Mapping[str, DatasetRecord]) -> Iterator[tuple[str, str]]:
    for name, entry in datasets.items():
        trained = entry.trained_on
        references = {domain: plain(found) for domain, found in entry.references.items()}
        yield name, f"{counted(entry.edits, 'edit')} · sha256 {entry.digest}"
        yield f"{name}, references", _text(references)
        yield (
            f"{name}, training",
            f"closed-form models: {trained.home}, {trained.protocol} · sha256 {trained.digest}",
        )


def _file_facts(identities: Identities) -> Iterator[tuple[str, str]]:
    for kind, named in identities.kinds():
        for name, parts in named.items():
            for part, digest in parts.items():
                yield f"{kind.removesuffix('s')} {name}, {part}", digest


def _warnings(run: RunResults) -> Iterator[str]:
    """Yield what a reader must know of a run before believing its numbers."""
    record = run.record
    if record.status != "complete":
        yield f"The run's status is {record.status}: something in it failed or is missing."
    if record.code.dirty:
        yield "The code had changes that no commit holds."
    if record.failed:
        yield f"{lost_edits(record.failed)} no output."
    if record.unscored:
        yield f"Metrics failed {times(record.unscored)}: see run.log."
    if run.spec.limit:
        yield f"Limited to {counted(run.spec.limit, 'subject')} of each domain."
    yield from (f"Not available: {name}: {reason}" for name, reason in record.unavailable.items())
