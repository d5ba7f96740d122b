"""What ``bench score`` compares sets with: a folder of real images, or statistics of one, computed before."""

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

Known = NDArray[np.float32] | Gaussian
"""(M, d) features of references, or statistics of them."""

OF_IMAGES = ("fid", "kid")
OF_STATISTICS = ("fid",)


@dataclass(frozen=True)
class GivenReferences:
    """A folder with its ``images``, or a file of statistics, which has none."""

    path: Path
    images: Sequence[Path] = ()

    @classmethod
    def at(cls, path: Path) -> GivenReferences:
        """Those of a folder, or of an ``.npz`` such as pytorch-fid writes.

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
        """Plain names of the metrics that can be computed from them."""
        return OF_IMAGES if self.images else OF_STATISTICS

    @cached_property
    def digests(self) -> Mapping[Path, str]:
        """The sha256 of each file."""
        return {path: file_digest(path) for path in self.images or [self.path]}

    @property
    def digest(self) -> str:
        """sha256 over the contents of all files, whatever their names."""
        return hashlib.sha256(repr(sorted(self.digests.values())).encode()).hexdigest()

    def known(self, scorer: Scorer) -> Mapping[str, Known]:
        """What each network of the scorer's set metrics has seen of them, by the network's name.

        Raises:
            ImageError: an image cannot be decoded.
            BenchError: the statistics cannot be read, or are another network's.
        """
        looking = scorer.of_sets
        if not self.images:
            cards = [network.card for network in looking.networks.values()]
            return {card.name: self._statistics(card, scorer.resolution) for card in cards}
        parts = []
        for start in range(0, len(self.images), SHARD):
            shard = self.images[start : start + SHARD]
            images = [resize(load_image(path), scorer.resolution) for path in shard]
            parts.append(looking.features(np.stack(images)))
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _statistics(self, card: FeatureExtractorCard, size: int) -> Gaussian:
        found = read_statistics(self.path, _identity(card, size))
        if len(found.mean) != card.dimension:
            raise DatasetError(
                f"{self.path} is of {len(found.mean)} dimensions; {card.name} gives {card.dimension}"
            )
        return found


def save(path: Path, known: Mapping[str, Known], scorer: Scorer) -> None:
    """Write the statistics of the references as an ``.npz`` that pytorch-fid reads too.

    Raises:
        DatasetError: it is not one network whose Fréchet distance was asked for.
    """
    cards = {m.network.card.name: m.network.card for m in scorer.set_metrics if m.card.id.startswith("fid@")}
    if len(cards) != 1:
        raise DatasetError(f"statistics are of one network; ask for one fid with --metric, not {len(cards)}")
    ((name, card),) = cards.items()
    write_statistics(path, known[name], _identity(card, scorer.resolution))


def _identity(card: FeatureExtractorCard, size: int) -> str:
    """What features have to share in order to compare."""
    return f"{card.name} {card.digest[:16]} ({card.preprocessing}) of images of {size} pixels"
