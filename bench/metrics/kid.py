"""Kernel distance: the unbiased squared maximum mean discrepancy of feature sets.

Binkowski et al. 2018 (arXiv 1801.01401): the kernel ``(x.y / d + 1)^3``. Their programs average it over
random subsets to bound memory; the whole sample, used here, estimates the same quantity without bias, with
less variance and without a seed.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..core.contracts import Floats
from .feature_sets import SetDistance, checked_pair


def kernel_distance(features_a: NDArray[np.floating], features_b: NDArray[np.floating]) -> float:
    """The unbiased squared maximum mean discrepancy between two feature sets.

    Args:
        features_a: (N, d), N >= 2.
        features_b: (M, d), M >= 2.

    Returns:
        An estimate whose expectation is 0 for sets of one distribution; single values may be negative.

    Raises:
        BenchError: the shapes do not fit, a set has fewer than two images, or a value is not finite.
    """
    a, b = checked_pair(features_a, features_b)
    return _within(a) + _within(b) - 2 * float(_kernel(a, b).mean())


def subset_kernel_distances(
    features: NDArray[np.floating], references: NDArray[np.floating], subsets: NDArray[np.bool_]
) -> Floats:
    """``kernel_distance`` of many subsets of one feature set to the same references.

    Args:
        features: (N, d).
        references: (M, d), M >= 2.
        subsets: (K, N), two images or more in each row.

    Returns:
        (K,) distances.

    Raises:
        BenchError: the shapes do not fit, a set has fewer than two images, or a value is not finite.
    """
    a, b = checked_pair(features, references)
    kernel, chosen = _kernel(a, a), subsets.astype(np.float64)
    np.fill_diagonal(kernel, 0)
    counts = chosen.sum(axis=1)
    within = ((chosen @ kernel) * chosen).sum(axis=1) / (counts * (counts - 1))
    between = chosen @ _kernel(a, b).mean(axis=1) / counts
    distances: Floats = within + _within(b) - 2 * between
    return distances


def _kernel(a: Floats, b: Floats) -> Floats:
    kernel: Floats = (a @ b.T / a.shape[1] + 1) ** 3
    return kernel


def _within(a: Floats) -> float:
    """The mean kernel over pairs of different images."""
    kernel, n = _kernel(a, a), len(a)
    return float((kernel.sum() - np.trace(kernel)) / (n * (n - 1)))


class KernelDistance(SetDistance):
    """Kernel distance of the outputs' features to those of reference images."""

    name, title, low, unit = "kid", "Kernel distance", -float("inf"), "squared kernel distance"
    meaning = (
        "How far the outputs as a set are from real images of other subjects, without bias at any number of "
        "images; around 0 means no difference was found."
    )

    distance = staticmethod(kernel_distance)
    subset_distances = staticmethod(subset_kernel_distances)
