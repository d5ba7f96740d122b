"""Tests of preferences: exact binomial, discordant votes, goodness of fit.

The exact tests treat answers as independent, as is usual in papers. Where participants differ in taste they
reject too often, so results also have the two-way clustered p value of ``fesbench.statistics.two_way``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import stats

from fesbench.core.contracts import Floats


def binomial(successes: int, trials: int, chance: float = 0.5) -> float:
    """Return the two-sided p value of the exact binomial test of rate = ``chance``; NaN without trials."""
    return float(stats.binomtest(successes, trials, chance).pvalue) if trials else float("nan")


def discordant(first: Floats, second: Floats) -> tuple[int, int, float]:
    """Count the answers for one of two options, with the exact form of McNemar's test.

    Q. McNemar, 'Note on the sampling error of the difference between correlated proportions or percentages',
    Psychometrika 12, 1947.

    Args:
        first: (N,) float64, 1 where the answer chose the first option.
        second: (N,) float64, 1 where it chose the second.

    Returns:
        The answers for the first, the answers for the second, and the two-sided p value of equal probability.
    """
    wins, losses = int(np.sum(first > second)), int(np.sum(second > first))
    return wins, losses, binomial(wins, wins + losses)


def equal_shares(counts: Sequence[int]) -> float:
    """Return the p value of the chi-squared test of equal shares; NaN without answers."""
    return float(stats.chisquare(counts).pvalue) if sum(counts) else float("nan")
