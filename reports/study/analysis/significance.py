"""Tests of preferences: exact binomial, discordant votes, goodness of fit.

The exact tests take answers as independent, as papers do. Where participants differ in taste they reject too
often; the two-way clustered p value of ``estimates`` stands beside them for that reason.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]


def binomial(successes: int, trials: int, chance: float = 0.5) -> float:
    """Two-sided p of the exact binomial test that the rate is ``chance``; NaN without trials."""
    return float(stats.binomtest(successes, trials, chance).pvalue) if trials else float("nan")


def discordant(first: Floats, second: Floats) -> tuple[int, int, float]:
    """The exact form of McNemar's test on answers that went to one of two options.

    Q. McNemar, 'Note on the sampling error of the difference between correlated proportions or percentages',
    Psychometrika 12, 1947.

    Args:
        first: (N,) 1 where the answer chose the first option.
        second: (N,) 1 where it chose the second.

    Returns:
        Answers for the first, answers for the second, and the two-sided p that both are as likely.
    """
    wins, losses = int(np.sum(first > second)), int(np.sum(second > first))
    return wins, losses, binomial(wins, wins + losses)


def equal_shares(counts: Sequence[int]) -> float:
    """The p of the chi-squared test that all options are chosen equally often; NaN without answers."""
    return float(stats.chisquare(counts).pvalue) if sum(counts) else float("nan")
