"""Reference images for ``bench score``: a folder of real images, or statistics that were computed of one."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fesbench.datasets.images import load_image, resize
from fesbench.datasets.pairs import listed

from ..core.contracts import SHARD, FeatureExtractorCard
from ..core.errors import DatasetError
from ..core.files import file_digest
from ..metrics.frechet import Gaussian, read_statistics, write_statistics
from .scorer import Scorer

ReferenceFeatures = NDArray[np.float32] | Gaussian
"""(M, d) features of reference images, or statistics of them."""

OF_IMAGES = ("fid", "kid")
OF_STATISTICS = ("fid",)


@dataclass(frozen=True)
class ReferenceImages:
    """The ``images`` of a folder; none where ``path`` is a file of statistics."""

    path: Path
    images: Sequence[Path] = ()

    @classmethod
    def at(cls, path: Path) -> ReferenceImages:
        """Find the images of a folder, or an ``.npz`` of statistics as pytorch-fid writes it.

        Raises:
            DatasetError: there is neither.
        """
        if path.suffix == ".npz":
            if not path.is_file():
                raise DatasetError(f"{path} is not a file of statistics")
            return cls(path)
        return cls(path, [path / name for name in listed(path)])

    @property
    def metrics(self) -> tuple[str, ...]:
        """The plain names of the metrics that can be computed with them."""
        return OF_IMAGES if self.images else OF_STATISTICS

    @cached_property
    def digests(self) -> Mapping[Path, str]:
        """The sha256 of each file."""
        return {path: file_digest(path) for path in self.images or [self.path]}

    @property
    def digest(self) -> str:
        """The sha256 over the contents of all files; their names do not matter."""
        return hashlib.sha256(repr(sorted(self.digests.values())).encode()).hexdigest()

    def caution(self) -> str:
        """Return what nothing can check about a file of statistics; empty for images.

        Raises:
            BenchError: the statistics cannot be read.
        """
        if self.images or read_statistics(self.path).network:
            return ""
        return (
            f"{self.path} does not name the network and the image size that its statistics were computed "
            "with: a distance to them counts only if both are the ones used here"
        )

    def features(self, scorer: Scorer) -> Mapping[str, ReferenceFeatures]:
        """Compute or read their features by each network of the scorer's set metrics.

        Raises:
            ImageError: an image cannot be decoded.
            BenchError: the statistics cannot be read, or are another network's.
        """
        of_sets = scorer.of_sets
        if not self.images:
            cards = [network.card for network in of_sets.networks.values()]
            return {card.name: self._statistics(card, scorer.resolution) for card in cards}
        parts = []
        for start in range(0, len(self.images), SHARD):
            shard = self.images[start : start + SHARD]
            images = [resize(load_image(path), scorer.resolution) for path in shard]
            parts.append(of_sets.features(np.stack(images)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _statistics(self, card: FeatureExtractorCard, size: int) -> Gaussian:
        found = read_statistics(self.path, _identity(card, size))
        if len(found.mean) != card.dimension:
            raise DatasetError(
                f"{self.path} is of {len(found.mean)} dimensions; {card.name} gives {card.dimension}"
            )
        return found


def save_statistics(path: Path, features: Mapping[str, ReferenceFeatures], scorer: Scorer) -> None:
    """Write the statistics of reference images as an ``.npz`` that pytorch-fid can read.

    Raises:
        DatasetError: not exactly one Fréchet distance was asked for.
    """
    cards = {m.network.card.name: m.network.card for m in scorer.set_metrics if m.card.id.startswith("fid@")}
    if len(cards) != 1:
        raise DatasetError(f"statistics are of one network; ask for one fid with --metric, not {len(cards)}")
    ((name, card),) = cards.items()
    write_statistics(path, features[name], _identity(card, scorer.resolution))


def _identity(card: FeatureExtractorCard, size: int) -> str:
    """Return what two sets of features must have in common to be compared."""
    return f"{card.name} {card.digest[:16]} ({card.preprocessing}) of images of {size} pixels"
