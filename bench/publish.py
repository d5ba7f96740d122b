"""Writes what a finished run is read by: summary, tables, grid; and shows it again from the run directory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from rich.console import Console

from fesbench.datasets.names import safe_name
from fesbench.reports.assemble import build_table
from fesbench.reports.delimited import csv_text
from fesbench.reports.grid import GridRow, qualitative_grid
from fesbench.reports.latex import latex_document, latex_table
from fesbench.reports.markdown import csv_table, markdown_table
from fesbench.reports.tables import Block, Table
from fesbench.reports.terminal import terminal_table

from .contracts import Edit, Failure, GeneratorCard, Image, MetricCard
from .errors import ImageError
from .files import write_text
from .plan import DatasetPlan, Plan
from .statistics.summary import Summary, summarise
from .store import RunStore

if TYPE_CHECKING:
    from .execute.cells import Cell
    from .runner import Finished

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
        """1 where a model or metric could not be used, or a model left edits without output; else 0."""
        return 1 if self.record["unavailable"] or self.record["failed"] else 0

    def show(self, console: Console) -> None:
        """Print the tables, what failed, and where to find the rest."""
        for table in self.tables:
            console.print(terminal_table(table))
        for name, reason in self.record["unavailable"].items():
            console.print(f"not available: {name}: {reason}", markup=False)
        if self.record["failed"]:
            failures = self.store.folder / "failures.jsonl"
            console.print(f"{self.record['failed']} edits have no output: see {failures}", markup=False)
        console.print(f"tables and grid: {self.store.folder / 'report'}", markup=False)

    def show_times(self, console: Console) -> None:
        """Print where the time went."""
        seconds = sorted(self.record["seconds"].items(), key=lambda item: -item[1])
        console.print(
            "time: " + ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds if value > 0.05)
        )


def publish(plan: Plan, store: RunStore, finished: Finished) -> None:
    """Summarise a run, write every file that readers need, and mark the run as complete."""
    cards = finished.scorer.cards
    blocks = {(cell.card.name, cell.dataset.name): cell.block for cell in finished.cells}
    summary = summarise(finished.scores, finished.set_scores, cards, blocks)
    write_text(store.folder / "summary.json", summary.to_json())
    write_text(store.folder / "summary.csv", csv_text(summary.cells))
    for item in plan.datasets:
        _write_grid(item, [cell for cell in finished.cells if cell.dataset is item], plan, store)
    store.update_record(
        models=_model_records(finished.cells),
        metrics={card.id: _metric_record(card) for card in cards},
        networks={name: asdict(network.card) for name, network in finished.scorer.networks.items()},
        face_levels=finished.levels,
        unavailable=finished.unavailable,
        failed=finished.failed,
        seconds=finished.seconds,
    )
    _write_tables(load_published(store))
    store.update_record(status="partial" if finished.unavailable or finished.failed else "complete")


def load_published(store: RunStore) -> Published:
    """What a run directory says of its run."""
    record: dict[str, Any] = store.record
    summary = _read_summary(store)
    return Published(store, summary, list(_tables(summary, record)), record)


def _read_summary(store: RunStore) -> Summary:
    content = json.loads((store.folder / "summary.json").read_text(encoding="utf-8"))
    frames = {
        name: pd.DataFrame(content[name]) for name in ("cells", "differences", "ranks", "gains", "measures")
    }
    return Summary(notes=tuple(content["notes"]), **frames)


def _model_records(cells: Sequence[Cell]) -> dict[str, dict[str, object]]:
    """Generator name to data set name to card and block: a card can differ by what was fitted on."""
    records: dict[str, dict[str, object]] = {}
    for cell in cells:
        entry = {"card": asdict(cell.card), "block": cell.block}
        records.setdefault(cell.card.name, {})[cell.dataset.name] = entry
    return records


def _metric_record(card: MetricCard) -> dict[str, object]:
    """The card; null for the end of a range that has none."""
    ends = {name: end if isfinite(end := getattr(card, name)) else None for name in ("low", "high")}
    return asdict(card) | ends


def _tables(summary: Summary, record: dict[str, Any]) -> Iterator[Table]:
    for dataset in record["datasets"]:
        models = {name: entry[dataset] for name, entry in record["models"].items() if dataset in entry}
        if not models or dataset not in set(summary.cells["dataset"]):
            continue
        blocks: dict[tuple[str, str], Block] = {
            (name, dataset): entry["block"] for name, entry in models.items()
        }
        yield build_table(
            summary.cells,
            summary.measures,
            {name: _card(entry["card"]) for name, entry in models.items()},
            blocks,
            dataset,
            [
                *_cautions(dataset, summary.measures["column"]),
                *_level_notes(dataset, record["face_levels"]),
                *summary.notes,
            ],
        )


def _cautions(dataset: str, columns: Iterable[str]) -> list[str]:
    """What keeps a number from being mistaken for another one."""
    cautions = []
    if dataset == "rendered":
        cautions.append("These faces are rendered, not photographed: no number here is one of a paper's.")
    if any(column.endswith("@embedded") for column in columns):
        cautions.append(
            "Metrics @embedded look through small networks trained on rendered faces; they compare with no "
            "number that another network gave."
        )
    return cautions


def _level_notes(dataset: str, levels: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The scale of each face similarity: what real photos reach."""
    for level in levels:
        if level["dataset"] == dataset and level["genuine"] is not None and level["impostor"] is not None:
            yield (
                f"{level['metric']} between true {level['domain']} images: {level['genuine']:.3f} of one "
                f"({level['pairs']} pairs), {level['impostor']:.3f} of two people ({level['subjects']})."
            )


def _card(fields: dict[str, Any]) -> GeneratorCard:
    tuples = {key: tuple(value) for key, value in fields.items() if isinstance(value, list)}
    return GeneratorCard(**(fields | tuples))


def _write_tables(published: Published) -> None:
    report = published.store.folder / "report"
    provenance = f"run {published.store.folder.name}, fesbench {published.record['versions']['fesbench']}"
    for table in published.tables:
        stem = "table" if len(published.tables) == 1 else f"table-{safe_name(table.title)}"
        write_text(report / f"{stem}.tex", latex_table(table, provenance))
        write_text(report / f"{stem}.md", markdown_table(table))
        write_text(report / f"{stem}.csv", csv_table(table))
    write_text(report / "standalone.tex", latex_document(published.tables, provenance))


def _write_grid(plan: DatasetPlan, cells: Sequence[Cell], run: Plan, store: RunStore) -> None:
    shown = sorted(
        (cell for cell in cells if cell.card.name != "copy"), key=lambda cell: cell.block == "control"
    )
    rows = [
        GridRow(
            f"{edit.source.domain} {edit.target}",
            [_source(edit), *(_output(cell, edit, store) for cell in shown)],
        )
        for edit in _chosen(plan, run.spec.seed)
    ]
    name = "grid" if len(run.datasets) == 1 else f"grid-{safe_name(plan.name)}"
    (store.folder / "report").mkdir(exist_ok=True)
    columns = ["Input", *(cell.card.title for cell in shown)]
    qualitative_grid(rows, columns, plan.name, store.folder / "report" / f"{name}.png")


def _chosen(plan: DatasetPlan, seed: int) -> list[Edit]:
    """A few edits of each domain, of different subjects and targets where there are any, drawn by seed."""
    draw, chosen = np.random.default_rng(seed), []
    for domain in plan.dataset.domains:
        open_edits = [edit for edit in plan.edits if edit.source.domain == domain]
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
    try:
        return edit.source.load()
    except ImageError as error:
        return Failure(str(error))


def _output(cell: Cell, edit: Edit, store: RunStore) -> Image | Failure:
    try:
        return store.read_output(cell.card.name, cell.dataset.name, edit.id)
    except OSError:
        return Failure("no output")
