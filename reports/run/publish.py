"""Writes what a finished run is read by: summary, tables, grid; and shows it again from the run directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console

from fesbench.core.contracts import Block, Edit, Failure, GeneratorCard, Image
from fesbench.core.errors import BenchError, ImageError
from fesbench.core.files import write_text
from fesbench.core.names import safe_name
from fesbench.datasets.loading import load_sample
from fesbench.generators.controls import Truth
from fesbench.runs.plan import Plan
from fesbench.runs.store.store import RunStore
from fesbench.statistics.breakdown import CONFUSION_COLUMNS
from fesbench.statistics.comparisons import DIFFERENCE_COLUMNS, RANK_COLUMNS
from fesbench.statistics.measures import OUTPUT, UNSCORED, metric_record
from fesbench.statistics.summary import FRAMES, Summary, summarise

from ..figures.grid import GridRow, qualitative_grid
from ..formats.delimited import csv_text
from ..formats.latex import latex_document, latex_tables
from ..formats.markdown import csv_tables, markdown_tables
from ..formats.terminal import TerminalTable
from ..tables.build import build_table
from ..tables.table import Table, metric_title

if TYPE_CHECKING:
    from fesbench.runs.models import Cell
    from fesbench.runs.run import Finished

GRIDS = "grids"
"""The folder of a run with images of its inputs: not in its report, which people pass on."""
GRID_ROWS = 2
"""Edits of each domain in the grid."""


@dataclass(frozen=True)
class Published:
    """A finished run as its directory tells it."""

    store: RunStore
    summary: Summary
    tables: Sequence[Table]
    record: dict[str, Any]

    @property
    def cells(self) -> pd.DataFrame:
        """One row for each generator, data set, domain and metric."""
        return self.summary.cells

    @property
    def exit_code(self) -> int:
        """1 where a model or metric could not be used, an edit has no output or a metric failed; else 0."""
        return 0 if _went_well(self.record) else 1

    def show(self, console: Console) -> None:
        """Print the tables, what failed, and where to find the rest."""
        for table in self.tables:
            console.print(TerminalTable(table))
        for name, reason in self.record["unavailable"].items():
            console.print(f"not available: {name}: {reason}", markup=False)
        if self.record["failed"]:
            failures = self.store.folder / "failures.jsonl"
            _print_path(console, f"{self.record['failed']} edits have no output: see {failures}")
        if self.record["unscored"]:
            log = self.store.folder / "run.log"
            _print_path(console, f"metrics failed {self.record['unscored']} times: see {log}")
        _print_path(console, f"tables: {self.store.folder / 'report'}")
        _print_path(console, f"images side by side: {self.store.folder / GRIDS}")

    def show_times(self, console: Console) -> None:
        """Print where the time went."""
        seconds = sorted(self.record["seconds"].items(), key=lambda item: -item[1])
        console.print(
            "time: " + ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds if value > 0.05)
        )


def _print_path(console: Console, text: str) -> None:
    """Print a line with a path in one piece, whatever the width."""
    console.print(text, markup=False, soft_wrap=True)


def _went_well(record: Mapping[str, Any]) -> bool:
    return not (record["unavailable"] or record["failed"] or record["unscored"])


def publish(plan: Plan, store: RunStore, finished: Finished) -> None:
    """Summarise a run, write every file that readers need, and mark the run as complete."""
    cards = finished.scorer.cards
    blocks = {(cell.card.name, cell.dataset.name): cell.block for cell in finished.cells}
    unfit = [
        (str(item["dataset"]), str(item["domain"]), str(item["metric"]))
        for item in finished.calibrations
        if not item["fit_to_rank"]
    ]
    sets, differences = finished.sets
    summary = summarise(finished.scores, sets, cards, blocks, unfit=unfit, set_differences=differences)
    write_text(store.folder / "summary.json", summary.to_json())
    write_text(store.folder / "summary.csv", csv_text(summary.cells))
    store.update_record(
        models=_model_records(finished.cells),
        metrics={card.id: metric_record(card) for card in cards},
        networks=finished.scorer.network_records(),
        face_levels=finished.levels,
        ceilings=finished.ceilings,
        independence=finished.independence,
        calibrations=finished.calibrations,
        unavailable=finished.unavailable,
        failed=finished.failed,
        unscored=_unscored(finished),
        outputs=_output_counts(finished.scores),
        seconds=finished.seconds,
        synthesis=store.record.get("synthesis", {}) | finished.synthesis,  # type: ignore[operator]
    )
    tables = _write_tables(load_published(store))
    _remove_others(store.folder / "report", ("table.*", "table-*.tex", "table-*.md", "table-*.csv"), tables)
    grids = _write_grids(plan, finished.cells, store)
    _remove_others(store.folder / GRIDS, ("grid.png", "grid-*.png"), grids)
    store.update_record(status="complete" if _went_well(store.record) else "partial")
    store.write_digests()


def _unscored(finished: Finished) -> int:
    """How many scores are missing because a metric failed: of outputs, and of sets."""
    keys = ["generator", "dataset", "edit", "reason"]
    frames = finished.scores[keys].drop_duplicates(), finished.sets.scores
    return sum(int(frame["reason"].str.startswith(UNSCORED, na=False).sum()) for frame in frames)


def _output_counts(scores: pd.DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """Data set to generator to how many edits it was asked, and how many it answered."""
    counts: dict[str, dict[str, dict[str, int]]] = {}
    for (dataset, generator), answered in scores[scores["metric"] == OUTPUT].groupby(
        ["dataset", "generator"]
    )["value"]:
        entry = {"asked": len(answered), "answered": int(answered.sum())}
        counts.setdefault(str(dataset), {})[str(generator)] = entry
    return counts


def load_published(store: RunStore) -> Published:
    """What a run directory says of its run.

    Raises:
        BenchError: its files are damaged, or of another version.
    """
    try:
        record: dict[str, Any] = store.record
        summary = _read_summary(store)
        return Published(store, summary, list(_tables(summary, record)), record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        path = store.folder / "summary.json"
        raise BenchError(
            f"{path} or run.json beside it is damaged or of another version ({error!r}); remove {path} "
            "and run the same command again: the tables are made anew from the stored scores"
        ) from error


_COLUMNS = {
    "differences": DIFFERENCE_COLUMNS,
    "gains": DIFFERENCE_COLUMNS,
    "ranks": RANK_COLUMNS,
    "confusion": ["judge", *CONFUSION_COLUMNS],
}
"""The columns of frames that may have no rows."""


def _read_summary(store: RunStore) -> Summary:
    content = json.loads((store.folder / "summary.json").read_text(encoding="utf-8"))
    frames = {name: pd.DataFrame(content[name], columns=_COLUMNS.get(name)) for name in FRAMES}
    return Summary(notes=tuple(content["notes"]), methods=tuple(content["methods"]), **frames)


def _model_records(cells: Sequence[Cell]) -> dict[str, dict[str, object]]:
    """Generator name to data set name to card and block: a card can differ by what was fitted on."""
    records: dict[str, dict[str, object]] = {}
    for cell in cells:
        entry = {"card": asdict(cell.card), "block": cell.block}
        records.setdefault(cell.card.name, {})[cell.dataset.name] = entry
    return records


def models_of(record: Mapping[str, Any], dataset: str) -> dict[str, Mapping[str, Any]]:
    """Generator name to card and block on a data set, in the order in which the run was asked for them."""
    asked = [record["names"].get(reference) for reference in record["spec"]["models"]]
    place = {name: i for i, name in enumerate(asked)}
    found = {name: entry[dataset] for name, entry in record["models"].items() if dataset in entry}
    return dict(sorted(found.items(), key=lambda item: place.get(item[0], len(asked))))


def _tables(summary: Summary, record: dict[str, Any]) -> Iterator[Table]:
    for dataset in record["datasets"]:
        models = models_of(record, dataset)
        if not models or dataset not in set(summary.cells["dataset"]):
            continue
        blocks: dict[tuple[str, str], Block] = {
            (name, dataset): entry["block"] for name, entry in models.items()
        }
        unknown = _without_truth(summary.cells[summary.cells["dataset"] == dataset], record["metrics"])
        calibrations = [item for item in record.get("calibrations", ()) if item["dataset"] == dataset]
        yield build_table(
            summary.cells[~summary.cells["metric"].isin(unknown)],
            summary.measures,
            {name: card_of(entry["card"]) for name, entry in models.items()},
            blocks,
            dataset,
            [
                *_output_notes(models, record["outputs"].get(dataset, {})),
                *_cautions(dataset, summary.measures["column"]),
                *_level_notes(dataset, record["face_levels"]),
                *_ceiling_notes(dataset, record["ceilings"], record["networks"]),
                *record["independence"],
                *_unfit_notes(calibrations),
                *_calibration_notes(calibrations),
                *summary.notes,
            ],
            summary.methods,
            unfit=[(item["domain"], item["metric"]) for item in calibrations if not item["fit_to_rank"]],
        )


def _without_truth(cells: pd.DataFrame, metrics: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Columns that nothing was known for in a data set: they need a truth, and there is none."""
    needing = {column for card in metrics.values() if card["needs_truth"] for column in card["columns"]}
    scored = set(cells.loc[cells["value"].notna(), "metric"])
    return sorted(needing - scored) if scored else []


def _output_notes(models: Mapping[str, Any], counts: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    """Which models left edits without an output."""
    for name, entry in models.items():
        count = counts.get(name)
        if count and count["answered"] < count["asked"]:
            label, lost = entry["card"]["title"] or name, count["asked"] - count["answered"]
            effect = "leave them out" if entry["card"]["name"] == Truth.card.name else "count them as wrong"
            yield (
                f"{label}: {lost} of {count['asked']} edits have no output; scores of single outputs "
                f"{effect}, scores of sets are incomplete."
            )


def _cautions(dataset: str, columns: Iterable[str]) -> list[str]:
    """What keeps a number from being mistaken for another one."""
    cautions = []
    if dataset == "rendered":
        cautions.append("These faces are rendered, not photographed: no number here is one of a paper's.")
    if any(column.endswith("@embedded") for column in columns):
        cautions.append(
            "Metrics @embedded use small networks trained on rendered faces; their values do not compare "
            "with those of any other network."
        )
    return cautions


def _ceiling_notes(
    dataset: str, ceilings: Iterable[Mapping[str, Any]], networks: Mapping[str, Any]
) -> Iterator[str]:
    """What judges get right on real images: the true targets here, and those they were measured on before."""
    texts: dict[str, list[str]] = {}
    for item in ceilings:
        if item["dataset"] == dataset:
            share, macro = f"{item['accuracy']:.1%}", f"{item['macro']:.1%}"
            uneven = f", mean over expressions {macro}" if macro != share else ""
            texts.setdefault(item["metric"], []).append(
                f"{item['domain']} {share} of {item['images']}{uneven}"
            )
    for metric, parts in texts.items():
        yield f"{metric_title(metric)} of the true targets, its ceiling: {', '.join(parts)}."
    for name, card in networks.items():
        if card.get("reached"):
            yield f"{name} is {card['reached']}: no score through it can mean more."
        elif card["labels"] and not texts:
            yield f"Unknown: what {name} gets right on real images; no true targets here could tell."


def _level_notes(dataset: str, levels: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The scale of each face similarity: what real photos reach."""
    texts: dict[str, list[str]] = {}
    for level in levels:
        if level["dataset"] == dataset and level["genuine"] is not None and level["impostor"] is not None:
            texts.setdefault(level["metric"], []).append(
                f"{level['domain']} {level['genuine']:.3f} and {level['impostor']:.3f}"
            )
    for metric, parts in texts.items():
        yield f"{metric_title(metric)} of real images, one person's and two people's: {', '.join(parts)}."


def _unfit_notes(calibrations: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Where a distance of sets does not rank models, and why."""
    places: dict[tuple[str, str], list[str]] = {}
    for item in calibrations:
        if not item["fit_to_rank"]:
            places.setdefault((item["metric"], item["verdict"]), []).append(item["domain"])
    for (metric, verdict), domains in places.items():
        yield f"{metric_title(metric)} ranks nothing in {', '.join(domains)}: {verdict}."


def _calibration_notes(calibrations: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """What each distance of sets makes of real images, and how much worse of their degraded versions."""
    texts: dict[str, list[str]] = {}
    for item in calibrations:
        if item["gaps"]:
            gaps = (
                f"{name} {gap['difference']:+.3g} [{gap['low']:.3g}, {gap['high']:.3g}]"
                for name, gap in item["gaps"].items()
            )
            counts = f"{item['images']} against {item['references']}"
            texts.setdefault(item["metric"], []).append(
                f"{item['domain']} ({counts}) {item['value']:.3g}, {', '.join(gaps)}"
            )
    for metric, parts in texts.items():
        yield (
            f"{metric_title(metric)} of held-out real images, 0 if there were endlessly many, and its rise "
            f"where they are blurred or collapsed (a few again and again): {'; '.join(parts)}."
        )


def card_of(fields: dict[str, Any]) -> GeneratorCard:
    """A generator's card from its record."""
    tuples = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return GeneratorCard(**(fields | tuples))


def _stems(stem: str, datasets: Sequence[str]) -> dict[str, Sequence[str]]:
    """File name to the data sets that it shows: all of them and, where there are several, each alone."""
    alone = {f"{stem}-{safe_name(name)}": (name,) for name in datasets} if len(datasets) > 1 else {}
    return {stem: datasets, **alone} if datasets else {}


def provenance(published: Published) -> str:
    """Where the numbers come from, in one line."""
    return f"run {published.store.folder.name}, fesbench {published.record['versions']['fesbench']}"


def _write_tables(published: Published) -> set[str]:
    """Write the tables; returns the names of the files."""
    report = published.store.folder / "report"
    origin = provenance(published)
    texts = {"standalone.tex": latex_document(published.tables, origin)}
    for stem, datasets in _stems("table", [table.title for table in published.tables]).items():
        tables = [table for table in published.tables if table.title in datasets]
        texts[f"{stem}.tex"] = latex_tables(tables, origin)
        texts[f"{stem}.md"] = markdown_tables(tables)
        texts[f"{stem}.csv"] = csv_tables(tables)
    for name, text in texts.items():
        write_text(report / name, text)
    return set(texts)


def _write_grids(run: Plan, cells: Sequence[Cell], store: RunStore) -> set[str]:
    """Write the grids; returns the names of the files."""
    folder = store.folder / GRIDS
    folder.mkdir(exist_ok=True)
    stems = _stems("grid", [item.name for item in run.datasets])
    for stem, datasets in stems.items():
        here = [cell for cell in cells if cell.dataset.name in datasets and cell.card.name != "copy"]
        here.sort(key=lambda cell: cell.block == "control")
        titles = {cell.card.name: cell.card.title for cell in here}
        by_place = {(cell.card.name, cell.dataset.name): cell for cell in here}
        rows = [
            GridRow(
                f"{edit.source.domain} {edit.target}",
                [_source(edit), *(_output(by_place.get((name, item.name)), edit, store) for name in titles)],
            )
            for item in run.datasets
            if item.name in datasets
            for edit in chosen_edits(item.edits, run.spec.seed)
        ]
        columns = ["Input", *titles.values()]
        qualitative_grid(rows, columns, ", ".join(datasets), folder / f"{stem}.png")
    return {f"{stem}.png" for stem in stems}


def _remove_others(folder: Path, patterns: Iterable[str], written: set[str]) -> None:
    """Remove files that an earlier state of the run left and this one does not have."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.name not in written:
                path.unlink()


def chosen_edits(edits: Sequence[Edit], seed: int) -> list[Edit]:
    """A few edits of each domain, of different subjects and targets where there are any, drawn by seed."""
    draw, chosen = np.random.default_rng(seed), []
    for domain in dict.fromkeys(edit.source.domain for edit in edits):
        open_edits = [edit for edit in edits if edit.source.domain == domain]
        for _ in range(GRID_ROWS):
            if open_edits:
                picked = open_edits[int(draw.integers(len(open_edits)))]
                chosen.append(picked)
                taken = (picked.source.subject, picked.target)
                open_edits = [
                    e for e in open_edits if e.source.subject != taken[0] and e.target != taken[1]
                ] or [e for e in open_edits if e.source.subject != taken[0]]
    return chosen


def _source(edit: Edit) -> Image | Failure:
    loaded = load_sample(edit.source.load, None)
    return loaded if isinstance(loaded, Failure) else loaded[0]


def _output(cell: Cell | None, edit: Edit, store: RunStore) -> Image | Failure:
    if cell is None:
        return Failure("not run here")
    try:
        return store.read_output(cell.card.name, cell.dataset.name, edit.id)
    except ImageError:
        return Failure("no output")
