"""Means with 95% intervals for values that come in clusters: several outputs of each subject.

Outputs of one subject resemble each other, so the subject is what counts as independent. A share gets a
score (Wilson) interval whose variance is the cluster-robust one, the mean of a graded score a cluster-robust
t interval; both are widened on the side of the long tail by the cubic transformation
that corrects a mean's t statistic for skewness (P. Hall, 'On the removal of skewness by transformation',
JRSS B 54, 1992). Where all subjects agree there is no variance to go by: a share then
gets the exact binomial interval for 'a part of the subjects that none of these belongs to', a graded score
none. How often the intervals cover is measured by ``benchmarks/coverage_simulation.py``; the table is in
``docs/intervals.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from ..core.contracts import Floats

Bounds = tuple[float, float]
Number = TypeVar("Number", float, NDArray[np.float64])

LEVEL = 0.95
UNBOUNDED: Bounds = (-np.inf, np.inf)

SCORE = "clustered score"
T = "clustered t"
AGREEMENT = "all subjects agree"
NONE = "none"

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


def clustered_mean(values: ArrayLike, subjects: Sequence[str], bounds: Bounds = UNBOUNDED) -> Interval:
    """The mean of ``values`` with a 95% interval clustered by subject.

    Args:
        values: (N,) float; NaN where an output has no score, which leaves it out.
        subjects: (N,) the subject of each value; the order of rows does not matter.
        bounds: For a share, what a failure and a success count as: (0, 1), or (-1, 1) for differences of
            two shares. Graded scores have no bounds in this sense, whatever their range.
    """
    column = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    found = clustered_means(column, np.asarray(subjects, dtype=object), bounds)
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
) -> Estimates:
    """The means of the columns of ``values``, each with a 95% interval clustered by subject.

    Args:
        values: (N, K) float64, NaN where missing.
        subjects: (N,) names.
        bounds: As in ``clustered_mean``.
        strata: (N,) names of groups of rows; the mean is then the plain mean of the groups' means, as in
            'mean over domains'. None takes all rows as one group.
        null: The mean that ``p`` tests against, two-sided: below 0.05 where the interval excludes it.

    Returns:
        ``Estimates`` of the K columns.
    """
    moments = _moments(values, _codes(subjects), _codes(strata) if strata is not None else None)
    outer = _containing(bounds, values)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        varied = _varied_interval(moments, outer)
        p_varied = _varied_p(moments, outer, null)
        agreed = _agreed_interval(moments, outer)
        p_agreed = _agreed_p(moments, outer, null)
    agree = moments.variance <= (_TINY * _scale(moments, outer)) ** 2
    usable = moments.dof > 0
    low, high = (
        np.where(usable, np.where(agree, flat, wide), np.nan)
        for flat, wide in zip(agreed, varied, strict=True)
    )
    p = np.where(usable, np.where(agree, p_agreed, p_varied), np.nan)
    bounded = bool(np.isfinite(outer).all())
    labels = [_label(*case, bounded) for case in zip(moments.n, usable, agree, strict=True)]
    return Estimates(
        moments.mean,
        low,
        high,
        p,
        moments.n,
        moments.clusters,
        [method for method, _ in labels],
        [reason for _, reason in labels],
    )


def _label(n: int, usable: bool, agree: bool, bounded: bool) -> tuple[str, str]:
    if n == 0:
        return NONE, "no value"
    if not usable:
        return NONE, "an interval needs at least 2 subjects"
    if agree and not bounded:
        return NONE, "all subjects agree: no variation to judge by"
    return (AGREEMENT if agree else SCORE if bounded else T), ""


def _codes(names: NDArray[np.object_]) -> NDArray[np.int64]:
    return pd.factorize(names)[0].astype(np.int64)


def _sum_by(codes: NDArray[np.int64], rows: Floats) -> Floats:
    """(G, K) sums of the (N, K) rows of each code; codes are 0..G-1, all present."""
    if len(codes) == 0:
        return np.zeros((1, rows.shape[1]))
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums: Floats = np.add.reduceat(rows[order], starts, axis=0)
    return sums


def _moments(values: Floats, subjects: NDArray[np.int64], strata: NDArray[np.int64] | None) -> _Moments:
    """Mean of the strata's means, with the cluster-robust (linearised) variance and skewness of that mean."""
    groups = np.zeros_like(subjects) if strata is None else strata
    seen = ~np.isnan(values)
    filled = np.where(seen, values, 0.0)
    counts = _sum_by(groups, seen.astype(np.float64))
    active = (counts > 0).sum(0)
    safe = np.maximum(counts, 1.0)
    means = _sum_by(groups, filled) / safe
    mean = np.where(active > 0, means.sum(0) / np.maximum(active, 1), np.nan)
    weight = 1.0 / (safe * np.maximum(active, 1))
    influence = _sum_by(subjects, np.where(seen, (filled - means[groups]) * weight[groups], 0.0))
    clusters = (_sum_by(subjects, seen.astype(np.float64)) > 0).sum(0)
    dof = clusters - (active if _nested(subjects, groups) else np.minimum(active, 1))
    squares = (influence**2).sum(0)
    variance = squares * clusters / np.maximum(dof, 1)
    spread = np.where(squares > 0, squares / np.maximum(clusters, 1), 1.0) ** 1.5
    skewness = np.round((influence**3).sum(0) / np.maximum(clusters, 1) / spread, _SKEWNESS_DECIMALS)
    return _Moments(mean, variance, skewness, dof, seen.sum(0), clusters)


def _nested(subjects: NDArray[np.int64], groups: NDArray[np.int64]) -> bool:
    """Whether each subject stands in one group only, so that each group costs a degree of freedom."""
    if len(subjects) == 0:
        return False
    pairs = np.unique(subjects * (groups.max() + 1) + groups)
    return len(pairs) == len(np.unique(subjects))


def _containing(bounds: Bounds, values: Floats) -> Bounds:
    """The bounds, moved outwards to hold values that rounding put a hair outside."""
    seen = values[~np.isnan(values)]
    if len(seen) == 0:
        return bounds
    return min(bounds[0], float(seen.min())), max(bounds[1], float(seen.max()))


def _scale(moments: _Moments, bounds: Bounds) -> Floats | float:
    low, high = bounds
    return high - low if np.isfinite(high - low) else np.maximum(np.abs(moments.mean), 1.0)


def _varied_interval(moments: _Moments, bounds: Bounds) -> tuple[Floats, Floats]:
    """Score or t interval, widened for skewness on the long tail, inside the bounds."""
    quantile: Floats = np.asarray(stats.t.ppf((1 + LEVEL) / 2, np.maximum(moments.dof, 1)))
    error = np.sqrt(moments.variance)
    low, high = _base_interval(moments, bounds, quantile)
    skewed_low = moments.mean - error * _unskew(quantile, moments)
    skewed_high = moments.mean - error * _unskew(-quantile, moments)
    low = np.where(moments.skewness < 0, np.minimum(low, skewed_low), low)
    high = np.where(moments.skewness > 0, np.maximum(high, skewed_high), high)
    return np.clip(low, *bounds), np.clip(high, *bounds)


def _base_interval(moments: _Moments, bounds: Bounds, quantile: Floats) -> tuple[Floats, Floats]:
    low, high = bounds
    if not np.isfinite(high - low):
        half = quantile * np.sqrt(moments.variance)
        return moments.mean - half, moments.mean + half
    share = (moments.mean - low) / (high - low)
    lower, upper = score_interval(share, moments.variance, quantile, high - low)
    return low + (high - low) * lower, low + (high - low) * upper


def score_interval(
    share: Number, variance: Number, quantile: Number, width: float = 1.0
) -> tuple[Number, Number]:
    """Return the ends of the score (Wilson) interval of a share, scaled to any variance.

    E. B. Wilson, 'Probable inference, the law of succession, and statistical inference', JASA 22, 1927.

    Args:
        share: Between 0 and 1, both excluded.
        variance: The cluster-robust variance of ``width`` × ``share``.
        quantile: The two-sided quantile of the normal or t distribution.
        width: The distance between the values of a failure and a success.
    """
    spread = share * (1 - share)
    k = quantile**2 * variance / width**2 / spread
    centre, half = (share + k / 2) / (1 + k), np.sqrt(k * spread + k**2 / 4) / (1 + k)
    return centre - half, centre + half


def zero_count_limit(n: Number) -> Number:
    """Return the upper end of the exact binomial (Clopper-Pearson) 95% interval for 0 successes in ``n``."""
    limit: Number = 1 - ((1 - LEVEL) / 2) ** (1 / n)
    return limit


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


def _varied_p(moments: _Moments, bounds: Bounds, null: float) -> Floats:
    """Two-sided p of mean = null, by inverting ``_varied_interval``."""
    low, high = bounds
    dof = np.maximum(moments.dof, 1)
    t = (moments.mean - null) / np.sqrt(moments.variance)
    ratio: Floats | float = 1.0
    if np.isfinite(high - low):
        share, at_null = (moments.mean - low) / (high - low), (null - low) / (high - low)
        ratio = np.sqrt(share * (1 - share) / (at_null * (1 - at_null)))
    p = 2 * stats.t.sf(np.abs(t) * ratio, dof)
    on_tail = moments.skewness * (null - moments.mean) > 0
    corrected = np.maximum(_skew_corrected(t, moments) * np.sign(t), 0.0)
    p_tail = 2 * stats.t.sf(corrected, dof)
    result: Floats = np.where(on_tail, np.maximum(p, p_tail), p)
    return result


def _agreed_interval(moments: _Moments, bounds: Bounds) -> tuple[Floats, Floats]:
    """At most a share of subjects, binomially, is unlike these; the worst they can be is the bound."""
    low, high = bounds
    if not np.isfinite(high - low):
        return np.full_like(moments.mean, np.nan), np.full_like(moments.mean, np.nan)
    share = zero_count_limit(np.maximum(moments.clusters, 1))
    return moments.mean - (moments.mean - low) * share, moments.mean + (high - moments.mean) * share


def _agreed_p(moments: _Moments, bounds: Bounds, null: float) -> Floats:
    low, high = bounds
    if not np.isfinite(high - low):
        return np.where(np.isclose(moments.mean, null), 1.0, np.nan)
    gap = null - moments.mean
    room = np.where(gap < 0, moments.mean - low, high - moments.mean)
    share = np.clip(np.where(np.abs(gap) <= _TINY * (high - low), 0.0, np.abs(gap) / room), 0.0, 1.0)
    p: Floats = np.minimum(1.0, 2 * (1 - share) ** moments.clusters)
    return p
