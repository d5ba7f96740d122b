"""The main table of each data set of a run, with the notes that a reader needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path

import pandas as pd

from fesbench.core.contracts import TRUTH, MetricCard
from fesbench.core.files import write_text
from fesbench.core.names import safe_name
from fesbench.core.plurals import counted
from fesbench.runs.results import DatasetResults, RunResults
from fesbench.runs.store.records import CalibrationRecord, CeilingRecord, FaceLevelRecord, NetworkRecord
from fesbench.statistics.trainings import Trainings

from ..formats.latex import latex_document, latex_tables
from ..formats.markdown import csv_tables, markdown_tables
from ..tables.build import TableContext, build_table
from ..tables.table import Table, metric_title


def origin_line(run: RunResults) -> str:
    """Return where the numbers come from, in one line."""
    return f"run {run.name}, fesbench {run.record.versions['fesbench']}"


def lost_edits(count: int) -> str:
    """Return the beginning of a sentence on edits without an output."""
    return f"{counted(count, 'edit')} {'has' if count == 1 else 'have'}"


def times(count: int) -> str:
    """Return how often, in words."""
    return "once" if count == 1 else f"{count} times"


def main_tables(run: RunResults) -> list[Table]:
    """Return the main table of each data set."""
    return [main_table(results) for results in run.datasets]


def main_table(results: DatasetResults) -> Table:
    """Return the table of the headline metrics of one data set; its title is the data set's name.

    A model with several trainings has one row, the mean over them.
    """
    summary, record, dataset = results.run.summary, results.run.record, results.dataset
    return training_table(results.run.over_trainings.dataset(dataset)).with_notes(
        [
            *_training_notes(results.run.trainings),
            *_target_notes(results),
            *_output_notes(results),
            *_assumption_notes(results),
            *_varying_notes(results),
            *(f"{note}." for note in results.record.notes),
            *_cautions(dataset, results.measures),
            *_level_notes(item for item in record.face_levels if item.dataset == dataset),
            *_ceiling_notes([item for item in record.ceilings if item.dataset == dataset], record.networks),
            *record.independence,
            *_unfit_notes(results.calibrations),
            *_calibration_notes(results.calibrations),
            *summary.notes,
        ],
        summary.methods,
    )


def training_table(results: DatasetResults) -> Table:
    """Return the headline metrics of one data set, a row for each entry of the record, without notes."""
    empty = _without_truth(results.cells, results.run.metrics)
    shown = results.cells[~results.cells["metric"].isin(empty)]
    return build_table(shown, table_context(results), unfit=results.unfit)


def reading_notes(results: DatasetResults) -> Iterator[str]:
    """Yield the notes that change how the main table is read, those that change most first."""
    yield from _output_notes(results)
    yield from _target_notes(results)
    yield from _assumption_notes(results)
    yield from _varying_notes(results)
    yield from _unfit_notes(results.calibrations)
    yield from _cautions(results.dataset, results.measures)


def table_context(results: DatasetResults, measures: pd.DataFrame | None = None) -> TableContext:
    """Return what the tables of a data set share; ``measures`` are those of the summary unless given."""
    known = results.run.summary.measures if measures is None else measures
    return TableContext(results.dataset, known, results.cards, results.blocks)


def write_main_tables(run: RunResults, folder: Path) -> set[str]:
    """Write the main tables into a folder; return the names of the files."""
    origin, tables = origin_line(run), main_tables(run)
    texts = {"standalone.tex": latex_document(tables, origin)}
    for stem, datasets in file_stems("table", [table.title for table in tables]).items():
        shown = [table for table in tables if table.title in datasets]
        texts[f"{stem}.tex"] = latex_tables(shown, origin)
        texts[f"{stem}.md"] = markdown_tables(shown)
        texts[f"{stem}.csv"] = csv_tables(shown)
    for name, text in texts.items():
        write_text(folder / name, text)
    return set(texts)


def file_stems(stem: str, datasets: Sequence[str]) -> dict[str, Sequence[str]]:
    """Return file name to the data sets that it shows: all and, where there are several, each alone."""
    alone = {f"{stem}-{safe_name(name)}": (name,) for name in datasets} if len(datasets) > 1 else {}
    return {stem: datasets, **alone} if datasets else {}


def _without_truth(cells: pd.DataFrame, metrics: Iterable[MetricCard]) -> list[str]:
    """Return the columns without any score in a data set because they need a truth, and there is none."""
    needing = {column for card in metrics if card.needs_truth for column in card.column_names}
    scored = set(cells.loc[cells["value"].notna(), "metric"])
    return sorted(needing - scored) if scored else []


def _output_notes(results: DatasetResults) -> Iterator[str]:
    """Say which models left edits without an output."""
    record = results.run.record
    truth = record.names.get(TRUTH)
    for name, card in results.cards.items():
        count = record.outputs.get(results.dataset, {}).get(name)
        if count and count.answered < count.asked:
            lost = count.asked - count.answered
            effect = "leave them out" if name == truth else "count them as wrong"
            yield (
                f"{card.title or name}: {lost} of {count.asked} edits have no output; scores of single "
                f"outputs {effect}, scores of sets are incomplete."
            )


def _training_notes(trainings: Trainings) -> Iterator[str]:
    """Say which rows are means over trainings, and what their intervals hold for."""
    if not trainings.several:
        return
    counts = {name: count for name, count in trainings.counts.items() if name not in trainings.fixed}
    several = ", ".join(f"{name} {count}" for name, count in counts.items() if count > 1)
    yield (
        f"Trainings behind a row: {several}; the row is their mean, and its interval is for other people and "
        "other trainings. How much trainings differ is estimated from all of these models together."
    )
    if single := [name for name, count in counts.items() if count == 1]:
        yield (
            f"One training only: {', '.join(single)}; their intervals take it that trainings of theirs would "
            "differ as much as those of the others."
        )


def _target_notes(results: DatasetResults) -> Iterator[str]:
    """Say which targets were asked for where the training set limits them."""
    record = results.run.record.datasets[results.dataset]
    if record.targets:
        yield (
            f"Targets: {', '.join(record.targets)}, the only ones of {results.dataset} that "
            f"{record.trained_on.home} shows."
        )


def _assumption_notes(results: DatasetResults) -> Iterator[str]:
    """Say what is assumed of checkpoints that do not state it."""
    for name, card in results.cards.items():
        for assumed in card.assumed:
            yield f"{card.title or name}: {assumed}."


def _varying_notes(results: DatasetResults) -> Iterator[str]:
    """Say which models give other outputs when they are asked again, or alone."""
    varying = results.run.record.varying
    for name, card in results.cards.items():
        if clause := varying.get(name, {}).get(results.dataset):
            yield f"{card.title or name} varies: {clause}; another run may give it other scores."


def _cautions(dataset: str, columns: Iterable[str]) -> Iterator[str]:
    """Say with what numbers these ones cannot be compared."""
    if dataset == "rendered":
        yield "These faces are rendered, not photographed: no number here is one of a paper's."
    if any(column.endswith("@embedded") for column in columns):
        yield (
            "Metrics @embedded use small networks trained on rendered faces; their values do not compare "
            "with those of any other network."
        )


def _ceiling_notes(ceilings: Sequence[CeilingRecord], networks: Mapping[str, NetworkRecord]) -> Iterator[str]:
    """Say what classifiers get right on real images: the true targets here, and those of earlier tests."""
    texts: dict[str, list[str]] = {}
    for item in ceilings:
        share, macro = f"{item.accuracy:.1%}", f"{item.macro:.1%}"
        uneven = f", mean over expressions {macro}" if macro != share else ""
        texts.setdefault(item.metric, []).append(f"{item.domain} {share} of {item.images}{uneven}")
    for metric, parts in texts.items():
        yield f"{metric_title(metric)} of the true targets, its ceiling: {', '.join(parts)}."
    for name, card in networks.items():
        if card.reached:
            yield f"{name} is {card.reached}: no score through it can mean more."
        elif card.labels and not texts:
            yield f"Unknown: what {name} gets right on real images; no true targets here could tell."


def _level_notes(levels: Iterable[FaceLevelRecord]) -> Iterator[str]:
    """Say what real photos reach in each face similarity, the scale of its scores."""
    texts: dict[str, list[str]] = {}
    for level in levels:
        if not isnan(level.genuine) and not isnan(level.impostor):
            texts.setdefault(level.metric, []).append(
                f"{level.domain} {level.genuine:.3f} and {level.impostor:.3f}"
            )
    for metric, parts in texts.items():
        yield f"{metric_title(metric)} of real images, one person's and two people's: {', '.join(parts)}."


def _unfit_notes(calibrations: Iterable[CalibrationRecord]) -> Iterator[str]:
    """Say where set metrics do not rank models, and why."""
    places: dict[tuple[str, str], list[str]] = {}
    for item in calibrations:
        if not item.fit_to_rank:
            places.setdefault((item.metric, item.verdict), []).append(item.domain)
    metrics: dict[tuple[str, str], list[str]] = {}
    for (metric, verdict), domains in places.items():
        metrics.setdefault((", ".join(domains), verdict), []).append(metric_title(metric))
    for (place, verdict), titles in metrics.items():
        verb = "ranks" if len(titles) == 1 else "rank"
        yield f"{' and '.join(titles)} {verb} nothing in {place}: {verdict}."


def _calibration_notes(calibrations: Iterable[CalibrationRecord]) -> Iterator[str]:
    """Say what each set metric makes of real images, and how much worse of their degraded versions."""
    texts: dict[str, list[str]] = {}
    for item in calibrations:
        if item.gaps:
            gaps = (
                f"{name} {gap.difference:+.3g} [{gap.low:.3g}, {gap.high:.3g}]"
                for name, gap in item.gaps.items()
            )
            texts.setdefault(item.metric, []).append(
                f"{item.domain} ({item.images} against {item.references}) {item.value:.3g}, {', '.join(gaps)}"
            )
    for metric, parts in texts.items():
        yield (
            f"{metric_title(metric)} of held-out real images, 0 if there were endlessly many, and its rise "
            f"where they are blurred or collapsed (a few again and again): {'; '.join(parts)}."
        )
