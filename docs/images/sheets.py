"""Makes the sheets of all outputs of registered RegGAN: London in folds, and ``ood-real``.

London must be registered (docs/london.md) and the portable weights fetched. London's people are edited as
``bench run`` does, by a fit on the other folds: input, output, truth. The pictures of ``ood-real`` are edited
by a fit on all of London: input, output.

python docs/images/sheets.py
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw

from fesbench.core.contracts import Dataset, Edit, Failure, Image
from fesbench.datasets.image_grid import ImageGrid
from fesbench.datasets.images import resize
from fesbench.datasets.loading import ImageLoader
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.selection import folds
from fesbench.generators.synthesis import GeneratorSynthesizer
from fesbench.reggan.registered import RegisteredRegression
from fesbench.runs.fitting import fit

HERE = Path(__file__).parent
SEED, FOLDS, TARGET = 0, 5, "happy"
SIZE, TILE, GAP = 128, 112, 6
"""Pixels: of outputs, of faces in the sheets, and between the cells of a sheet."""
QUALITY = 85

Cell = Sequence[Image | Failure]


def main() -> None:
    """Write ``london_registered.jpg`` and ``ood_registered.jpg`` beside this file."""
    london = load_dataset("london", "all")
    write("london_registered", by_folds(london), columns=6)
    write("ood_registered", strangers(london), columns=6)


def by_folds(data: Dataset) -> list[Cell]:
    """Input, output and truth of every edit, by fits on the other folds."""
    cells: dict[str, Cell] = {}
    for held, rest in folds(data, FOLDS, SEED):
        own = [edit for edit in data.edits() if edit.source.subject in held]
        for edit, made in zip(own, edited(rest, own), strict=True):
            cells[edit.id] = [
                edit.source.load(),
                made,
                edit.truth.load() if edit.truth else Failure("not known"),
            ]
    return [cells[edit.id] for edit in data.edits()]


def strangers(train: Dataset) -> list[Cell]:
    """Input and output of every picture of ``ood-real`` that can be asked to smile."""
    edits = [edit for edit in load_dataset("ood-real").edits() if edit.target == TARGET]
    return [[edit.source.load(), made] for edit, made in zip(edits, edited(train, edits), strict=True)]


def edited(train: Dataset, edits: Sequence[Edit]) -> list[Image | Failure]:
    """The outputs of a fit on a training set."""
    model = fit(RegisteredRegression, train, SEED, ImageLoader(0), SIZE)
    return GeneratorSynthesizer(model, (), SIZE).answer(edits)


def write(stem: str, cells: Sequence[Cell], columns: int) -> None:
    """Write the cells in rows, as JPEG."""
    pictures = [Pillow.fromarray(np.hstack([tile(image) for image in cell])) for cell in cells]
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    grid = ImageGrid(columns, len(rows), (pictures[0].width + GAP, pictures[0].height + GAP))
    grid.sheet(rows).save(HERE / f"{stem}.jpg", quality=QUALITY, optimize=True)


def tile(image: Image | Failure) -> Image:
    """A face, or why there is none: (TILE, TILE, 3) uint8."""
    if not isinstance(image, Failure):
        return resize(image, TILE)
    empty = Pillow.new("RGB", (TILE, TILE), "#eeeeee")
    ImageDraw.Draw(empty).text((4, 4), "\n".join(wrap(image.reason, 17)), "#666666")
    return np.array(empty)


if __name__ == "__main__":
    main()
