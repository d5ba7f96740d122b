"""Subjects of a folder that may be one person: alike but for letter case, zeros, or in their very files.

Notes name images first, so that a text that is published can end before what names a person.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from fesbench.core.plurals import counted

from .inspection import Finding
from .manifest import Row

Pair = tuple[Row, Row]

_ZEROS = re.compile(r"(?<!\d)0+(?=\d)")
"""The zeros before a number."""


def in_one_spelling(rows: Iterable[Row]) -> tuple[list[Row], list[str]]:
    """Return rows whose subjects differ by more than letter case, and a note where some did not.

    The first spelling, in the order of the rows, is kept.
    """
    first: dict[str, Row] = {}
    spelt: list[Row] = []
    pairs: dict[str, Pair] = {}
    for row in rows:
        kept = first.setdefault(row.subject.casefold(), row)
        if kept.subject != row.subject:
            pairs.setdefault(kept.subject, (kept, row))
        spelt.append(row._replace(subject=kept.subject))
    return spelt, list(_noted(pairs.values(), "differ in letter case alone, and count as one"))


def alike_but_for_zeros(rows: Iterable[Row]) -> list[str]:
    """Return a note where subjects are equal up to the zeros before their numbers, such as s1 and s01."""
    first: dict[str, Row] = {}
    pairs: dict[str, Pair] = {}
    for row in rows:
        key = _ZEROS.sub("", row.subject)
        if first.setdefault(key, row).subject != row.subject:
            pairs.setdefault(key, (first[key], row))
    text = "differ in zeros before a number alone, and count as two; give one person one name"
    return list(_noted(pairs.values(), text))


def _noted(pairs: Iterable[Pair], text: str) -> Iterator[str]:
    shown = list(pairs)
    if shown:
        first, second = shown[0]
        yield (
            f"{counted(len(shown), 'name')} of people in two spellings: {first.path} shows {first.subject}, "
            f"{second.path} shows {second.subject}; the names {text}"
        )


def shared_files(rows: Sequence[Row], findings: Mapping[str, Finding]) -> list[str]:
    """Return a note where one file is an image of two subjects, byte for byte."""
    first: dict[str, Row] = {}
    pairs = []
    for row in rows:
        same = first.setdefault(findings[row.path].sha256, row)
        if same.subject != row.subject:
            pairs.append((same, row))
    if not pairs:
        return []
    one, other = pairs[0]
    return [
        f"{counted(len(pairs), 'image')} byte for byte the same as one of another subject: {one.path} "
        f"({one.subject}) and {other.path} ({other.subject}); remove one, or give both one subject, lest "
        "train and test share it"
    ]
