"""Intervals of shares, and of differences of two shares, whose successes come in clusters.

The interval of a share is Wilson's score interval with the effective sample size in the place of the number
of values: that number divided by the design effect 1 + (m − 1) ρ, where m is the number of values of a
subject and ρ their correlation within subjects, estimated over all subjects (L. Kish, 'Survey Sampling',
1965). The t quantile stands for the normal one, as in Korn and Graubard (``binomial``), with degrees of
freedom that say how far the design effect is an estimate.

With one value of each subject nothing of that is estimated, and the interval is the exact binomial one. With
m values the exact one counts 1 / m² and Wilson's the rest: the square of the step of a subject's mean. Of the
two, the exact interval allows for a step as large as one value, the score interval for none.

A difference is the share of gains less the share of losses; its interval joins Jeffreys' intervals of the two
by the method of variance estimates recovery (R. G. Newcombe, Statistics in Medicine 17, 1998; G. Y. Zou and
A. Donner, Statistics in Medicine 27, 2008). Wilson's would be wider where few edits tell two models apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy

from ..core.contracts import Floats
from .binomial import Limits, exact_interval, jeffreys_interval, score_interval
from .clusters import Codes, Layout, sum_by

WILSON, JEFFREYS, EXACT = "clustered Wilson", "clustered Jeffreys", "exact binomial"

PRIOR_PAIRS, PRIOR_CORRELATION = 0.5, 0.5
"""ρ is estimated as if so much variation of pairs of values had been seen before, so much of it shared."""
LEAST_UNCERTAIN = 0.3
"""The part of the uncertainty of a design effect that stays where ρ is 0; the rest grows with ρ.

Where ρ is 1, subjects are all that counts, and the degrees of freedom are theirs.
"""
_TINY = 1e-12
_STEPS = 40
_SMALLEST_P, _LARGEST_P = 1e-12, 0.9999


@dataclass(frozen=True)
class Share:
    """K shares, and what their intervals need; every field is (K,) float64.

    Attributes:
        value: The share, between 0 and 1.
        size: The effective sample size.
        dof: The degrees of freedom of the design effect; infinite where it is no estimate.
        size_unanimous: The effective sample size if all values were equal.
        dof_unanimous: The same for ``dof``.
        exact: The weight of the exact interval, between 0 and 1.
    """

    value: Floats
    size: Floats
    dof: Floats
    size_unanimous: Floats
    dof_unanimous: Floats
    exact: Floats

    def limits(self, alpha: Floats) -> Limits:
        """Return the equal-tailed intervals of level 1 − ``alpha``, (K,)."""

        def limits_of(value: Floats, size: Floats, alpha: Floats) -> Limits:
            score = score_interval(value, size, -scipy.special.ndtri(alpha / 2))
            exact = exact_interval(value, size, alpha)
            return Limits(*(a + self.exact * (b - a) for a, b in zip(score, exact, strict=True)))

        return self._limits(limits_of, alpha)

    def limits_in_difference(self, alpha: Floats) -> Limits:
        """Return the same for a share that is a part of a difference."""
        return self._limits(jeffreys_interval, alpha)

    def _limits(self, limits_of: Callable[[Floats, Floats, Floats], Limits], alpha: Floats) -> Limits:
        """Return intervals that are nowhere tighter than they would be if all values were equal.

        Few failures say little about how they cluster, and no sample says more of a share near 1 than one
        without any.
        """
        found = limits_of(self.value, self.size * _shrinkage(alpha, self.dof), alpha)
        unanimous = self.size_unanimous * _shrinkage(alpha, self.dof_unanimous)
        best = limits_of(np.ones_like(self.value), unanimous, alpha).low
        return Limits(np.minimum(found.low, best), np.maximum(found.high, 1 - best))


def share_of(values: Floats, layout: Layout) -> Share:
    """Return the share of successes of each column.

    Args:
        values: (N, K) float64 between 0 and 1, NaN where missing.
        layout: The subject and the stratum of each row.
    """
    weights, seen = layout.weights(values), ~np.isnan(values)
    filled = np.where(seen, values, 0.0)
    successes, sizes = (sum_by(layout.strata, part) for part in (filled, seen.astype(np.float64)))
    shares = (successes / np.maximum(sizes, 1))[layout.strata]
    smoothed = ((successes + 0.5) / (sizes + 1))[layout.strata]
    mean, smooth_mean = ((weights * part).sum(0) for part in (filled, smoothed))
    rho = _correlation(layout.subjects, weights, filled - shares, np.sqrt(shares * (1 - shares)))
    variation = _variation(layout.subjects, weights, np.sqrt(smoothed * (1 - smoothed)))
    unanimous = _variation(layout.subjects, weights, np.ones_like(weights))
    dof, prior = layout.dof(values).astype(np.float64), np.full_like(rho, PRIOR_CORRELATION)
    return Share(
        value=np.where(np.abs(mean - np.round(mean)) < _TINY, np.round(mean), mean),
        size=smooth_mean * (1 - smooth_mean) / variation.with_correlation(rho),
        dof=_degrees(dof, variation.values_of_subject, rho),
        size_unanimous=1 / unanimous.with_correlation(prior),
        dof_unanimous=_degrees(dof, unanimous.values_of_subject, prior),
        exact=unanimous.values_of_subject**-2.0,
    )


@dataclass(frozen=True)
class Proportions:
    """K means of values between two bounds: shares, or differences of two shares, which can be negative.

    A value between the bounds counts as a part of a success or failure.
    """

    gains: Share
    losses: Share
    gain: float
    loss: float

    @classmethod
    def of(cls, values: Floats, layout: Layout, bounds: tuple[float, float]) -> Proportions:
        """Return the proportions of (N, K) values between ``bounds``, (0, 1) or (-1, 1), NaN if missing."""
        low, high = bounds
        gains, losses = (
            share_of(np.clip(values / end, 0, 1) if end else 0 * values, layout) for end in (high, low)
        )
        return cls(gains, losses, high, low)

    @property
    def methods(self) -> list[str]:
        """How the interval of each column is made."""
        if self.loss:
            return [JEFFREYS] * len(self.gains.value)
        return [EXACT if weight == 1 else WILSON for weight in self.gains.exact]

    def limits(self, alpha: float | Floats) -> Limits:
        """Return the ends of the intervals of level 1 − ``alpha``."""
        levels = np.broadcast_to(np.asarray(alpha, dtype=np.float64), self.gains.value.shape)
        if not self.loss:
            found = self.gains.limits(levels)
            return Limits(self.gain * found.low, self.gain * found.high)
        return self._difference(*(part.limits_in_difference(levels) for part in (self.gains, self.losses)))

    def _difference(self, up: Limits, down: Limits) -> Limits:
        won, lost = self.gains.value, self.losses.value
        odds = [share / np.maximum(1 - share, _TINY) for share in (won, lost)]
        correlation = -np.sqrt(np.minimum(odds[0] * odds[1], 1.0))
        middle = self.gain * won + self.loss * lost
        to_low = _joined(self.gain * (won - up.low), self.loss * (lost - down.high), correlation)
        to_high = _joined(self.gain * (up.high - won), self.loss * (down.low - lost), correlation)
        return Limits(np.maximum(middle - to_low, self.loss), np.minimum(middle + to_high, self.gain))

    def p(self, null: float) -> Floats:
        """Return the two-sided p of mean = ``null``: the level whose interval just touches it."""
        if np.isnan(null):
            return np.full_like(self.gains.value, np.nan)
        least, most = (np.full_like(self.gains.value, np.log(level)) for level in (_SMALLEST_P, _LARGEST_P))
        for _ in range(_STEPS):
            middle = (least + most) / 2
            found = self.limits(np.exp(middle))
            inside = (found.low <= null) & (null <= found.high)
            least, most = np.where(inside, middle, least), np.where(inside, most, middle)
        return np.where(most >= np.log(_LARGEST_P), 1.0, np.exp(least))


def _joined(first: Floats, second: Floats, correlation: Floats) -> Floats:
    joined: Floats = np.sqrt(np.maximum(first**2 + second**2 - 2 * correlation * first * second, 0.0))
    return joined


def _shrinkage(alpha: Floats, dof: Floats) -> Floats:
    """Return the factor of the sample size that stands for the t in the place of the normal quantile."""
    normal, t = -scipy.special.ndtri(alpha / 2), -scipy.special.stdtrit(dof, alpha / 2)
    factor: Floats = np.where(np.isfinite(dof), (normal / t) ** 2, 1.0)
    return factor


class _Variation(NamedTuple):
    """What the variance of a weighted mean is made of, each (K,): single values, and pairs of a subject."""

    single: Floats
    pairs: Floats

    def with_correlation(self, rho: Floats) -> Floats:
        """Return the variance of the mean where the values of a subject are correlated."""
        return np.maximum(self.single + rho * self.pairs, _TINY)

    @property
    def values_of_subject(self) -> Floats:
        """How many values a subject has, in the mean that the design effect needs."""
        return 1 + self.pairs / np.maximum(self.single, _TINY)


def _variation(subjects: Codes, weights: Floats, deviations: Floats) -> _Variation:
    rows = weights * deviations
    single: Floats = (rows**2).sum(0)
    return _Variation(single, np.maximum((sum_by(subjects, rows) ** 2).sum(0) - single, 0.0))


def _correlation(subjects: Codes, weights: Floats, residuals: Floats, deviations: Floats) -> Floats:
    """Return the correlation within subjects, pooled over all of them, between 0 and 1."""
    count = np.maximum((weights > 0).sum(0), 1)
    rows = weights * residuals
    found = (sum_by(subjects, rows) ** 2).sum(0) - (rows**2).sum(0)
    most = _variation(subjects, weights, deviations).pairs
    shared = (found + most / count) * count**2 + PRIOR_PAIRS * PRIOR_CORRELATION
    rho: Floats = np.clip(shared / (most * count**2 + PRIOR_PAIRS), 0.0, 1.0)
    return rho


def _degrees(dof: Floats, values: Floats, rho: Floats) -> Floats:
    """Return the degrees of freedom of a design effect.

    Args:
        dof: Those of the variance between subjects.
        values: The number of values of a subject.
        rho: Their correlation.
    """
    uncertain = (values - 1) / values * (LEAST_UNCERTAIN + (1 - LEAST_UNCERTAIN) * rho)
    return np.where(uncertain > _TINY, dof / np.maximum(uncertain, _TINY), np.inf)
