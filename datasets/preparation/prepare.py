"""Alignment of raw photos: each becomes a crop, or a line of the report with the reason."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from PIL import Image as Pillow

from fesbench.core.contracts import Problem
from fesbench.core.errors import DatasetError, ImageError
from fesbench.core.files import written_whole

from ..folders.listing import Listing, list_images
from ..images import examine, load_image, read_bytes
from .alignment import align, share_outside
from .detection import EyeFinder

REPORT = "prepare.csv"
FIELDS = ("path", "status", "reason", "faces", "left_x", "left_y", "right_x", "right_y", "outside")


class Outcome(NamedTuple):
    """What became of one photo.

    Eye positions are in pixels of the photo; ``faces`` were found, of which the largest and most central was
    taken; ``outside`` is the share of the crop beyond the borders of the photo.
    """

    path: str
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    faces: int | None = None
    eyes: tuple[float, float, float, float] | None = None
    outside: float | None = None


def plan_outputs(source: Path, destination: Path) -> tuple[dict[str, str], Listing]:
    """Photo to crop, both relative, and what else is in ``source``.

    Crops keep the folders of their photos and end in ``.png``; photos that differ in nothing but the suffix
    keep it: ``a.jpg`` and ``a.bmp`` become ``a.jpg.png`` and ``a.bmp.png``.

    Raises:
        DatasetError: ``source`` is no folder, or both are the same.
    """
    if source.resolve() == destination.resolve():
        raise DatasetError(f"{destination} holds the photos themselves; choose another folder for the crops")
    listing = list_images(source, skip=destination)
    stems = Counter(str(PurePosixPath(path).with_suffix("")).casefold() for path in listing.images)
    outputs = {}
    for path in listing.images:
        stem = str(PurePosixPath(path).with_suffix(""))
        outputs[path] = f"{stem if stems[stem.casefold()] == 1 else path}.png"
    return outputs, listing


def prepare(
    source: Path, destination: Path, outputs: dict[str, str], size: int, finder: EyeFinder
) -> Iterator[Outcome]:
    """Align every photo; one outcome after the other, in order. Crops of this size that exist stay."""
    for path, output in outputs.items():
        if _is_crop(destination / output, size):
            yield Outcome(path, "skipped", "the crop exists")
        else:
            yield _prepare_one(source, path, destination / output, size, finder)


def _is_crop(path: Path, size: int) -> bool:
    try:
        return load_image(path).shape == (size, size, 3)
    except ImageError:
        return False


def _prepare_one(source: Path, path: str, target: Path, size: int, finder: EyeFinder) -> Outcome:
    try:
        photo = examine(read_bytes(source / path)).pixels
    except ImageError as error:
        return Outcome(path, "failed", str(error))
    face = finder.find(photo)
    if face is None:
        return Outcome(path, "failed", "no face was found")
    with written_whole(target) as temporary:
        Pillow.fromarray(align(photo, face.eyes, size)).save(temporary, format="PNG")
    left, right = face.eyes.tolist()
    return Outcome(path, "done", "", face.found, (*left, *right), share_outside(face.eyes, size, photo))


def write_report(destination: Path, outcomes: list[Outcome], problems: list[Problem]) -> Path:
    """Write ``prepare.csv``, one line for each photo; lines of crops made earlier are kept."""
    file = destination / REPORT
    earlier = _earlier(file)
    lines = [
        earlier.get(item.path, _line(item)) if item.status == "skipped" else _line(item) for item in outcomes
    ]
    lines += [_line(Outcome(problem.path, "failed", problem.reason)) for problem in problems]
    with written_whole(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        writer.writeheader()
        writer.writerows(lines)
    return file


def _line(outcome: Outcome) -> dict[str, str]:
    eyes = [f"{value:.2f}" for value in outcome.eyes or ()] or [""] * 4
    faces = "" if outcome.faces is None else str(outcome.faces)
    outside = "" if outcome.outside is None else f"{outcome.outside:.4f}"
    path = outcome.path.encode("utf-8", "replace").decode("utf-8")
    return dict(zip(FIELDS, (path, outcome.status, outcome.reason, faces, *eyes, outside), strict=True))


def _earlier(file: Path) -> dict[str, dict[str, str]]:
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    return {row["path"]: row for row in rows if set(row) == set(FIELDS) and row["status"] == "done"}
