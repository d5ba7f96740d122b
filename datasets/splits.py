"""Splits of subjects into train, val and test by a seeded hash of their names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Literal, get_args

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.core.names import composed
from fesbench.core.plurals import counted

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
SPLITS = (*PARTS, "all")

SPLIT_FOLDERS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Names of folders and cells that state a split."""

TRAIN_SHARE, VAL_SHARE = 0.7, 0.1
"""Shares of the subjects; the rest is the test split."""


def position(subject: str, seed: int) -> float:
    """Return a number in [0, 1) that depends on the subject and the seed alone, uniform over subjects."""
    digest = hashlib.sha256(f"{seed}\n{composed(subject)}".encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def split_of(subject: str, seed: int = 0) -> Part:
    """Return the split of a subject; it depends on the subject and the seed alone."""
    share = position(subject, seed)
    if share < TRAIN_SHARE:
        return "train"
    return "val" if share < TRAIN_SHARE + VAL_SHARE else "test"


def check_split(name: str) -> str:
    """Return ``name`` if it is a split.

    Raises:
        UnknownName: it is none of train, val, test, all.
    """
    if name not in SPLITS:
        raise UnknownName("split", name, SPLITS)
    return name


def subject_folds(subjects: Iterable[str], count: int, seed: int) -> list[tuple[str, ...]]:
    """Return disjoint folds that together hold every subject once; their sizes differ by at most one.

    Raises:
        DatasetError: there are fewer subjects than folds.
    """
    order = shuffled(subjects, seed)
    if not 0 < count <= len(order):
        raise DatasetError(
            f"{counted(len(order), 'subject')} cannot be put into {counted(count, 'fold')}; ask for fewer"
        )
    return [tuple(order[start::count]) for start in range(count)]


def shuffled(subjects: Iterable[str], seed: int) -> list[str]:
    """Return the distinct subjects in an order that depends on their names and the seed alone."""
    return sorted(set(subjects), key=lambda subject: (position(subject, seed), subject))
