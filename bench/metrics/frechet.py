"""Fréchet distance between feature sets, exactly and fast, from mergeable float64 statistics.

For Gaussians fitted to two feature sets the squared distance is
``|m_a - m_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2)`` (Dowson and Landau 1982; Heusel et al. 2017).
Any factors with ``F^T F = S`` give ``tr (S_a S_b)^(1/2)`` as the nuclear norm of ``F_a F_b^T``. With fewer
images than dimensions the centred features themselves are such factors, so a small matrix replaces the
d x d matrix square root of the usual programs; with more, Cholesky factors do, and the nuclear norm follows
from the eigenvalues of a symmetric matrix. Nothing depends on ``scipy.linalg.sqrtm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import BenchError
from ..files import written_whole
from .feature_sets import Floats, SetDistance, checked, checked_pair


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution by its mean (d,) and a factor (k, d) of its covariance: ``F^T F = S``."""

    mean: Floats
    factor: Floats

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Gaussian:
        """Fitted to (N, d) features, N >= 2, with the covariance of ``ddof=1``.

        Raises:
            BenchError: fewer than two images, or a value that is not finite.
        """
        array = checked(features, "the")
        n, dimension = array.shape
        if n > dimension:
            return FeatureStatistics.of(array).gaussian()
        if n < 2:
            raise BenchError(f"a covariance needs two images or more, not {n}")
        mean = array.mean(axis=0)
        return cls(mean, (array - mean) / np.sqrt(n - 1))

    @classmethod
    def from_covariance(cls, mean: Floats, covariance: Floats) -> Gaussian:
        """From the mean (d,) and the covariance (d, d)."""
        return cls(mean, _root(covariance))

    @property
    def covariance(self) -> Floats:
        """(d, d)."""
        covariance: Floats = self.factor.T @ self.factor
        return covariance

    def distance(self, other: Gaussian) -> float:
        """The squared Fréchet distance to ``other``.

        Raises:
            BenchError: the dimensions differ.
        """
        if self.mean.shape != other.mean.shape:
            raise BenchError(
                f"statistics of different networks: {len(self.mean)} against {len(other.mean)} dimensions"
            )
        shift = self.mean - other.mean
        cross = _nuclear_norm(self.factor @ other.factor.T, len(self.mean))
        squared = shift @ shift + (self.factor**2).sum() + (other.factor**2).sum() - 2 * cross
        return max(float(squared), 0.0)


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

    def gaussian(self) -> Gaussian:
        """The normal distribution with these statistics.

        Raises:
            BenchError: they are of fewer than two images.
        """
        if self.n < 2:
            raise BenchError(f"a covariance needs two images or more, not {self.n}")
        return Gaussian.from_covariance(self.mean, self.scatter / (self.n - 1))

    def distance(self, other: FeatureStatistics) -> float:
        """The squared Fréchet distance to ``other``; both need two images or more."""
        return self.gaussian().distance(other.gaussian())


def frechet_distance(
    features_a: NDArray[np.floating] | Gaussian, features_b: NDArray[np.floating] | Gaussian
) -> float:
    """The squared Fréchet distance (the "FID" of its features) between two feature sets.

    Equal to what ``pytorch_fid`` computes from the same features (covariances with ``ddof=1``), without
    its rounding error where there are fewer images than dimensions.

    Args:
        features_a: (N, d), N >= 2, or statistics such as ``read_statistics`` gives.
        features_b: (M, d), M >= 2, or statistics.

    Returns:
        The distance, 0 for equal statistics and never negative.

    Raises:
        BenchError: the shapes do not fit, a set has fewer than two images, or a value is not finite.
    """
    if not isinstance(features_a, Gaussian) and not isinstance(features_b, Gaussian):
        features_a, features_b = checked_pair(features_a, features_b)
    a, b = (side if isinstance(side, Gaussian) else Gaussian.of(side) for side in (features_a, features_b))
    return a.distance(b)


def read_statistics(path: Path | str) -> Gaussian:
    """Statistics of a set of images as pytorch-fid writes them: an ``.npz`` of ``mu`` and ``sigma``.

    Raises:
        BenchError: the file is missing or is none of these.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            mean, covariance = (np.asarray(stored[name], np.float64) for name in ("mu", "sigma"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise BenchError(f"{path} cannot be read as statistics with mu and sigma: {error}") from error
    if mean.ndim != 1 or covariance.shape != (len(mean), len(mean)):
        raise BenchError(f"{path}: mu has shape {mean.shape} and sigma {covariance.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise BenchError(f"{path} holds values that are not finite")
    return Gaussian.from_covariance(mean, covariance)


def write_statistics(path: Path | str, features: NDArray[np.floating] | Gaussian) -> None:
    """Write the statistics of (N, d) features, N >= 2, as an ``.npz`` that pytorch-fid reads.

    Raises:
        BenchError: the features are unusable, or the file cannot be written.
    """
    gaussian = features if isinstance(features, Gaussian) else Gaussian.of(features)
    with written_whole(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, mu=gaussian.mean, sigma=gaussian.covariance)


def _root(covariance: Floats) -> Floats:
    """(k, d) F with F^T F the covariance, k its rank."""
    smallest = np.finfo(np.float64).eps * len(covariance) * np.abs(covariance).max(initial=0.0)
    try:
        lower = np.asarray(np.linalg.cholesky(covariance), np.float64)
    except np.linalg.LinAlgError:
        lower = np.zeros_like(covariance)
    if (np.diag(lower) ** 2).min() > smallest:
        return lower.T
    values, vectors = np.linalg.eigh(covariance)
    kept = values > smallest
    root: Floats = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
    return root


def _nuclear_norm(matrix: Floats, dimension: int) -> float:
    """The sum of singular values; of square matrices of full size by way of eigenvalues, which is faster."""
    if min(matrix.shape) < dimension:
        return float(np.linalg.svd(matrix, compute_uv=False).sum())
    squares = np.linalg.eigvalsh(matrix @ matrix.T)
    return float(np.sqrt(np.clip(squares, 0, None)).sum())


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
