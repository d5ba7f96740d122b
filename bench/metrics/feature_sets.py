"""Distances between sets of features: checks of their inputs, and the metric around a distance."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from ..core.contracts import FeatureExtractor, Floats, MetricCard, SetMetric
from ..core.errors import BenchError


def checked(features: NDArray[np.floating], what: str) -> Floats:
    """Return ``features`` as float64.

    Raises:
        BenchError: not a finite (N, d) array.
    """
    array = np.asarray(features, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise BenchError(f"{what} features have shape {array.shape}; give one row of features per image")
    if not np.isfinite(array).all():
        raise BenchError(f"{what} features hold values that are not finite; leave failed images out")
    return array


def checked_pair(features_a: NDArray[np.floating], features_b: NDArray[np.floating]) -> tuple[Floats, Floats]:
    """Return two sets of features of one network, as float64.

    Raises:
        BenchError: the shapes do not fit, a set has fewer than two images, or a value is not finite.
    """
    a, b = checked(features_a, "the first"), checked(features_b, "the second")
    if a.shape[1] != b.shape[1]:
        raise BenchError(f"features of different networks: {a.shape[1]} against {b.shape[1]} dimensions")
    if min(len(a), len(b)) < 2:
        raise BenchError(f"a distance of sets needs two images or more, not {min(len(a), len(b))}")
    return a, b


class SetDistance(SetMetric):
    """A distance between the features of outputs and of reference images.

    Attributes:
        name: The id before the ``@``.
        title: Full name.
        low: Smallest value.
        unit: Unit.
        meaning: See ``MetricCard``.

    Args:
        network: Computes the features.
        backend: The name after the ``@``.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    low: ClassVar[float]
    unit: ClassVar[str]
    meaning: ClassVar[str]

    def __init__(self, network: FeatureExtractor, backend: str) -> None:
        self.network = network
        identifier = f"{self.name}@{backend}"
        self.card = MetricCard(
            id=identifier,
            title=f"{self.title} ({backend})",
            direction="lower",
            low=self.low,
            high=float("inf"),
            unit=self.unit,
            meaning=self.meaning,
            columns=(identifier,),
        )

    @staticmethod
    @abstractmethod
    def distance(outputs: Any, references: Any, /) -> float:
        """Return the distance of (N, d) features to those of references."""

    @staticmethod
    @abstractmethod
    def subset_distances(outputs: Any, references: Any, subsets: NDArray[np.bool_], /) -> Floats:
        """Return (K,) distances: of each subset (K, N) of (N, d) features to those of references."""

    def compute(self, outputs: NDArray[np.float32], references: Any) -> float:
        """Return the distance of (N, d) features to references, in any form that ``distance`` accepts."""
        return self.distance(outputs, references)

    def on_subsets(self, outputs: NDArray[np.float32], references: Any, subsets: NDArray[np.bool_]) -> Floats:
        """Return the (K,) distances of the subsets (K, N) of (N, d) features."""
        return self.subset_distances(outputs, references, subsets)
