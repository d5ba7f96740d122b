"""Pairing of images with the photos that they were made from: by name or table, never by order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fesbench.core.contracts import Edit, Sample
from fesbench.core.errors import DatasetError, UnknownName
from fesbench.core.plurals import counted

from .expressions import canonical
from .folders.listing import list_images, why_unusable
from .folders.manifest import read_cells
from .images import load_image

PATTERN = "{source}--{target}"
"""The default pattern of image names: the name of the source, then the target expression."""
DOMAIN = "images"
SHOWN = 5


@dataclass(frozen=True)
class Pairing:
    """Images with the edits that they answer.

    Attributes:
        edits: Image to edit, in the order of the edits' ids. The subject of a source is its name; the target
            is empty where no expression was asked for.
        unused: Sources that no image was made from.
    """

    edits: Mapping[Path, Edit]
    unused: tuple[str, ...]


def pair_images(images: Path, sources: Path, targets: str = PATTERN) -> Pairing:
    """Find the source of every image.

    Args:
        images: The folder of outputs.
        sources: The folder of what they were made from.
        targets: A pattern that holds ``{source}`` and, unless no expression was asked for, ``{target}``, to
            be compared with the images' paths without suffix; or the path of a CSV file with the columns
            image, source and, optionally, target: paths inside the two folders.

    Raises:
        DatasetError: a folder is empty, an image has no source, a name tells no target, an expression is
            unknown, or two images answer one edit; names the first few and says what to do.
    """
    known = _by_stem(sources)
    rows = _from_table if targets.lower().endswith(".csv") else _from_names
    edits: dict[str, tuple[Path, Edit]] = {}
    for image, source, target in rows(images, sources, targets, known):
        edit = Edit(_sample(sources / known[source], source), target)
        if edit.id in edits:
            raise DatasetError(f"{edits[edit.id][0]} and {image} both show {source} as {target or 'itself'}")
        edits[edit.id] = (image, edit)
    used = {edit.source.id for _, edit in edits.values()}
    unused = tuple(stem for stem in known if _identifier(stem) not in used)
    return Pairing(dict(edits[identifier] for identifier in sorted(edits)), unused)


Row = tuple[Path, str, str]
"""Path of an image, stem of its source, target expression or nothing."""


def _from_names(images: Path, sources: Path, pattern: str, known: Mapping[str, str]) -> Iterator[Row]:
    expression = _pattern(pattern)
    lost, targetless = [], []
    rows: list[Row] = []
    for relative in listed(images):
        stem = Path(relative).with_suffix("").as_posix()
        match = expression.fullmatch(stem)
        if match and match["source"] in known:
            rows.append((images / relative, match["source"], _target(match.groupdict(), relative)))
        elif stem in known:
            targetless.append((images / relative, stem, ""))
        else:
            lost.append(relative)
    if lost or (rows and targetless):
        raise DatasetError(_unpaired(lost or [row[0].name for row in targetless], images, sources, pattern))
    yield from rows or targetless


def _unpaired(lost: list[str], images: Path, sources: Path, pattern: str) -> str:
    shown = ", ".join(lost[:SHOWN]) + (f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else "")
    return (
        f"{counted(len(lost), 'image')} in {images} cannot be paired with {sources} as {pattern}: {shown}; "
        "name them so (s01--happy.png was made from s01.png), or give a CSV file with the columns image, "
        "source, target"
    )


def _from_table(images: Path, sources: Path, table: str, known: Mapping[str, str]) -> Iterator[Row]:
    by_path = {path: stem for stem, path in known.items()}
    root = images.resolve()
    for line, cells in read_cells(Path(table), ("image", "source")):
        image, source = ((cells[name] or "").strip() for name in ("image", "source"))
        place = f"{table}:{line}"
        if reason := why_unusable(root, image) if image else "no image is named":
            raise DatasetError(f"{place}: {image}: {reason}")
        stem = by_path.get(source, source)
        if stem not in known:
            raise DatasetError(f"{place}: there is no source {source!r} in {sources}")
        yield images / image, stem, _target(cells, place)


def _target(fields: Mapping[str, str | None], place: str) -> str:
    name = (fields.get("target") or "").strip()
    try:
        return canonical(name) if name else ""
    except UnknownName as error:
        raise DatasetError(f"{place}: {error}") from error


def _pattern(pattern: str) -> re.Pattern[str]:
    fields = re.findall(r"\{(.*?)\}", pattern)
    if sorted(fields) not in (["source"], ["source", "target"]):
        raise DatasetError(
            f"the pattern {pattern!r} must hold {{source}}, and {{target}} at most once, and no other field"
        )
    pieces = {"{source}": "(?P<source>.+)", "{target}": "(?P<target>.+?)"}
    parts = (pieces.get(part, re.escape(part)) for part in re.split(r"(\{\w+\})", pattern))
    return re.compile("".join(parts))


def _by_stem(folder: Path) -> dict[str, str]:
    """Path without suffix to path, relative to the folder."""
    stems: dict[str, str] = {}
    for relative in listed(folder):
        stem = Path(relative).with_suffix("").as_posix()
        if stem in stems:
            raise DatasetError(f"{folder} holds {stems[stem]} and {relative}: which one is the source?")
        stems[stem] = relative
    return stems


def listed(folder: Path) -> list[str]:
    """Return the images of a folder, as sorted paths relative to it.

    Raises:
        DatasetError: it is no folder, or holds no image or one that may not be opened.
    """
    listing = list_images(folder)
    if listing.problems:
        problem = listing.problems[0]
        raise DatasetError(f"{folder / problem.path} cannot be used: {problem.reason}")
    if not listing.images:
        raise DatasetError(f"{folder} holds no image; PNG, JPEG, WebP, BMP, TIFF and PPM files are read")
    return listing.images


def _sample(path: Path, stem: str) -> Sample:
    return Sample(_identifier(stem), stem, None, DOMAIN, partial(load_image, path), path=path)


def _identifier(stem: str) -> str:
    return stem.replace("/", "-")
