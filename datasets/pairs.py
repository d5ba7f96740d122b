"""Pairing of images with the photos that they were made from: by name or table, never by order."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fesbench.core.contracts import Edit, Sample
from fesbench.core.errors import DatasetError, UnknownName
from fesbench.core.names import composed, unused_name
from fesbench.core.plurals import counted

from .expressions import canonical
from .folders.listing import list_images, relative_path, why_unusable
from .folders.manifest import read_rows
from .images import load_image

PATTERN = "{source}--{target}"
"""The default pattern of image names: the name of the source, then the target expression."""
DOMAIN = "images"
SHOWN = 5


class Answer(NamedTuple):
    """An image and the edit that it answers."""

    image: Path
    edit: Edit


@dataclass(frozen=True)
class Pairing:
    """Images with the edits that they answer.

    Attributes:
        answers: Each edit with its image, in the order of the edits' ids. The subject of a source is its
            name; the target is empty where no expression was asked for. One image may answer several edits.
        unused: Sources that no image was made from.
        unnamed: Images that a table of targets does not name, and that are not scored.
    """

    answers: Sequence[Answer]
    unused: tuple[str, ...]
    unnamed: tuple[str, ...] = ()

    @property
    def images(self) -> list[Path]:
        """The distinct images, in the order of the answers."""
        return list(dict.fromkeys(answer.image for answer in self.answers))

    @property
    def edits(self) -> list[Edit]:
        """The edits, one for each answer."""
        return [answer.edit for answer in self.answers]


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
            unknown, a table holds no rows, or two images or rows answer one edit; names the first few and
            says what to do.
    """
    known = _by_stem(sources)
    names = _identifiers(known)
    rows = _from_table if targets.lower().endswith(".csv") else _from_names
    answers: dict[str, Answer] = {}
    for image, source, target in rows(images, sources, targets, known):
        edit = Edit(_sample(names[source], sources / known[source], source), target)
        if earlier := answers.get(edit.id):
            raise DatasetError(_answered_twice(earlier.image, image, source, target))
        answers[edit.id] = Answer(image, edit)
    used = {answer.edit.source.id for answer in answers.values()}
    unused = tuple(stem for stem in known if names[stem] not in used)
    named = {answer.image for answer in answers.values()}
    unnamed = tuple(name for name in list_images(images).images if images / name not in named)
    return Pairing([answers[identifier] for identifier in sorted(answers)], unused, unnamed)


def _answered_twice(first: Path, second: Path, source: str, target: str) -> str:
    shown = f"{source} as {target or 'itself'}"
    if first == second:
        return f"two rows say that {first} shows {shown}; keep one of them"
    return f"{first} and {second} both show {shown}; keep one of them"


Row = tuple[Path, str, str]
"""Path of an image, stem of its source, target expression or nothing."""


def _from_names(images: Path, sources: Path, pattern: str, known: Mapping[str, str]) -> Iterator[Row]:
    expression = _pattern(composed(pattern))
    lost, targetless = [], []
    rows: list[Row] = []
    for relative in listed(images):
        stem = _stem(relative)
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
    stems = {stem: stem for stem in known} | {composed(path): stem for stem, path in known.items()}
    for line, cells in read_rows(Path(table), ("image", "source")):
        place = f"{table}:{line}"
        image, source = (_named(cells[name], name, place) for name in ("image", "source"))
        path = relative_path(images, image)
        if reason := why_unusable(images.resolve(), path):
            raise DatasetError(f"{place}: {image}: {reason}")
        stem = stems.get(composed(relative_path(sources, source)))
        if stem is None:
            raise DatasetError(f"{place}: there is no source {source!r} in {sources}")
        yield images / path, stem, _target(cells, place)


def _named(cell: str | None, column: str, place: str) -> str:
    if not (name := (cell or "").strip()):
        raise DatasetError(f"{place}: no {column} is named")
    return name


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


def _stem(relative: str) -> str:
    return composed(Path(relative).with_suffix("").as_posix())


def _by_stem(folder: Path) -> dict[str, str]:
    """Path without suffix to path, relative to the folder."""
    stems: dict[str, str] = {}
    for relative in listed(folder):
        stem = _stem(relative)
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


def _sample(identifier: str, path: Path, stem: str) -> Sample:
    return Sample(identifier, stem, None, DOMAIN, partial(load_image, path), path=path)


def _identifiers(stems: Iterable[str]) -> dict[str, str]:
    """Stem to a sample id: the stem with ``-`` for ``/``, and a hash where another stem gives the same."""
    names: dict[str, str] = {}
    taken: set[str] = set()
    for stem in sorted(stems):
        name = unused_name(stem.replace("/", "-"), stem, taken)
        taken.add(name.casefold())
        names[stem] = name
    return names
