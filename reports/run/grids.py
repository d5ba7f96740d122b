"""Grids of a run's inputs and outputs, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fesbench.core.contracts import COPY, Edit, Failure, Image
from fesbench.core.errors import ImageError
from fesbench.datasets.loading import load_sample
from fesbench.runs.plan import DatasetPlan, Plan
from fesbench.runs.results import RunResults
from fesbench.runs.store.store import RunStore

from ..figures.grid import GridRow, qualitative_grid
from .main_tables import file_stems

GRID_ROWS = 2
"""Edits of each domain in the grid."""


def write_grids(plan: Plan, run: RunResults, folder: Path) -> set[str]:
    """Write a grid of each data set and of all of them into a folder; return the names of the files."""
    folder.mkdir(exist_ok=True)
    stems = file_stems("grid", [item.name for item in plan.datasets])
    for stem, datasets in stems.items():
        shown = [item for item in plan.datasets if item.name in datasets]
        titles = _titles(run, datasets)
        rows = [row for item in shown for row in _rows(item, run, list(titles), plan.spec.seed)]
        qualitative_grid(rows, ["Input", *titles.values()], ", ".join(datasets), folder / f"{stem}.png")
    return {f"{stem}.png" for stem in stems}


def _titles(run: RunResults, datasets: Sequence[str]) -> dict[str, str]:
    """Return generator to title, controls last; without the copy, whose outputs are the inputs."""
    entries = [item for name in datasets for item in run.record.models_on(name).items()]
    entries.sort(key=lambda item: item[1].block == "control")
    copy = run.record.names.get(COPY)
    return {name: entry.card.title for name, entry in entries if name != copy}


def _rows(plan: DatasetPlan, run: RunResults, models: Sequence[str], seed: int) -> list[GridRow]:
    here = run.record.models_on(plan.name)
    return [
        GridRow(
            f"{edit.source.domain} {edit.target}",
            [
                load_image_of(edit),
                *(
                    read_output(run.store, name, plan.name, edit) if name in here else Failure("not run here")
                    for name in models
                ),
            ],
        )
        for edit in chosen_edits(plan.edits, seed)
    ]


def chosen_edits(edits: Sequence[Edit], seed: int) -> list[Edit]:
    """Return a few edits of each domain, of different subjects and targets if possible, drawn by seed."""
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


def load_image_of(edit: Edit) -> Image | Failure:
    """Return the source image of an edit, or why it cannot be read."""
    loaded = load_sample(edit.source.load, None)
    return loaded if isinstance(loaded, Failure) else loaded[0]


def read_output(store: RunStore, generator: str, dataset: str, edit: Edit) -> Image | Failure:
    """Return the stored output of a generator, or that there is none."""
    try:
        return store.read_output(generator, dataset, edit.id)
    except ImageError:
        return Failure("no output")
