"""Makes the figures of the README from a run of all models on rendered faces.

bench run --model all --out RUN
python docs/images/make.py RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from fesbench.core.contracts import COPY, Edit
from fesbench.core.contracts import Image as Pixels
from fesbench.reports.figures.canvas import Axis, Model, models_of, save
from fesbench.reports.figures.grid import GridRow
from fesbench.reports.figures.images import image_grid
from fesbench.reports.figures.scores import trade_off
from fesbench.reports.run.grids import chosen_edits
from fesbench.runs.plan import make_plan
from fesbench.runs.results import DatasetResults, RunResults

HERE = Path(__file__).parent
ECS, FSS = Axis("ecs@embedded", "higher", "share"), Axis("fss@embedded", "higher", "cosine similarity")
DATASET = "rendered"
COLOURS = 160
GRID_WIDTH = 960
"""Pixels."""


def make(run: Path) -> None:
    """Write ``trade-off.png`` and ``grid.png`` beside this file."""
    results = RunResults.open(run).datasets[0]
    ordered = sorted(results.cards.items(), key=lambda item: item[1].control)
    models = models_of([(name, card.title or name, card.control) for name, card in ordered])
    save(trade_off(results.cells, models, FSS, ECS, ["studio", "ood"]), HERE, "trade-off")
    save(image_grid(_rows(results, models), ["Input", *(model.label for model in models[:-1])]), HERE, "grid")
    for name, width in (("trade-off", None), ("grid", GRID_WIDTH)):
        (HERE / f"{name}.pdf").unlink()
        _shrink(HERE / f"{name}.png", width)


def _rows(results: DatasetResults, models: list[Model]) -> list[GridRow]:
    """One edit of each domain; the last model is the input itself."""
    spec = results.run.spec
    edits = make_plan(spec).datasets[0].edits
    return [GridRow(f"{edit.source.domain} {edit.target}", _images(results, models, edit))
            for edit in chosen_edits(edits, spec.seed)[::2]]  # fmt: skip


def _images(results: DatasetResults, models: list[Model], edit: Edit) -> list[Pixels]:
    store = results.run.store
    order = [COPY, *(model.name for model in models if model.name != COPY)]
    return [store.read_output(name, DATASET, edit.id) for name in order]


def _shrink(path: Path, width: int | None) -> None:
    """Few colours, and so many pixels wide."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if width:
        image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
    image.quantize(COLOURS).save(path, optimize=True)


if __name__ == "__main__":
    make(Path(sys.argv[1]))
