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

CK_PLUS_CODES = (
    NEUTRAL, "angry", "contemptuous", "disgusted", "fearful", "happy", "sad", "surprised",
)  # fmt: skip
"""Meaning of the numbers in CK+'s files ``Emotion/S005/001/S005_001_00000011_emotion.txt``."""

BETWEEN = "a frame between the neutral one and the peak"
UNLABELLED = "the peak of a sequence without a file …_emotion.txt, as most of CK+ are"

_CK_PLUS = re.compile(r"(?P<sequence>(?P<subject>S\d{3})_\d{3})_(?P<frame>\d{8})", re.IGNORECASE)
_OULU_CASIA = re.compile(
    r"(?P<sequence>(.*/)?(?P<subject>P\d{3})/(?P<word>anger|disgust|fear|happiness|sadness|surprise))"
    r"/(?P<frame>\d{3})",
    re.IGNORECASE,
)

Found = tuple[dict[str, Labels], list[Problem]]
"""Path to labels, and the images without."""


def is_ck_plus(images: Sequence[str], others: Iterable[str]) -> bool:
    """Return whether images are named as CK+'s are, and an ``…_emotion.txt`` is among the other files."""
    named = bool(images) and all(_CK_PLUS.fullmatch(PurePosixPath(path).stem) for path in images)
    return named and any(path.lower().endswith("_emotion.txt") for path in others)


def is_oulu_casia(images: Sequence[str], others: Iterable[str]) -> bool:
    """Return whether all images lie in paths of Oulu-CASIA: ``…/P001/Anger/000.jpeg``."""
    del others
    return bool(images) and all(
        _OULU_CASIA.fullmatch(str(PurePosixPath(path).with_suffix(""))) for path in images
    )


def ck_plus(root: Path, images: Sequence[str], others: Iterable[str]) -> Found:
    """Return labels of ``cohn-kanade-images/S005/001/S005_001_00000011.png`` by the files of ``Emotion``."""
    stated = {
        PurePosixPath(path).stem.upper().removesuffix("_EMOTION"): path
        for path in others
        if path.lower().endswith("_emotion.txt")
    }

    def expression(match: re.Match[str]) -> str | None:
        file = stated.get(match[0].upper())
        return _ck_plus_expression(root / file) if file else None

    stems = {path: PurePosixPath(path).stem for path in images}
    return _of_sequences(stems, _CK_PLUS, expression, UNLABELLED)


def oulu_casia(root: Path, images: Sequence[str], others: Iterable[str]) -> Found:
    """Return labels of ``VL/Strong/P001/Anger/000.jpeg``; light and camera belong to the sequence."""
    del root, others
    stems = {path: str(PurePosixPath(path).with_suffix("")) for path in images}
    return _of_sequences(stems, _OULU_CASIA, lambda match: canonical(match["word"]), "")


LABELLERS: Mapping[str, Callable[[Path, Sequence[str], Iterable[str]], Found]] = {
    "ck-plus": ck_plus,
    "oulu-casia": oulu_casia,
}
RECOGNISED: Mapping[str, Callable[[Sequence[str], Iterable[str]], bool]] = {
    "ck-plus": is_ck_plus,
    "oulu-casia": is_oulu_casia,
}


def _of_sequences(
    names: Mapping[str, str],
    regex: re.Pattern[str],
    expression: Callable[[re.Match[str]], str | None],
    unlabelled: str,
) -> Found:
    """Label the first and the last frame of each sequence; everything else is a problem with its reason."""
    found: dict[str, Labels] = {}
    problems = []
    sequences: dict[str, dict[int, tuple[str, re.Match[str]]]] = {}
    for path, name in names.items():
        if match := regex.fullmatch(name):
            sequences.setdefault(match["sequence"].upper(), {})[int(match["frame"])] = path, match
        else:
            problems.append(Problem(path, "the name is not of the form of this layout"))
    for frames in sequences.values():
        first, last = min(frames), max(frames)
        for number, (path, match) in sorted(frames.items()):
            shown = NEUTRAL if number == first else expression(match) if number == last else None
            if shown:
                found[path] = Labels(match["subject"].upper(), shown)
            else:
                problems.append(Problem(path, unlabelled if number == last else BETWEEN))
    return found, problems


def _ck_plus_expression(file: Path) -> str | None:
    """Return what the number in a file such as ``S005_001_00000011_emotion.txt`` means; None where none."""
    try:
        return CK_PLUS_CODES[int(float(read_limited(file, 1024, "it holds one number").decode()))]
    except (OSError, ValueError, IndexError, OverflowError):
        return None
