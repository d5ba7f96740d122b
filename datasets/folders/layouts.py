"""How folders say who is shown with which expression: one function from path to labels for each layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from fesbench.core.errors import BenchError, DatasetError, UnknownName
from fesbench.core.plurals import counted

from ..expressions import ALIASES, KDEF_CODES, canonical
from ..splits import Part

CFEE_PATTERN = "{subject}_{expression}"

SPLIT_FOLDERS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}


class Unmatched(BenchError):
    """A path that does not say what its layout needs; the message is the reason."""


@dataclass(frozen=True)
class Labels:
    """What a path says of its image. Fields that it leaves open are None."""

    subject: str
    expression: str | None
    split: Part | None = None


Labeller = Callable[[PurePosixPath], Labels]


def flat(path: PurePosixPath) -> Labels:
    """Any image, each of a subject of its own, without a stated expression."""
    return Labels(str(path.with_suffix("")), None)


def expression_folders(path: PurePosixPath) -> Labels:
    """``[train|val|test/]<expression>/<subject>.<suffix>``; sub-folders of these belong to the subject."""
    split, rest = _without_split(path)
    if len(rest.parts) < 2:
        raise Unmatched("it lies in no folder that names an expression")
    try:
        expression = canonical(rest.parts[0])
    except UnknownName as error:
        raise Unmatched(f"its folder: {error}") from error
    return Labels(_name(PurePosixPath(*rest.parts[1:])), expression, split)


def stargan(path: PurePosixPath) -> Labels:
    """``[train|val|test/]<code>/<subject>.<suffix>`` with the codes AFS ANS DIS HAS NES SAS SUS."""
    split, rest = _without_split(path)
    code = rest.parts[0].upper()
    if len(rest.parts) < 2 or code[:-1] not in KDEF_CODES or code[-1] != "S":
        raise Unmatched(f"it lies in none of the folders {' '.join(f'{code}S' for code in KDEF_CODES)}")
    return Labels(_name(PurePosixPath(*rest.parts[1:])), KDEF_CODES[code[:-1]], split)


_KDEF = re.compile(
    r"(?P<session>[AB])(?P<subject>[FM]\d\d)(?P<code>[A-Z]{2})(?P<view>S|HL|HR|FL|FR)", re.IGNORECASE
)


def kdef(path: PurePosixPath) -> Labels:
    """``AF01HAS.JPG``: session A or B, subject F01, expression HA, view S (straight).

    Both sessions show the same person. Other views than straight are unmatched.
    """
    match = _KDEF.fullmatch(path.stem)
    if match is None or match["code"].upper() not in KDEF_CODES:
        raise Unmatched("the name is not of the form AF01HAS (session, subject, expression, view)")
    if match["view"].upper() != "S":
        raise Unmatched("not a frontal view")
    return Labels(match["subject"].upper(), KDEF_CODES[match["code"].upper()])


_RAFD = re.compile(
    r"Rafd(?P<camera>\d{3})_(?P<subject>\d+)_.+_(?P<expression>[a-z]+)_(?P<gaze>frontal|left|right)",
    re.IGNORECASE,
)


def rafd(path: PurePosixPath) -> Labels:
    """``Rafd090_01_Caucasian_female_angry_frontal.jpg``; other cameras or gazes are unmatched."""
    match = _RAFD.fullmatch(path.stem)
    if match is None:
        raise Unmatched("the name is not of the form Rafd090_01_Caucasian_female_angry_frontal")
    if match["camera"] != "090":
        raise Unmatched("not a frontal view")
    if match["gaze"].lower() != "frontal":
        raise Unmatched("gaze to the side")
    try:
        return Labels(match["subject"], canonical(match["expression"]))
    except UnknownName as error:
        raise Unmatched(str(error)) from error


def by_pattern(pattern: str) -> Labeller:
    """Return a labeller for paths of one form.

    Args:
        pattern: A path without suffix that holds ``{subject}`` and ``{expression}`` once each, and ``*`` for
            anything within a name. Without ``/`` it is compared with the file name at any depth. The
            expression is any spelling that ``canonical`` accepts, the longest that fits.

    Raises:
        DatasetError: one of the two fields is missing or doubled, or there is an unknown one.
    """
    fields = re.findall(r"\{(.*?)\}", pattern)
    if sorted(fields) != ["expression", "subject"]:
        raise DatasetError(
            f"the pattern {pattern!r} must hold {{subject}} and {{expression}} once each and no other field"
        )
    return partial(_labels_by_regex, pattern, re.compile(_pattern_regex(pattern), re.IGNORECASE))


def _pattern_regex(pattern: str) -> str:
    names = "|".join(alias.replace("-", r"[\s_-]?") for alias in sorted(ALIASES, key=len, reverse=True))
    pieces = {
        "{subject}": "(?P<subject>[^/]+?)",
        "{expression}": f"(?P<expression>{names})",
        "*": "[^/]*?",
    }
    return "".join(pieces.get(piece, re.escape(piece)) for piece in re.split(r"(\{\w+\}|\*)", pattern))


def _labels_by_regex(pattern: str, regex: re.Pattern[str], path: PurePosixPath) -> Labels:
    match = regex.fullmatch(str(path.with_suffix("")) if "/" in pattern else path.stem)
    if match is None:
        raise Unmatched(f"it does not match {pattern}; give the right one with --pattern")
    return Labels(match["subject"], _COMPACT[re.sub(r"[\s_-]+", "", match["expression"].lower())])


_COMPACT: Mapping[str, str] = {alias.replace("-", ""): name for alias, name in ALIASES.items()}


def _without_split(path: PurePosixPath) -> tuple[Part | None, PurePosixPath]:
    split = SPLIT_FOLDERS.get(path.parts[0].lower()) if len(path.parts) > 1 else None
    return (split, PurePosixPath(*path.parts[1:])) if split else (None, path)


_CK = re.compile(r"(?P<subject>S\d{3})_\d{3}_\d{8}", re.IGNORECASE)


def known_person(path: PurePosixPath) -> str | None:
    """Return the person that a file name of KDEF, RaFD or CK+ states, else None."""
    for layout in (kdef, rafd):
        try:
            return layout(path).subject
        except Unmatched:
            continue
    match = _CK.fullmatch(path.stem)
    return match["subject"].upper() if match else None


def _name(path: PurePosixPath) -> str:
    return str(path.with_suffix(""))


NAMED_BY_FOLDER = ("expression-folders", "stargan")
"""Layouts whose folders hold the expression, while file names hold the person in a way of their own.

Their labellers state the whole file name as the subject; ``people.read_people`` finds the person in it.
"""

LABELLERS: Mapping[str, Labeller] = {
    "expression-folders": expression_folders,
    "stargan": stargan,
    "kdef": kdef,
    "rafd": rafd,
    "cfee": by_pattern(CFEE_PATTERN),
    "flat": flat,
}

LAYOUTS: Mapping[str, str] = {
    "manifest": "manifest.csv with the columns path,subject,expression[,domain,split,target_path]",
    "expression-folders": "<expression>/<subject>.jpg, optionally inside train, val and test",
    "stargan": "folders AFS ANS DIS HAS NES SAS SUS of StarGAN's family, optionally inside train, val, test",
    "kdef": "file names of KDEF: AF01HAS.JPG",
    "rafd": "file names of RaFD: Rafd090_01_Caucasian_female_angry_frontal.jpg",
    "cfee": f"{CFEE_PATTERN}.jpg, or what --pattern says",
    "flat": "any images, expressions not stated: for out-of-distribution sources",
}
"""Layout name to what it looks like."""


def labeller(layout: str, pattern: str | None = None) -> Labeller:
    """Return the function that reads labels from paths in a layout.

    Raises:
        UnknownName: there is no such layout.
        DatasetError: the pattern is malformed, or the layout takes none.
    """
    if layout not in LAYOUTS:
        raise UnknownName("layout", layout, LAYOUTS)
    if pattern and layout != "cfee":
        raise DatasetError(f"the layout {layout} has no pattern; use --layout cfee with --pattern")
    return by_pattern(pattern) if pattern else LABELLERS[layout]


def guess_layout(images: list[str], has_manifest: bool) -> str:
    """Return the layout that fits a folder, when there is no doubt.

    A layout is taken when it fits every image; ``flat`` when no path holds the name of an expression.

    Args:
        images: Paths of its images, relative to it.
        has_manifest: Whether it holds a ``manifest.csv``.

    Raises:
        DatasetError: there is doubt; says how many images fit each layout.
    """
    if has_manifest:
        return "manifest"
    for name in ("stargan", "expression-folders", "kdef", "rafd"):
        if images and all(_fits(LABELLERS[name], path) for path in images):
            return name
    if images and not any(_names_expression(path) for path in images):
        return "flat"
    fits = {name: sum(_fits(labels, path) for path in images) for name, labels in LABELLERS.items()}
    total = counted(len(images), "image")
    counts = [f"  {name}: {fits.get(name, 0)} of {total} ({text})" for name, text in LAYOUTS.items()]
    raise DatasetError(
        "\n".join(["no layout can be told from the names; choose one with --layout:", *counts])
    )


def _names_expression(path: str) -> bool:
    return any(word.lower() in ALIASES for word in re.split(r"[^A-Za-z]+", path))


def _fits(labels: Labeller, path: str) -> bool:
    try:
        return bool(labels(PurePosixPath(path)))
    except Unmatched:
        return False
