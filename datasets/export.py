"""Edits as files, for models that live elsewhere."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

from PIL import Image as Pillow

from fesbench.core.contracts import Edit, Problem, Sample
from fesbench.core.errors import ImageError
from fesbench.core.files import written_whole

from .images import resize

MANIFEST = "manifest.csv"
COLUMNS = ("edit", "input", "source", "target", "path")


def export_edits(
    edits: Sequence[Edit], folder: Path, size: int | None = None, progress: Callable[[], None] | None = None
) -> list[Problem]:
    """Write what a model needs to answer ``edits``, and where it is to put its answers.

    ``inputs/<sample id>.png`` are the source images; ``manifest.csv`` has a line for each edit: its id, the
    input, the expression it shows (empty when not known), the expression asked for, and the path for the
    result, ``outputs/<edit id>.png``. When the results are there, ``outputs:FOLDER`` reads them.

    Args:
        edits: What is asked for.
        folder: Is made when missing; inputs that exist are written again.
        size: Square size of the inputs; None keeps the size of the files.
        progress: Called once for each input.

    Returns:
        The inputs that could not be read; their edits are left out.

    Raises:
        DatasetError: the folder cannot be written.
    """
    sources = {edit.source.id: edit.source for edit in edits}
    problems = {}
    for name, sample in sources.items():
        if problem := _write_input(sample, folder / "inputs" / f"{name}.png", size):
            problems[name] = problem
        if progress:
            progress()
    lines = [_line(edit) for edit in edits if edit.source.id not in problems]
    with (
        written_whole(folder / MANIFEST) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(lines)
    (folder / "outputs").mkdir(exist_ok=True)
    return list(problems.values())


def _write_input(sample: Sample, path: Path, size: int | None) -> Problem | None:
    try:
        image = sample.load()
    except ImageError as error:
        return Problem(sample.id, str(error))
    with written_whole(path) as temporary:
        Pillow.fromarray(resize(image, size) if size else image).save(
            temporary, format="PNG", compress_level=1
        )
    return None


def _line(edit: Edit) -> tuple[str, ...]:
    source = edit.source
    return edit.id, f"inputs/{source.id}.png", source.expression or "", edit.target, f"outputs/{edit.id}.png"
