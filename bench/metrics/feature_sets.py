"""What distances between sets of features share: which sets can be compared, and the metric around them."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import NDArray

from ..core.contracts import MetricCard, Network, SetMetric
from ..core.errors import BenchError

Floats = NDArray[np.float64]


def checked(features: NDArray[np.floating], what: str) -> Floats:
    """``features`` as float64.

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
    """Two sets of features of one network, as float64.

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
    """A distance between the features of outputs and of real images; subclasses say which.

    Args:
        network: Gives the features.
        backend: The name after the ``@``.
    """

    name: str
    title: str
    low: float
    unit: str
    meaning: str

    def __init__(self, network: Network, backend: str) -> None:
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

    @abstractmethod
    def compute(self, outputs: NDArray[np.float32], references: NDArray[np.float32]) -> float:
        """The distance between (N, d) and (M, d) features."""
