"""The data of a training: images to learn from, and subjects that are kept out of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

from torch import Tensor

from fesbench.datasets.registry import load_dataset
from fesbench.datasets.selection import folds, select_subjects

from ..core.contracts import Dataset
from ..generators.registered_inputs import RegisteredPairs, mean_frame
from ..generators.registration import Registration
from ..generators.training_data import TrainingImages, load_images, preview_images
from .progress import Note

FRAME = 128
"""Pixels of the frame that faces are registered to before they are resized, if they are not larger."""


class LoadedSplit(NamedTuple):
    """A split of a data set at one resolution R.

    Attributes:
        train: What is learned from.
        images: The same, in memory, registered where that was asked for.
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


def train_split(data: str, note: Note, registered: bool = False) -> Load:
    """Return the loader of a data set's train split, with the subjects of its validation split as unseen.

    Args:
        data: Name or folder of the data set.
        note: Receives a line when images are loaded, and one for each image that cannot be read.
        registered: Whether to register the faces of its pairs, as a run does with the same train split.
    """
    loaded = _registered if registered else _loaded

    def load(resolution: int) -> LoadedSplit:
        return loaded(load_dataset(data, split="train"), load_dataset(data, split="val"), note, resolution)

    return cache(load)


def training_folds(data: str, count: int, note: Note, registered: bool = False) -> list[Fold]:
    """Cut a data set into the folds of a run with ``count`` folds and seed 0.

    Args:
        data: Name or folder of the data set.
        count: At least 2.
        note: See ``train_split``.
        registered: See ``train_split``.
    """
    loaded = _registered if registered else _loaded
    everyone = load_dataset(data, split="all")
    parts = []
    for number, (held_out, rest) in enumerate(folds(everyone, count, seed=0), 1):
        rest.split = f"all but fold {number} of {count}"
        unseen = select_subjects(everyone, held_out)
        parts.append(Fold(held_out, cache(partial(loaded, rest, unseen, note))))
    return parts


def _loaded(train: Dataset, unseen: Dataset, note: Note, resolution: int) -> LoadedSplit:
    note(f"loading {train.name} ({train.split}) …")
    images = load_images(train, resolution)
    for problem in images.problems:
        note(f"left out {problem.path}: {problem.reason}")
    return LoadedSplit(train, images, unseen, preview_images(unseen, resolution))


def _registered(train: Dataset, unseen: Dataset, note: Note, resolution: int) -> LoadedSplit:
    """Return the same with the faces of the pairs registered to the frame of the training set."""
    note(f"registering {train.name} ({train.split}) …")
    registration = Registration(mean_frame(train), max(FRAME, resolution))
    pairs = RegisteredPairs(train, registration)
    loaded = _loaded(pairs, RegisteredPairs(unseen, registration), note, resolution)
    return loaded._replace(train=train, unseen=unseen, images=loaded.images._replace(registered=pairs.digest))
