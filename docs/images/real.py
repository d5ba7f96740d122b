"""Makes the README's figure of real pictures, and the strip over intensity of docs/registered.md.

London must be registered (docs/london.md) and the portable weights fetched. Models are fitted on four fifths
of London; the people shown are chosen by a seed among the others, and one picture of each domain of
``ood-real`` by the same seed:

python docs/images/real.py
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from textwrap import wrap

from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from fesbench.core.contracts import ClosedForm, Dataset, Edit, Failure, Image, Sample
from fesbench.datasets.image_grid import ImageGrid
from fesbench.datasets.images import resize
from fesbench.datasets.loading import ImageLoader
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.selection import folds
from fesbench.datasets.splits import shuffled
from fesbench.generators.registry import load_model
from fesbench.generators.synthesis import GeneratorSynthesizer, at_size
from fesbench.reggan.registered import RegisteredRegression
from fesbench.runs.fitting import fit

HERE = Path(__file__).parent
SEED, PEOPLE, TARGET = 0, 3, "happy"
FITTED_AT, SIZE, TILE = 128, 256, 256
"""Pixels: of the images that models are fitted on, of outputs, and of faces in the figure."""
QUALITY = 90
"""Of the JPEG files."""
GAP, LABEL, HEAD = 4, 96, 32
MODELS = {
    "Masked regression": "masked-regression",
    "RegGAN, regression": "reggan-regression",
    "RegGAN, registered": "reggan-registered",
}
INTENSITIES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5)

Row = tuple[str, Sequence[Image | Failure]]


def main() -> None:
    """Write ``real.jpg`` and ``intensity.jpg`` beside this file."""
    london = load_dataset("london", "all")
    held, rest = folds(london, 5, SEED)[0]
    people = shuffled(held, SEED)[:PEOPLE]
    edits = [edit for name in people for edit in london.edits() if edit.source.subject == name]
    edits += [Edit(sample, TARGET) for sample in strangers()]
    models = {title: fitted(name, rest) for title, name in MODELS.items()}
    answers = [edited(model, edits) for model in models.values()]
    rows = [
        (label(edit), [resize(edit.source.load(), SIZE), *made, truth(edit)])
        for edit, *made in zip(edits, *answers, strict=True)
    ]
    write("real", ["Input", *models, "Truth"], rows)
    strips = [by_intensity(rest, edit) for edit in edits[PEOPLE - 1 : PEOPLE]]
    write("intensity", [f"{value:g}" for value in INTENSITIES], strips)


def strangers() -> list[Sample]:
    """One picture of each domain of ``ood-real`` that is asked to smile, by the seed."""
    samples = list({edit.source.id: edit.source for edit in load_dataset("ood-real").edits()}.values())
    domains = dict.fromkeys(sample.domain for sample in samples)
    first = [shuffled((s.id for s in samples if s.domain == name), SEED)[0] for name in domains]
    return [sample for sample in samples if sample.id in first]


def fitted(name: str, train: Dataset) -> ClosedForm:
    """A closed-form model of the suite, fitted on a data set."""
    return fit(partial(load_model, name), train, SEED, ImageLoader(0), FITTED_AT)  # type: ignore[arg-type]


def edited(model: ClosedForm, edits: Sequence[Edit]) -> list[Image | Failure]:
    """Each edit at ``SIZE``; RegGAN on registered faces takes photos of any size, others their own."""
    size = SIZE if isinstance(model, RegisteredRegression) else FITTED_AT
    return at_size(edits, GeneratorSynthesizer(model, (), size).answer(edits), SIZE)


def by_intensity(train: Dataset, edit: Edit) -> Row:
    """The edit by registered RegGAN at each intensity."""
    model = fitted("reggan-registered", train)
    assert isinstance(model, RegisteredRegression)
    outputs: list[Image | Failure] = []
    for model.intensity in INTENSITIES:
        outputs += edited(model, [edit])
    return label(edit), outputs


def truth(edit: Edit) -> Image | Failure:
    """The true photo, where there is one."""
    return resize(edit.truth.load(), SIZE) if edit.truth else Failure("not known")


def label(edit: Edit) -> str:
    """What the input is."""
    return f"London {edit.source.subject}" if edit.truth else edit.source.domain


def write(stem: str, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a JPEG with a row for each input, labelled inside the picture."""
    grid = ImageGrid(len(columns), len(rows), (TILE + GAP, TILE + GAP), (LABEL, HEAD))
    sheet = grid.sheet(map(tile, images) for _, images in rows)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for number, name in enumerate(columns):
        draw.text((grid.corner(number, 0)[0] + TILE // 2, HEAD // 2), name, "black", font, "mm")
    for number, (name, _) in enumerate(rows):
        text = "\n".join(wrap(name, 11))
        draw.text((LABEL // 2, grid.corner(0, number)[1] + TILE // 2), text, "black", font, "mm")
    sheet.save(HERE / f"{stem}.jpg", quality=QUALITY, optimize=True)


def tile(image: Image | Failure) -> Pillow.Image:
    """A face, or why there is none."""
    if not isinstance(image, Failure):
        return Pillow.fromarray(resize(image, TILE))
    empty = Pillow.new("RGB", (TILE, TILE), "#eeeeee")
    text = "\n".join(wrap(image.reason, 24))
    ImageDraw.Draw(empty).text((TILE // 2, TILE // 2), text, "#666666", ImageFont.load_default(13), "mm")
    return empty


if __name__ == "__main__":
    main()
