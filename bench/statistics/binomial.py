"""Intervals of one binomial proportion, for any size of the sample: whole, or an effective one.

The score interval: E. B. Wilson, 'Probable inference, the law of succession, and statistical inference', JASA
22, 1927. The exact one: C. J. Clopper and E. S. Pearson, Biometrika 26, 1934; for sizes that are no whole
numbers E. L. Korn and B. I. Graubard, 'Confidence intervals for proportions with small expected number of
positive counts estimated from survey data', Survey Methodology 24, 1998. Jeffreys' one: L. D. Brown, T. T.
Cai and A. DasGupta, 'Interval estimation for a binomial proportion', Statistical Science 16, 2001.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from ..core.contracts import Floats


class Limits(NamedTuple):
    """The ends of intervals, each (K,) float64."""

    low: Floats
    high: Floats


def score_interval(share: Floats, size: Floats, quantile: Floats) -> Limits:
    """Return the score (Wilson) intervals of (K,) shares.

    Args:
        share: Between 0 and 1.
        size: How many independent values the variance of the share is worth: share × (1 − share) / variance.
        quantile: The two-sided quantile of the normal or t distribution.
    """
    k = quantile**2 / size
    centre, half = (share + k / 2) / (1 + k), np.sqrt(k * share * (1 - share) + k**2 / 4) / (1 + k)
    return Limits(np.clip(centre - half, 0, share), np.clip(centre + half, share, 1))


def exact_interval(share: Floats, size: Floats, alpha: Floats) -> Limits:
    """Return the exact (Clopper-Pearson) intervals of level 1 − ``alpha`` of (K,) shares."""
    right, wrong = size * share, size * (1 - share)
    low = scipy.special.betaincinv(right, wrong + 1, alpha / 2)
    high = scipy.special.betaincinv(right + 1, wrong, 1 - alpha / 2)
    return Limits(np.where(right <= 0, 0.0, low), np.where(wrong <= 0, 1.0, high))


def jeffreys_interval(share: Floats, size: Floats, alpha: Floats) -> Limits:
    """Return the Jeffreys intervals of level 1 − ``alpha`` of (K,) shares."""
    right, wrong = size * share + 0.5, size * (1 - share) + 0.5
    low, high = (scipy.special.betaincinv(right, wrong, level) for level in (alpha / 2, 1 - alpha / 2))
    low, high = np.where(share <= 0, 0.0, low), np.where(share >= 1, 1.0, high)
    return Limits(np.minimum(low, share), np.maximum(high, share))
