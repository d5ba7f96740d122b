"""Means with 95% intervals for values that come in clusters: several outputs of each subject.

Outputs of one subject resemble each other, so the subject is what counts as independent. A share gets a
Wilson interval with an effective sample size, one of subjects with one output each the exact binomial
interval, and the difference of two shares is made of Jeffreys intervals (``proportions``). The mean of a
graded score gets a cluster-robust t interval, and where the score's range is finite the score (Wilson)
interval of the same variance, which bends it into the range. Either is widened on the side of the long tail
by the cubic transformation that corrects a mean's t statistic for skewness (P. Hall, 'On the removal of
skewness by transformation', JRSS B 54, 1992). In a finite range each end also allows for failures that the
sample has not met: a quarter of a subject at that end of the range, divided by the number of subjects. Where
all subjects agree on a graded score there is no variance to go by, and no interval. How often the intervals
cover is measured by ``benchmarks/coverage_simulation.py``; the table is in ``docs/intervals.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from ..core.contracts import Floats
from .binomial import score_interval
from .clusters import Layout, sum_by
from .proportions import Proportions

Bounds = tuple[float, float]

LEVEL = 0.95
UNBOUNDED: Bounds = (-np.inf, np.inf)

T = "clustered t"
NONE = "none"

UNSEEN = 0.25
"""How many subjects at the end of a finite range a graded score allows for, over the subjects seen."""

ROUNDING = 1e-5
"""Graded scores may leave their range by so much of it, as cosines in single precision do."""

_TINY = 1e-10
_SKEWNESS_DECIMALS = 8
"""The sign of the skewness chooses the long tail; rounding errors must not."""


@dataclass(frozen=True)
class Interval:
    """A mean and its 95% interval.

    ``n`` counts the values, ``clusters`` the subjects behind them. ``low`` and ``high`` are None where no
    interval exists, and ``reason`` says why; ``mean`` is None where there is no value.
    """

    mean: float | None
    low: float | None
    high: float | None
    n: int
    clusters: int
    method: str
    reason: str = ""


class Estimates(NamedTuple):
    """Means of K columns; every field is (K,).

    ``mean``, ``low``, ``high`` and ``p`` are float64, NaN where they do not exist; ``n`` and ``clusters``
    int64; ``method`` and ``reason`` str. ``p`` tests mean = null.
    """

    mean: Floats
    low: Floats
    high: Floats
    p: Floats
    n: NDArray[np.int64]
    clusters: NDArray[np.int64]
    method: list[str]
    reason: list[str]


class _Moments(NamedTuple):
    mean: Floats
    variance: Floats
    skewness: Floats
    dof: NDArray[np.int64]
    n: NDArray[np.int64]
    clusters: NDArray[np.int64]


def of_differences(bounds: Bounds) -> Bounds:
    """Return the bounds of the difference of two values between ``bounds``."""
    width = bounds[1] - bounds[0]
    return -width, width


def clustered_mean(
    values: ArrayLike, subjects: Sequence[str], bounds: Bounds = UNBOUNDED, limits: Bounds = UNBOUNDED
) -> Interval:
    """The mean of ``values`` with a 95% interval clustered by subject.

    Args:
        values: (N,) float; NaN where an output has no score, which leaves it out.
        subjects: (N,) the subject of each value; the order of rows does not matter.
        bounds: For a share, what a failure and a success count as: (0, 1), or (-1, 1) for differences of
            two shares. Graded scores have no bounds in this sense, whatever their range.
        limits: The ends of the range of a graded score, which no interval leaves; where they are finite, the
            interval allows for subjects at them that the sample has not met. A mean outside has no interval.
    """
    column = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    found = clustered_means(column, np.asarray(subjects, dtype=object), bounds, limits=limits)
    mean, low, high = (None if np.isnan(ends[0]) else float(ends[0]) for ends in found[:3])
    return Interval(
        mean,
        low,
        high,
        n=int(found.n[0]),
        clusters=int(found.clusters[0]),
        method=found.method[0],
        reason=found.reason[0],
    )


def clustered_means(
    values: Floats,
    subjects: NDArray[np.object_],
    bounds: Bounds = UNBOUNDED,
    strata: NDArray[np.object_] | None = None,
    null: float = np.nan,
    limits: Bounds = UNBOUNDED,
) -> Estimates:
    """The means of the columns of ``values``, each with a 95% interval clustered by subject.

    Args:
        values: (N, K) float64, NaN where missing.
        subjects: (N,) names.
        bounds: As in ``clustered_mean``.
        strata: (N,) names of groups of rows; the mean is then the plain mean of the groups' means, as in
            'mean over domains'. None takes all rows as one group.
        null: The mean that ``p`` tests against, two-sided: below 0.05 where the interval excludes it. Where
            graded scores are tested, nothing is added for subjects that the sample has not met.
        limits: As in ``clustered_mean``.

    Returns:
        ``Estimates`` of the K columns.
    """
    moments = _moments(values, Layout.of(subjects, strata))
    bounded = bool(np.isfinite(bounds).all())
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if bounded:
            shares = Proportions.of(values, Layout.of(subjects, strata), bounds)
            (low, high), p = shares.limits(1 - LEVEL), shares.p(null)
            methods = shares.methods
        else:
            low, high = _graded_interval(moments, limits if np.isnan(null) else UNBOUNDED)
            low = np.minimum(np.clip(low, *limits), moments.mean)
            high = np.maximum(np.clip(high, *limits), moments.mean)
            p, methods = _graded_p(moments, null), [T] * len(moments.n)
    agree = np.sqrt(moments.variance) <= _TINY * np.maximum(np.abs(moments.mean), 1.0)
    usable = (moments.dof > 0) & (bounded | ~agree)
    inside = bounded | within(moments.mean, limits)
    cases = zip(moments.n, moments.dof > 0, usable, inside, methods, strict=True)
    labels = [_label(*case) for case in cases]
    return Estimates(
        moments.mean,
        np.where(usable & inside, low, np.nan),
        np.where(usable & inside, high, np.nan),
        np.where(usable, p, np.where(agree & (moments.mean == null) & (moments.dof > 0), 1.0, np.nan)),
        moments.n,
        moments.clusters,
        [method for method, _ in labels],
        [reason for _, reason in labels],
    )


def within(values: Floats, limits: Bounds) -> NDArray[np.bool_]:
    """Return which scores, or means of them, are in their range but for ``ROUNDING``; NaN is in none."""
    width = limits[1] - limits[0]
    slack = ROUNDING * (width if np.isfinite(width) else 1.0)
    found: NDArray[np.bool_] = (values >= limits[0] - slack) & (values <= limits[1] + slack)
    return found


def _label(n: int, several: bool, usable: bool, inside: bool, method: str) -> tuple[str, str]:
    if n == 0:
        return NONE, "no value"
    if not several:
        return NONE, "an interval needs at least 2 subjects"
    if not usable:
        return NONE, "all subjects agree: no variation to judge by"
    if not inside:
        return NONE, "the mean is outside the range of the scores"
    return method, ""


def _moments(values: Floats, layout: Layout) -> _Moments:
    """Mean of the strata's means, with the cluster-robust (linearised) variance and skewness of that mean."""
    seen = ~np.isnan(values)
    filled = np.where(seen, values, 0.0)
    weights = layout.weights(values)
    counts = sum_by(layout.strata, seen.astype(np.float64))
    means, active = sum_by(layout.strata, filled) / np.maximum(counts, 1.0), (counts > 0).sum(0)
    mean = np.where(active > 0, means.sum(0) / np.maximum(active, 1), np.nan)
    influence = sum_by(layout.subjects, (filled - means[layout.strata]) * weights)
    clusters, dof = layout.clusters(values), layout.dof(values)
    squares = (influence**2).sum(0)
    variance = squares * clusters / np.maximum(dof, 1)
    spread = np.where(squares > 0, squares / np.maximum(clusters, 1), 1.0) ** 1.5
    skewness = np.round((influence**3).sum(0) / np.maximum(clusters, 1) / spread, _SKEWNESS_DECIMALS)
    return _Moments(mean, variance, skewness, dof, seen.sum(0), clusters)


def _graded_interval(moments: _Moments, limits: Bounds) -> tuple[Floats, Floats]:
    """The t or score interval, widened for skewness and for subjects at finite ``limits``."""
    quantile: Floats = np.asarray(scipy.special.stdtrit(np.maximum(moments.dof, 1), (1 + LEVEL) / 2))
    error, mean = np.sqrt(moments.variance), moments.mean
    finite = bool(np.isfinite(limits).all())
    low, high = (
        _bent(moments, quantile, limits) if finite else (mean - quantile * error, mean + quantile * error)
    )
    low = np.where(moments.skewness < 0, np.minimum(low, mean - error * _unskew(quantile, moments)), low)
    high = np.where(moments.skewness > 0, np.maximum(high, mean - error * _unskew(-quantile, moments)), high)
    if not finite:
        return low, high
    clusters = np.maximum(moments.clusters, 1)
    unseen = quantile * np.sqrt(UNSEEN / clusters) / clusters
    return low - unseen * (mean - limits[0]), high + unseen * (limits[1] - mean)


def _bent(moments: _Moments, quantile: Floats, limits: Bounds) -> tuple[Floats, Floats]:
    """The score interval of the mean of values in a finite range, as if that were a share of it."""
    least, width = limits[0], limits[1] - limits[0]
    share = np.clip((moments.mean - least) / width, 0, 1)
    size = share * (1 - share) * width**2 / np.maximum(moments.variance, _TINY**2)
    ends = score_interval(share, np.maximum(size, _TINY), quantile)
    return least + width * ends.low, least + width * ends.high


def _unskew(y: Floats, moments: _Moments) -> Floats:
    """The t statistic whose skewness-corrected value is ``y``: Hall's cubic, inverted."""
    root = np.sqrt(np.maximum(moments.clusters, 1))
    a = moments.skewness / (3 * root)
    bent: Floats = (np.cbrt(1 + 3 * a * (y - moments.skewness / (6 * root))) - 1) / a
    return np.where(np.abs(a) > _TINY, bent, y)


def _skew_corrected(t: Floats, moments: _Moments) -> Floats:
    root = np.sqrt(np.maximum(moments.clusters, 1))
    a = moments.skewness / (3 * root)
    corrected: Floats = t + a * t**2 + a**2 * t**3 / 3 + moments.skewness / (6 * root)
    return corrected


def _graded_p(moments: _Moments, null: float) -> Floats:
    """Two-sided p of mean = null, by inverting ``_graded_interval`` without limits."""
    dof = np.maximum(moments.dof, 1)
    t = (moments.mean - null) / np.sqrt(moments.variance)
    p = 2 * scipy.special.stdtr(dof, -np.abs(t))
    on_tail = moments.skewness * (null - moments.mean) > 0
    corrected = np.maximum(_skew_corrected(t, moments) * np.sign(t), 0.0)
    result: Floats = np.where(on_tail, np.maximum(p, 2 * scipy.special.stdtr(dof, -corrected)), p)
    return result
