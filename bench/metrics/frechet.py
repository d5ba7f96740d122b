"""Fréchet distance between feature sets, exactly and fast, from mergeable float64 statistics.

For Gaussians fitted to two feature sets the squared distance is
``|m_a - m_b|^2 + tr S_a + tr S_b - 2 tr (S_a S_b)^(1/2)`` (Dowson and Landau 1982; Heusel et al. 2017).
Any factors with ``F^T F = S`` give ``tr (S_a S_b)^(1/2)`` as the nuclear norm of ``F_a F_b^T``. With fewer
images than dimensions the centred features themselves are such factors, so a small matrix replaces the
d x d matrix square root of the usual programs. With more, the trace is the sum of the roots of the
eigenvalues of ``S_a S_b``, which are those of the symmetric ``U S_a U^T`` with the Cholesky factor U of
``S_b``. Nothing depends on ``scipy.linalg.sqrtm``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg.lapack import dsygst

from ..core.arrays import read_arrays
from ..core.contracts import Floats
from ..core.errors import BenchError
from ..core.files import written_whole
from .feature_sets import SetDistance, checked, checked_pair

READ = ("mu", "sigma", "count", "network")
"""Members of a file of statistics that are read."""

LARGEST = 2**30
"""Bytes that a file of statistics may unfold to: enough for 11,000 dimensions."""


@dataclass(frozen=True, eq=False)
class Gaussian:
    """A normal distribution: its mean (d,), and one of two forms of its covariance.

    Attributes:
        mean: (d,).
        rows: (k, d) with ``rows^T rows`` the covariance; None where the covariance itself is known.
        known: The covariance (d, d); None where ``rows`` are known.
        count: How many images it was fitted to, 0 where that is not known.
        network: What identifies the network of its features; empty where a file of statistics names none.
    """

    mean: Floats
    rows: Floats | None = None
    known: Floats | None = None
    count: int = 0
    network: str = ""

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
        return cls(mean, rows=(array - mean) / np.sqrt(n - 1), count=n)

    @cached_property
    def covariance(self) -> Floats:
        """(d, d)."""
        if self.known is not None:
            return self.known
        covariance: Floats = self.factor.T @ self.factor
        return covariance

    @cached_property
    def factor(self) -> Floats:
        """(k, d) F with F^T F the covariance, k its rank or a little more."""
        if self.rows is not None:
            return self.rows
        if self.cholesky is not None:
            return self.cholesky
        values, vectors = np.linalg.eigh(self.covariance)
        kept = values > _noise(self.covariance)
        factor: Floats = np.sqrt(values[kept])[:, None] * vectors[:, kept].T
        return factor

    @cached_property
    def cholesky(self) -> Floats | None:
        """(d, d) upper triangular U with U^T U the covariance; None where that is singular or not known."""
        if self.known is None:
            return None
        try:
            lower = np.asarray(np.linalg.cholesky(self.known), np.float64)
        except np.linalg.LinAlgError:
            return None
        return lower.T if (np.diag(lower) ** 2).min() > _noise(self.known) else None

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
        squared = shift @ shift + self._spread + other._spread - 2 * self._cross(other)
        return max(float(squared), 0.0)

    @property
    def _spread(self) -> float:
        """The trace of the covariance."""
        return float(np.trace(self.known) if self.known is not None else (self.factor**2).sum())

    def _cross(self, other: Gaussian) -> float:
        """``tr (S_a S_b)^(1/2)``."""
        if self.known is not None and other.cholesky is not None:
            values = _product_eigenvalues(self.known, other.cholesky)
            # zeros that are only nearly so must not add up, so a singular covariance goes the other way
            if values[0] > _noise(values) or self.cholesky is not None:
                return float(np.sqrt(np.clip(values, 0, None)).sum())
        return float(np.linalg.svd(self.factor @ other.factor.T, compute_uv=False).sum())


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

    def merge(self, other: FeatureStatistics) -> FeatureStatistics:
        """Statistics of both sets together."""
        n = self.n + other.n
        shift = other.mean - self.mean
        share = other.n / n if n else 0.0
        scatter = self.scatter + other.scatter + self.n * share * np.outer(shift, shift)
        return FeatureStatistics(n, self.mean + share * shift, scatter)

    def gaussian(self) -> Gaussian:
        """The normal distribution with these statistics.

        Raises:
            BenchError: they are of fewer than two images.
        """
        if self.n < 2:
            raise BenchError(f"a covariance needs two images or more, not {self.n}")
        return Gaussian(self.mean, known=self.scatter / (self.n - 1), count=self.n)


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
    return _fitted(features_a).distance(_fitted(features_b))


def subset_distances(
    features: NDArray[np.floating], reference: NDArray[np.floating] | Gaussian, subsets: NDArray[np.bool_]
) -> Floats:
    """The squared Fréchet distances of many subsets of one feature set to the same reference.

    With at most as many images as dimensions, products between all images are made once; each subset then
    takes the eigenvalues of a centred part of them, whatever the dimension.

    Args:
        features: (N, d).
        reference: (M, d), M >= 2, or statistics.
        subsets: (K, N), two images or more in each row.

    Returns:
        (K,) distances, equal to ``frechet_distance`` on each subset up to rounding.

    Raises:
        BenchError: the shapes do not fit, or a value is not finite.
    """
    goal, array = _fitted(reference), checked(features, "the")
    if array.shape[1] != len(goal.mean):
        raise BenchError(
            f"features of different networks: {array.shape[1]} against {len(goal.mean)} dimensions"
        )
    if len(array) > len(goal.mean):
        return np.array([Gaussian.of(array[subset]).distance(goal) for subset in subsets])
    shifted = array - goal.mean
    projected = shifted @ goal.factor.T
    products, spread = (shifted @ shifted.T, projected @ projected.T), float((goal.factor**2).sum())
    parts = ([product[np.ix_(subset, subset)] for product in products] for subset in subsets)
    return np.array([_from_products(inner, through, spread) for inner, through in parts])


def _from_products(inner: Floats, through: Floats, spread: float) -> float:
    """The distance of n images to a reference, from their products about the reference's mean.

    Args:
        inner: (n, n) ``x_i . x_j``.
        through: (n, n) ``x_i S x_j`` with the reference's covariance S.
        spread: The trace of S.
    """
    n, means = len(inner), through.mean(axis=0)
    shift = inner.mean()
    own = (np.trace(inner) - n * shift) / (n - 1)
    squares = np.linalg.eigvalsh(through - means - means[:, None] + means.mean()) / (n - 1)
    cross = np.sqrt(squares[squares > _noise(squares)]).sum()
    return max(float(shift + own + spread - 2 * cross), 0.0)


def _fitted(side: NDArray[np.floating] | Gaussian) -> Gaussian:
    return side if isinstance(side, Gaussian) else Gaussian.of(side)


def read_statistics(path: Path | str, network: str = "") -> Gaussian:
    """Statistics of a set of images as pytorch-fid writes them: an ``.npz`` of ``mu`` and ``sigma``.

    Args:
        path: The file. Files of ``write_statistics`` also hold the number of images and the network; further
            arrays are ignored.
        network: What identifies the network that they are to be compared through; empty takes any.

    Raises:
        BenchError: the file is missing or damaged, holds no statistics, or names another network.
    """
    try:
        stored = read_arrays(path, LARGEST, READ)
        mean, covariance = (stored[name].astype(np.float64, casting="same_kind") for name in ("mu", "sigma"))
        count = max(int(_single(stored, "count", "iuf", 0)), 0)
        made_by = str(_single(stored, "network", "U", ""))
    except Exception as error:  # what a damaged archive raises has no common type
        raise BenchError(f"{path} cannot be read as statistics with mu and sigma: {error}") from error
    if network and made_by and made_by != network:
        raise BenchError(f"{path} holds statistics through {made_by}, not {network}: they do not compare")
    if mean.ndim != 1 or not len(mean) or covariance.shape != (len(mean), len(mean)):
        raise BenchError(f"{path}: mu has shape {mean.shape} and sigma {covariance.shape}")
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise BenchError(f"{path} holds values that are not finite")
    if np.diag(covariance).min() < 0 or not np.allclose(covariance, covariance.T):
        raise BenchError(f"{path}: sigma is no covariance, which is symmetric and without negative variances")
    return Gaussian(mean, known=covariance, count=count, network=made_by)


def _single(stored: Mapping[str, NDArray[Any]], name: str, kinds: str, default: Any) -> Any:
    """Return the value of an array of one, or ``default`` where none of this name and type is stored."""
    values = stored[name] if name in stored else np.empty(0)
    return values.item() if values.size == 1 and values.dtype.kind in kinds else default


def write_statistics(path: Path | str, features: NDArray[np.floating] | Gaussian, network: str = "") -> None:
    """Write the statistics of (N, d) features, N >= 2, as an ``.npz`` that pytorch-fid reads.

    Args:
        path: The file.
        features: The features, or statistics.
        network: What identifies the network that gave them; ``read_statistics`` compares it.

    Raises:
        BenchError: the features are unusable, or the file cannot be written.
    """
    fitted = _fitted(features)
    with written_whole(Path(path)) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file, mu=fitted.mean, sigma=fitted.covariance, count=fitted.count, network=network
        )


def _noise(values: Floats) -> float:
    """What rounding makes of a zero among eigenvalues (d,), or among those of a matrix (d, d)."""
    return float(np.finfo(np.float64).eps * len(values) * np.abs(values).max(initial=0.0))


def _product_eigenvalues(covariance: Floats, upper: Floats) -> Floats:
    """(d,) eigenvalues, ascending, of a covariance times ``upper^T upper``: those of ``upper S upper^T``.

    LAPACK's ``sygst`` reduces the product to one symmetric matrix by as many operations as one product of
    matrices takes.
    """
    reduced, _ = dsygst(covariance.T, upper, itype=2, lower=0)
    return np.asarray(np.linalg.eigvalsh(reduced, UPLO="U"), np.float64)


class FrechetDistance(SetDistance):
    """Fréchet distance of the outputs' features to those of reference images, or to their statistics."""

    name, title, low, unit = "fid", "Fréchet distance", 0.0, "squared feature distance"
    meaning = (
        "How far the outputs as a set are from real images of other subjects; biased upwards in small sets, "
        "so compare at equal numbers of images only, beside KID."
    )

    distance = staticmethod(frechet_distance)
    subset_distances = staticmethod(subset_distances)
