"""What a data set holds: counts for people and programs, and a sheet of its images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL import ImageDraw

from fesbench.core.contracts import Dataset, Sample
from fesbench.core.errors import ImageError
from fesbench.core.files import written_whole

from .expressions import in_order
from .image_grid import ImageGrid
from .images import resize

UNLABELLED = "not stated"
TILE, COLUMNS, LABEL_WIDTH = 96, 10, 150


def overview(splits: Mapping[str, Dataset]) -> dict[str, Any]:
    """Counts of a data set, ready for JSON.

    Args:
        splits: Split name to that split; ``all`` is left out of the sums where it is given.
    """
    parts = {name: dataset for name, dataset in splits.items() if name != "all"}
    samples = [sample for dataset in parts.values() for sample in dataset.samples()]
    any_split = next(iter(splits.values()))
    return {
        "name": any_split.name,
        "samples": len(samples),
        "subjects": len({sample.subject for sample in samples}),
        "expressions": _counts(sample.expression or UNLABELLED for sample in samples),
        "domains": _counts(sample.domain for sample in samples),
        "splits": {name: _split_counts(dataset) for name, dataset in parts.items()},
        "notes": list(any_split.notes),
        "problems": [problem._asdict() for problem in any_split.problems],
        "ignored": list(getattr(any_split, "ignored", ())),
    }


def _split_counts(dataset: Dataset) -> dict[str, int | str]:
    samples = dataset.samples()
    return {
        "samples": len(samples),
        "subjects": len({sample.subject for sample in samples}),
        "edits": len(dataset.edits()),
        "pairs": len(dataset.pairs()),
        "digest": dataset.digest,
    }


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(Counter(values).most_common())


def write_sheet(samples: Sequence[Sample], path: Path) -> None:
    """Write a PNG with up to ten images of each expression in each domain, spread evenly over the samples.

    Raises:
        BenchError: ``path`` cannot be written.
    """
    rows = _rows(samples)
    grid = ImageGrid(COLUMNS, max(1, len(rows)), (TILE, TILE), (LABEL_WIDTH, 0))
    sheet = grid.sheet(map(_tile, shown) for shown in rows.values())
    draw = ImageDraw.Draw(sheet)
    for row, label in enumerate(rows):
        draw.text((6, row * TILE + TILE // 3), label, fill="black")
    with written_whole(path) as temporary:
        sheet.save(temporary, format="PNG")


def _rows(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    known = in_order(sample.expression for sample in samples if sample.expression)
    rows = {}
    for domain in dict.fromkeys(sample.domain for sample in samples):
        for expression in (*known, None):
            group = [s for s in samples if (s.domain, s.expression) == (domain, expression)]
            if group:
                count = min(COLUMNS, len(group))
                chosen = [group[i * len(group) // count] for i in range(count)]
                rows[f"{_latin(domain)}\n{expression or UNLABELLED}"] = chosen
    return rows


def _latin(text: str) -> str:
    """Text that Pillow's built-in font can draw."""
    return text.encode("latin-1", "replace").decode("latin-1")[:24]


def _tile(sample: Sample) -> Pillow.Image:
    try:
        return Pillow.fromarray(resize(sample.load(), TILE))
    except ImageError:
        return Pillow.new("RGB", (TILE, TILE), "red")
