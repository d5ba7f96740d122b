"""Makes ``grid.png`` from a run of all models on rendered faces.

bench run --model all --out RUN
python docs/images/make.py RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from fesbench.core.contracts import COPY, Edit
from fesbench.core.contracts import Image as Pixels
from fesbench.reports.figures.canvas import Model, models_of, save
from fesbench.reports.figures.grid import GridRow
from fesbench.reports.figures.images import image_grid
from fesbench.reports.run.grids import chosen_edits
from fesbench.runs.plan import make_plan
from fesbench.runs.results import DatasetResults, RunResults

HERE = Path(__file__).parent
DATASET = "rendered"
COLOURS = 160
WIDTH = 1400
"""Pixels."""


def make(run: Path) -> None:
    """Write ``grid.png`` beside this file."""
    results = RunResults.open(run).datasets[0]
    ordered = sorted(results.cards.items(), key=lambda item: item[1].control)
    models = models_of([(name, card.title or name, card.control) for name, card in ordered if name != COPY])
    save(image_grid(_rows(results, models), ["Input", *(model.label for model in models)]), HERE, "grid")
    (HERE / "grid.pdf").unlink()
    _shrink(HERE / "grid.png")


def _rows(results: DatasetResults, models: list[Model]) -> list[GridRow]:
    """Two edits of each domain."""
    spec = results.run.spec
    return [
        GridRow(f"{edit.source.domain} {edit.target}", _images(results, models, edit))
        for edit in chosen_edits(make_plan(spec).datasets[0].edits, spec.seed)
    ]


def _images(results: DatasetResults, models: list[Model], edit: Edit) -> list[Pixels]:
    names = (COPY, *(model.name for model in models))
    return [results.run.store.read_output(name, DATASET, edit.id) for name in names]


def _shrink(path: Path) -> None:
    """Few colours, and ``WIDTH`` pixels."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    image = image.resize((WIDTH, round(image.height * WIDTH / image.width)), Image.Resampling.LANCZOS)
    image.quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
