"""What is sent to the process of a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from fesbench.datasets.action_units import ExpressionUnits
from fesbench.datasets.workers import picklable

from ...core.contracts import Dataset, Edit, GeneratorCard, Inference, Sample

Kind = Literal["closed form", "cross-trained", "other"]
CLOSED_FORM: Kind = "closed form"
CROSS_TRAINED: Kind = "cross-trained"
OTHER: Kind = "other"


@dataclass(frozen=True)
class ModelRequest:
    """How to load a model.

    Attributes:
        model: The model spec.
        checkpoint: Weights to load, if any are given.
        labels: What is stated of the checkpoint's labels.
        native_size: What is stated of its image size.
        device: A torch device.
        inference: How the model's networks compute.
        seed: Of random choices.
        threads: The number of threads that torch uses.
        path: Where modules are imported from.
    """

    model: str
    checkpoint: str | None = None
    labels: tuple[str, ...] = ()
    native_size: int | None = None
    device: str = "cpu"
    inference: Inference = "float32"
    seed: int = 0
    threads: int = 1
    path: tuple[str, ...] = ()


class Loaded(NamedTuple):
    """A model that was loaded: its kind and card, and the data set that a cross-trained one learned from."""

    kind: Kind
    card: GeneratorCard
    data: str


class Prepared(NamedTuple):
    """A model prepared for a data set: its card there, and the sha256 of its fit where it was fitted."""

    card: GeneratorCard
    fit: str = ""


@dataclass(frozen=True)
class Preparation:
    """How to prepare a loaded model for a data set.

    Attributes:
        expressions: The expressions of the data set.
        resolution: The run's resolution in pixels.
        train: What a closed-form model is fitted on, with its images in memory; or what identifies the fold
            that a cross-trained one was trained on, None for all but the first.
        seed: Of the fit.
        units: Action units of the user's that drive the model, if there are any.
    """

    expressions: tuple[str, ...]
    resolution: int
    train: Dataset | None = None
    seed: int = 0
    units: ExpressionUnits | None = None


class NamedDataset(Dataset):
    """The name and the digest of a data set, without its samples."""

    def __init__(self, dataset: Dataset) -> None:
        self.name, self.split, self.expressions = dataset.name, dataset.split, dataset.expressions
        self._digest = dataset.digest

    def samples(self) -> Sequence[Sample]:
        """Return no samples."""
        return ()

    @property
    def digest(self) -> str:
        """The digest of the data set."""
        return self._digest


def portable(edits: Sequence[Edit]) -> list[Edit]:
    """Return edits, whose images are in memory, without annotations that cannot be sent."""
    return [
        replace(edit, source=_portable(edit.source), truth=_portable(edit.truth) if edit.truth else None)
        for edit in edits
    ]


def _portable(sample: Sample) -> Sample:
    return sample if picklable(sample.annotate) else replace(sample, annotate=None)
