"""The data of a training: images to learn from, and subjects that are kept out of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

from torch import Tensor

from fesbench.datasets.registry import load_dataset
from fesbench.datasets.selection import folds, select_subjects

from ..core.contracts import Dataset
from ..generators.training_data import TrainingImages, load_images, preview_images
from .progress import Note


class LoadedSplit(NamedTuple):
    """A split of a data set at one resolution R.

    Attributes:
        train: What is learned from.
        images: The same, in memory.
        unseen: Subjects outside the training.
        preview: Neutral images of some of them, (N, 3, R, R) uint8.
    """

    train: Dataset
    images: TrainingImages
    unseen: Dataset
    preview: Tensor


Load = Callable[[int], LoadedSplit]
"""Loads a split at a resolution, once for each."""


class Fold(NamedTuple):
    """A part of the subjects of a data set that is held out, and the split that trains on all others."""

    held_out: frozenset[str]
    load: Load


def train_split(data: str, note: Note) -> Load:
    """Return the loader of a data set's train split, with the subjects of its validation split as unseen.

    Args:
        data: Name or folder of the data set.
        note: Receives a line when images are loaded, and one for each image that cannot be read.
    """

    def load(resolution: int) -> LoadedSplit:
        return _loaded(load_dataset(data, split="train"), load_dataset(data, split="val"), note, resolution)

    return cache(load)


def training_folds(data: str, count: int, note: Note) -> list[Fold]:
    """Cut a data set into the folds of a run with ``count`` folds and seed 0.

    Args:
        data: Name or folder of the data set.
        count: At least 2.
        note: See ``train_split``.
    """
    everyone = load_dataset(data, split="all")
    parts = []
    for number, (held_out, rest) in enumerate(folds(everyone, count, seed=0), 1):
        rest.split = f"all but fold {number} of {count}"
        unseen = select_subjects(everyone, held_out)
        parts.append(Fold(held_out, cache(partial(_loaded, rest, unseen, note))))
    return parts


def _loaded(train: Dataset, unseen: Dataset, note: Note, resolution: int) -> LoadedSplit:
    note(f"loading {train.name} ({train.split}) …")
    images = load_images(train, resolution)
    for problem in images.problems:
        note(f"left out {problem.path}: {problem.reason}")
    return LoadedSplit(train, images, unseen, preview_images(unseen, resolution))
