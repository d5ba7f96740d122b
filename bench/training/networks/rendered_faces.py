"""Rendered faces as arrays, to train and measure the embedded networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FIELDS = ("images", "subject", "domain", "expression")


@dataclass(frozen=True, eq=False)
class Faces:
    """Faces and what they show.

    Attributes:
        images: (N, 3, side, side) uint8.
        subject: (N,) numbers; no two domains share one.
        domain: (N,) positions in ``DOMAINS``.
        expression: (N,) positions in ``EXPRESSIONS``.
    """

    images: NDArray[np.uint8]
    subject: NDArray[np.int64]
    domain: NDArray[np.int64]
    expression: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.images)

    def where(self, rows: NDArray[Any]) -> Faces:
        """Return the faces that a boolean or integer index selects."""
        return Faces(*(getattr(self, name)[rows] for name in FIELDS))

    def share(self, start: float, stop: float) -> Faces:
        """Return the faces of each domain's subjects from one fraction of their number to another."""
        chosen: list[NDArray[np.int64]] = []
        for domain in np.unique(self.domain):
            subjects = np.unique(self.subject[self.domain == domain])
            chosen.append(subjects[round(start * len(subjects)) : round(stop * len(subjects))])
        return self.where(np.isin(self.subject, np.concatenate(chosen)))

    def batch(self, rows: NDArray[Any] | Sequence[int]) -> Tensor:
        """Return images as (B, 3, side, side) float32 in [0, 1]."""
        return torch.from_numpy(self.images[rows]).float() / 255

    def save(self, path: Path) -> None:
        """Write one array file for each field into a new folder."""
        path.mkdir(parents=True)
        for name in FIELDS:
            np.save(path / f"{name}.npy", getattr(self, name))

    @classmethod
    def open(cls, path: Path) -> Faces:
        """Open what ``save`` wrote; images stay on disk until they are used."""
        return cls(*(np.load(path / f"{name}.npy", mmap_mode="r") for name in FIELDS))
