"""Generators trained in folds: one for each part of a data set's subjects, trained on all other subjects.

``NAME.folds.json`` lists the checkpoints, in the folder of the file or below, and the data of each training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from pydantic import TypeAdapter, ValidationError

from ..core.contracts import Dataset, Generator, GeneratorCard
from ..core.errors import BenchError, CheckpointError
from ..core.files import file_digest, read_limited, write_text
from ..core.plurals import counted

SUFFIX = ".folds.json"
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Fold:
    """A checkpoint: its path relative to the list, its sha256, and the digest of its training data."""

    checkpoint: str
    sha256: str
    data_digest: str


@dataclass(frozen=True)
class FoldList:
    """Content of a list: the name of the data set, and the checkpoint of each fold."""

    data: str
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class CrossTrained:
    """A generator for each fold of a data set.

    Attributes:
        card: Of all members; it names the data set and the number of folds.
        data: Name of the data set.
        members: Generator by the digest of its training data. A run that splits the data set in the same way
            finds the generator that has not seen the subjects of a fold.
    """

    card: GeneratorCard
    data: str
    members: Mapping[str, Generator]

    def trained_on(self, train: Dataset) -> Generator:
        """Return the generator that was trained on exactly ``train``.

        Raises:
            BenchError: there is none.
        """
        if train.digest not in self.members:
            folds = counted(len(self.members), "fold")
            raise BenchError(
                f"{self.card.name} was trained on {folds} of {self.data}, and none of them is what this run "
                f"would train on ({train.name}, {train.split}): the data set, its content and --folds must "
                "be those of the training, and --seed must be 0"
            )
        return self.members[train.digest]

    def without_first_fold(self) -> Generator:
        """Return the generator trained on all people but the first fold, for data sets that none has seen."""
        return next(iter(self.members.values()))

    def to(self, device: str) -> Self:
        """Move all generators to a device."""
        for member in self.members.values():
            member.to(device)
        return self


def write_folds(path: Path, data: str, checkpoints: Mapping[str, Path]) -> None:
    """Write a list of folds, atomically.

    Args:
        path: Must end in ``.folds.json``; the checkpoints lie in its folder or below.
        data: Name of the data set.
        checkpoints: Path of each checkpoint by the digest of its training data.
    """
    folds = [
        Fold(file.relative_to(path.parent).as_posix(), file_digest(file), digest)
        for digest, file in checkpoints.items()
    ]
    write_text(path, json.dumps(asdict(FoldList(data, tuple(folds))), indent=2) + "\n")


def read_folds(path: Path, load: Callable[[Path], Generator]) -> CrossTrained:
    """Load all checkpoints of a list, each with ``load``.

    Raises:
        CheckpointError: the list is damaged, or a checkpoint is missing, changed, or of another model.
    """
    listed = _listed(path)
    members = {fold.data_digest: load(_checkpoint(path, fold)) for fold in listed.folds}
    first = next(iter(members.values()))
    trained_on = f"{listed.data}, {len(members)} subject-disjoint folds"
    return CrossTrained(replace(first.card, trained_on=trained_on), listed.data, members)


def _listed(path: Path) -> FoldList:
    try:
        content = read_limited(path, MAX_BYTES, "give the list of folds that training wrote")
        listed = TypeAdapter(FoldList).validate_json(content)
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise CheckpointError(f"{path} is no list of folds: {error}; train again with --folds") from error
    if not listed.folds:
        raise CheckpointError(f"{path} lists no folds; train again with --folds")
    if len({fold.data_digest for fold in listed.folds}) < len(listed.folds):
        raise CheckpointError(f"{path} lists two networks that saw the same people; train again with --folds")
    return listed


def _checkpoint(path: Path, fold: Fold) -> Path:
    file = (path.parent / fold.checkpoint).resolve()
    if not file.is_relative_to(path.parent.resolve()):
        raise CheckpointError(f"{path} names {fold.checkpoint}, which lies outside its folder")
    if not file.is_file() or file_digest(file) != fold.sha256:
        raise CheckpointError(
            f"{file} is missing or not the file that {path.name} lists; copy the whole folder again"
        )
    return file
