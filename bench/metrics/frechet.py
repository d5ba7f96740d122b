"""Fréchet distance between feature sets, exactly and fast, from mergeable float64 statistics.

For Gaussians fitted to two feature sets the squared distance is
``|m_a - m_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2)`` (Dowson and Landau 1982; Heusel et al. 2017).
Any factors with ``F^T F = S`` give ``tr (S_a S_b)^(1/2)`` as the nuclear norm of ``F_a F_b^T``. With fewer
images than dimensions the centred features themselves are such factors, so a small matrix replaces the
d x d matrix square root of the usual programs, and nothing depends on ``scipy.linalg.sqrtm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import BenchError
from .feature_sets import Floats, SetDistance, checked, checked_pair


@dataclass
class FeatureStatistics:
    """Count, mean and scatter of the features of a set of images, in float64.

    Statistics of shards merge to those of the whole set (Chan, Golub and LeVeque 1979), in any order up
    to rounding. ``scatter`` is the sum of outer products about the mean: (d, d).
    """

    n: int
    mean: Floats
    scatter: Floats

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> FeatureStatistics:
        """Statistics of (N, d) features; N may be 0."""
        array = checked(features, "the")
        mean = array.mean(axis=0) if len(array) else np.zeros(array.shape[1])
        centred = array - mean
        return cls(len(array), mean, centred.T @ centred)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> FeatureStatistics:
        """What ``arrays`` gave."""
        return cls(int(arrays["n"]), np.asarray(arrays["mean"]), np.asarray(arrays["scatter"]))

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """The statistics as arrays, for a file."""
        return {"n": np.array(self.n), "mean": self.mean, "scatter": self.scatter}

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """Statistics of both sets together."""
        n = self.n + other.n
        shift = other.mean - self.mean
        share = other.n / n if n else 0.0
        scatter = self.scatter + other.scatter + self.n * share * np.outer(shift, shift)
        return FeatureStatistics(n, self.mean + share * shift, scatter)

    def update(self, features: NDArray[np.floating]) -> FeatureStatistics:
        """Statistics with the images behind (N, d) ``features`` added."""
        return self.merge(FeatureStatistics.of(features))

    def distance(self, other: FeatureStatistics) -> float:
        """The squared Fréchet distance to ``other``; both need two images or more."""
        return _distance(self.mean, _root(self), other.mean, _root(other))


def frechet_distance(features_a: NDArray[np.floating], features_b: NDArray[np.floating]) -> float:
    """The squared Fréchet distance (the "FID" of its features) between two feature sets.

    Equal to what ``pytorch_fid`` computes from the same features (covariances with ``ddof=1``), without
    its rounding error where there are fewer images than dimensions.

    Args:
        features_a: (N, d), N >= 2.
        features_b: (M, d), M >= 2.

    Returns:
        The distance, 0 for equal statistics and never negative.

    Raises:
        BenchError: the shapes do not fit, a set has fewer than two images, or a value is not finite.
    """
    a, b = checked_pair(features_a, features_b)
    return _distance(a.mean(axis=0), _factor(a), b.mean(axis=0), _factor(b))


def _factor(features: Floats) -> Floats:
    """(k, d) F with F^T F the covariance, k = min(N, d)."""
    n, dimension = features.shape
    if n < dimension:
        centred: Floats = (features - features.mean(axis=0)) / np.sqrt(n - 1)
        return centred
    return _root(FeatureStatistics.of(features))


def _root(statistics: FeatureStatistics) -> Floats:
    """(d, d) F with F^T F the covariance, by its eigenvectors."""
    if statistics.n < 2:
        raise BenchError(f"a covariance needs two images or more, not {statistics.n}")
    values, vectors = np.linalg.eigh(statistics.scatter / (statistics.n - 1))
    root: Floats = np.sqrt(np.clip(values, 0, None))[:, None] * vectors.T
    return root


def _distance(mean_a: Floats, factor_a: Floats, mean_b: Floats, factor_b: Floats) -> float:
    shift = mean_a - mean_b
    cross = np.linalg.svd(factor_a @ factor_b.T, compute_uv=False).sum()
    squared = shift @ shift + (factor_a**2).sum() + (factor_b**2).sum() - 2 * cross
    return max(float(squared), 0.0)


class FrechetDistance(SetDistance):
    """Fréchet distance of the outputs' features to those of real images."""

    name, title, low, unit = "fid", "Fréchet distance", 0.0, "squared feature distance"
    meaning = (
        "How far the outputs as a set are from real images of other subjects; biased upwards in small sets, "
        "so compare at equal numbers of images only, beside KID."
    )

    def compute(self, outputs: NDArray[np.float32], references: NDArray[np.float32]) -> float:
        """The squared Fréchet distance between (N, d) and (M, d) features."""
        return frechet_distance(outputs, references)
