"""Alignment of raw photos: each becomes a crop, or a line of the report with the reason.

The report, ``prepare.csv``, is written line by line while photos are aligned, so that a program that was
killed goes on where it stopped. A crop stays as long as its photo has the content that it was made of.
"""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from PIL import Image as Pillow

from fesbench.core.contracts import Problem
from fesbench.core.errors import DatasetError, ImageError
from fesbench.core.files import write_error, written_whole
from fesbench.core.names import unused_name

from ..folders.listing import Listing, list_images
from ..images import examine, load_image, read_bytes
from .alignment import align, share_outside
from .detection import EyeFinder

REPORT = "prepare.csv"
FIELDS = (
    *("path", "status", "reason", "faces", "left_x", "left_y", "right_x", "right_y", "outside"),
    *("sha256", "crop"),
)


class Outcome(NamedTuple):
    """What became of one photo.

    Eye positions are in pixels of the photo; ``faces`` were found, of which the largest and most central was
    taken; ``outside`` is the share of the crop beyond the borders of the photo; ``sha256`` is that of the
    photo's file, and ``crop`` the path of the crop.
    """

    path: str
    status: Literal["done", "skipped", "failed"]
    reason: str = ""
    faces: int | None = None
    eyes: tuple[float, float, float, float] | None = None
    outside: float | None = None
    sha256: str = ""
    crop: str = ""


def plan_outputs(source: Path, destination: Path) -> tuple[dict[str, str], Listing]:
    """Photo to crop, both relative, and what else is in ``source``.

    Crops keep the folders of their photos and end in ``.png``; photos that would share a crop keep their
    suffix: ``a.jpg`` and ``a.bmp`` become ``a.jpg.png`` and ``a.bmp.png``.

    Raises:
        DatasetError: ``source`` is no folder, or both are the same.
    """
    if source.resolve() == destination.resolve():
        raise DatasetError(f"{destination} holds the photos themselves; choose another folder for the crops")
    listing = list_images(source, skip=destination)
    return {path: f"{name}.png" for path, name in _distinct(listing.images).items()}, listing


def _distinct(paths: Iterable[str]) -> dict[str, str]:
    """Path to itself without suffix; with it where two would be the same, whatever their case."""
    names = {path: str(PurePosixPath(path).with_suffix("")) for path in paths}
    while doubled := [path for path in _doubled(names) if names[path] != path]:
        names |= {path: path for path in doubled}
    taken: set[str] = set()
    for path, name in names.items():
        names[path] = unused_name(name, path, taken)
        taken.add(names[path].casefold())
    return names


def _doubled(names: Mapping[str, str]) -> list[str]:
    counts = Counter(name.casefold() for name in names.values())
    return [path for path, name in names.items() if counts[name.casefold()] > 1]


def prepare(
    source: Path, destination: Path, outputs: dict[str, str], size: int, finder: EyeFinder
) -> Iterator[Outcome]:
    """Align every photo; one outcome after the other, in order, each in the report before it is yielded.

    Crops of this size stay if the report says that they were made of a photo with this content. Crops of
    photos that are gone are removed, unless all are: then the report is of another folder of photos.
    """
    earlier = _read(destination / REPORT)
    if not earlier.keys().isdisjoint(outputs):
        stale = {path for path, line in earlier.items() if outputs.get(path) != line["crop"]}
        for path in stale:
            _remove(earlier.pop(path), destination)
    with _reporting(destination / REPORT, earlier.values()) as report:
        for path, output in outputs.items():
            line = earlier.get(path)
            outcome = _prepare_one(source, Task(path, output, size), destination, finder, line)
            if outcome.status == "failed" and line:
                _remove(line, destination)
            if outcome.status != "skipped":
                report(outcome)
            yield outcome


class Task(NamedTuple):
    """A photo and the crop that is to be made of it, both relative, and the side of the crop in pixels."""

    path: str
    output: str
    size: int


def _remove(line: Mapping[str, str], destination: Path) -> None:
    """Remove the crop of a line of the report, which may name nothing outside the folder."""
    crop = (destination / line["crop"]).resolve()
    if crop.suffix == ".png" and crop.is_relative_to(destination.resolve()):
        crop.unlink(missing_ok=True)


@contextmanager
def _reporting(file: Path, lines: Iterable[Mapping[str, str]]) -> Iterator[Callable[[Outcome], None]]:
    """Yield a function that adds a line to a report of ``lines``."""
    _write(file, lines)
    try:
        with file.open("a", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, FIELDS)

            def report(outcome: Outcome) -> None:
                writer.writerow(_line(outcome))
                stream.flush()

            yield report
    except OSError as error:
        raise write_error(file, error) from error


def _is_crop(path: Path, size: int) -> bool:
    try:
        return load_image(path).shape == (size, size, 3)
    except ImageError:
        return False


def _prepare_one(
    source: Path, task: Task, destination: Path, finder: EyeFinder, earlier: Mapping[str, str] | None
) -> Outcome:
    path, output, size = task
    try:
        data = read_bytes(source / path)
        digest = hashlib.sha256(data).hexdigest()
        same = earlier is not None and earlier["sha256"] == digest
        if same and _is_crop(destination / output, size):
            return Outcome(path, "skipped", "the crop exists", sha256=digest, crop=output)
        photo = examine(data).pixels
    except ImageError as error:
        return Outcome(path, "failed", str(error))
    face = finder.find(photo)
    if face is None:
        return Outcome(path, "failed", "no face was found")
    with written_whole(destination / output) as temporary:
        Pillow.fromarray(align(photo, face.eyes, size)).save(temporary, format="PNG")
    left, right = face.eyes.tolist()
    outside = share_outside(face.eyes, size, photo)
    return Outcome(path, "done", "", face.found, (*left, *right), outside, digest, output)


def write_report(destination: Path, outcomes: list[Outcome], problems: list[Problem]) -> Path:
    """Write ``prepare.csv`` in order, one line for each photo; lines of crops made earlier are kept."""
    file = destination / REPORT
    failed = [Outcome(problem.path, "failed", problem.reason) for problem in problems]
    lines = {item.path: _line(item) for item in (*outcomes, *failed) if item.status != "skipped"}
    known = _read(file) | lines
    order = dict.fromkeys((*(item.path for item in (*outcomes, *failed)), *known))
    _write(file, [known[path] for path in order if path in known])
    return file


def _write(file: Path, lines: Iterable[Mapping[str, str]]) -> None:
    with written_whole(file) as temporary, temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, FIELDS)
        writer.writeheader()
        writer.writerows(lines)


def _line(outcome: Outcome) -> dict[str, str]:
    eyes = [f"{value:.2f}" for value in outcome.eyes or ()] or [""] * 4
    faces = "" if outcome.faces is None else str(outcome.faces)
    outside = "" if outcome.outside is None else f"{outcome.outside:.4f}"
    path = outcome.path.encode("utf-8", "replace").decode("utf-8")
    made_of = (outcome.sha256, outcome.crop)
    cells = (path, outcome.status, outcome.reason, faces, *eyes, outside, *made_of)
    return dict(zip(FIELDS, cells, strict=True))


def _read(file: Path) -> dict[str, dict[str, str]]:
    """Return the lines of crops in a report by photo; the last line may be cut."""
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    whole = [row for row in rows if set(row) == set(FIELDS) and None not in row.values()]
    last = {row["path"]: row for row in whole}
    return {path: row for path, row in last.items() if row["status"] == "done" and row["crop"]}
