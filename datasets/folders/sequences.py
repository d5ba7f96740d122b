"""Video sequences that run from a neutral face to an expression at its peak, as CK+ and Oulu-CASIA hold them.

Of each sequence the first frame is neutral and the last one shows the expression; those between are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from fesbench.core.contracts import NEUTRAL, Problem
from fesbench.core.files import read_limited

from ..expressions import canonical
from .layouts import Labels

CK_PLUS_CODES: Mapping[float, str] = {
    0: NEUTRAL,
    1: "angry",
    2: "contemptuous",
    3: "disgusted",
    4: "fearful",
    5: "happy",
    6: "sad",
    7: "surprised",
}
"""Meaning of the numbers in CK+'s files ``Emotion/S005/001/S005_001_00000011_emotion.txt``."""

BETWEEN = "a frame between the neutral one and the peak"
UNLABELLED = "the peak of a sequence without a file …_emotion.txt, as most of CK+ are"

LAYOUTS = {
    "ck-plus": re.compile(
        r"(?P<sequence>(.*/)?(?P<name>(?P<subject>S\d{3})_\d{3}))_(?P<frame>\d{8})", re.IGNORECASE
    ),
    "oulu-casia": re.compile(
        r"(?P<sequence>(.*/)?(?P<subject>P\d{3})/(?P<word>anger|disgust|fear|happiness|sadness|surprise))"
        r"/(?P<frame>\d{3})",
        re.IGNORECASE,
    ),
}
"""Layout to the form of its paths, without the suffix."""

_EMOTION = "_emotion"
"""The end of the name of a file that states the expression of a sequence of CK+."""


def recognised(images: Sequence[str], others: Iterable[str]) -> str | None:
    """Return the layout that all images have; for CK+ a file of an expression must be among the others."""
    stated = any(_name(path).lower().endswith(_EMOTION) for path in others)
    for layout, form in LAYOUTS.items():
        if images and all(map(form.fullmatch, map(_name, images))) and (stated or layout != "ck-plus"):
            return layout
    return None


def label_sequences(
    layout: str, root: Path, images: Iterable[str], others: Iterable[str]
) -> tuple[dict[str, Labels], list[Problem]]:
    """Return path to labels of the first and the last frame of each sequence, and the images without.

    Args:
        layout: ``ck-plus``: ``S005/001/S005_001_00000011.png``, labelled by ``…_emotion.txt``.
            ``oulu-casia``: ``VL/Strong/P001/Anger/000.jpeg``; light and camera belong to the sequence.
        root: The folder.
        images: Paths of its images, relative to it.
        others: Paths of its other files.
    """
    found: dict[str, Labels] = {}
    problems = []
    expression = _stated_expressions(root, others) if layout == "ck-plus" else _expression_in_path
    sequences: dict[str, list[tuple[int, str, re.Match[str]]]] = {}
    for path in images:
        if match := LAYOUTS[layout].fullmatch(_name(path)):
            sequences.setdefault(match["sequence"].lower(), []).append((int(match["frame"]), path, match))
        else:
            problems.append(Problem(path, f"the path is not of the form of the layout {layout}"))
    for frames in sequences.values():
        first, last = (choose(number for number, *_ in frames) for choose in (min, max))
        for number, path, match in sorted(frames, key=lambda frame: frame[:2]):
            shown = NEUTRAL if number == first else expression(match) if number == last else None
            if shown:
                found[path] = Labels(match["subject"].upper(), shown)
            else:
                problems.append(Problem(path, UNLABELLED if number == last else BETWEEN))
    return found, problems


def _name(path: str) -> str:
    return str(PurePosixPath(path).with_suffix(""))


def _expression_in_path(match: re.Match[str]) -> str:
    return canonical(match["word"])


def _stated_expressions(root: Path, others: Iterable[str]) -> Callable[[re.Match[str]], str | None]:
    """Return what gives the expression of the last frame of a sequence of CK+; None where none is stated."""
    files = {
        PurePosixPath(path).stem.lower().removesuffix(_EMOTION): root / path
        for path in others
        if _name(path).lower().endswith(_EMOTION)
    }

    def expression(match: re.Match[str]) -> str | None:
        file = files.get(f"{match['name']}_{match['frame']}".lower())
        return _ck_plus_expression(file) if file else None

    return expression


def _ck_plus_expression(file: Path) -> str | None:
    """Return what the number in a file such as ``S005_001_00000011_emotion.txt`` means; None where none."""
    try:
        return CK_PLUS_CODES.get(float(read_limited(file, 1024, "it holds one number").decode()))
    except (OSError, ValueError):
        return None
