"""Generators trained in folds: one for each part of the people of a data set, which it has not seen.

``NAME.folds.json`` lists the checkpoints, in the folder of the file or below, and what each learned from.
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
from ..core.files import file_digest, write_text

SUFFIX = ".folds.json"
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Fold:
    """A checkpoint, by its path relative to the list and its sha256; ``data_digest`` is of what it saw."""

    checkpoint: str
    sha256: str
    data_digest: str


@dataclass(frozen=True)
class FoldList:
    """What a file holds: the name of the data set, and the folds that it was cut into."""

    data: str
    folds: tuple[Fold, ...]


@dataclass(frozen=True)
class CrossTrained:
    """A generator for each fold of a data set.

    ``members`` are known by the digest of the data that they were trained on, so that a run which cuts the
    data set itself finds the one that has not seen a subject, or none.
    """

    card: GeneratorCard
    data: str
    members: Mapping[str, Generator]

    def trained_on(self, train: Dataset) -> Generator:
        """The generator that learned from exactly ``train``.

        Raises:
            BenchError: there is none.
        """
        if train.digest not in self.members:
            raise BenchError(
                f"{self.card.name} was trained on {len(self.members)} folds of {self.data}, and none of them "
                f"is what this run would train on ({train.name}, {train.split}): the data set, its content "
                "and --folds must be those of the training, and --seed must be 0"
            )
        return self.members[train.digest]

    def to(self, device: str) -> Self:
        """Move all generators."""
        for member in self.members.values():
            member.to(device)
        return self


def write_folds(path: Path, data: str, checkpoints: Mapping[str, Path]) -> None:
    """Write the list, whole or not at all.

    Args:
        path: Must end in ``.folds.json``; the checkpoints lie in its folder or below.
        data: Name of the data set.
        checkpoints: By the digest of the data that each was trained on.
    """
    folds = [
        Fold(file.relative_to(path.parent).as_posix(), file_digest(file), digest)
        for digest, file in checkpoints.items()
    ]
    write_text(path, json.dumps(asdict(FoldList(data, tuple(folds))), indent=2) + "\n")


def read_folds(path: Path, load: Callable[[Path], Generator]) -> CrossTrained:
    """Load all checkpoints of a list, each by ``load``.

    Raises:
        CheckpointError: the list is damaged, or a checkpoint is missing, another file, or of another model.
    """
    listed = _listed(path)
    members = {fold.data_digest: load(_checkpoint(path, fold)) for fold in listed.folds}
    first = next(iter(members.values()))
    trained_on = f"{listed.data}, {len(members)} subject-disjoint folds"
    return CrossTrained(replace(first.card, trained_on=trained_on), listed.data, members)


def _listed(path: Path) -> FoldList:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise CheckpointError(f"{path} is larger than {MAX_BYTES} bytes, too large for a list of folds")
        listed = TypeAdapter(FoldList).validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
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
