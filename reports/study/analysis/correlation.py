"""Correlations between the answers of participants and scores."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from scipy import stats

from fesbench.core.contracts import Floats
from fesbench.statistics.two_way import Clusters, Estimate, smooth

MOST_TO_PERMUTE = 8
"""Up to this many models, the p value of a rank correlation is exact, over all permutations."""


def point_biserial(answers: Floats, scores: Floats, clusters: Clusters) -> Estimate:
    """Return Pearson's correlation between answers (such as chosen or not) and scores.

    Args:
        answers: (N,) float64, zeros and ones, or ratings.
        scores: (N,) float64, the metric's score of the output that each answer concerns.
        clusters: The participant and the item of each answer.

    Returns:
        The estimate with a two-way clustered interval inside [-1, 1]; NaN where either side does not vary.
    """
    if len(answers) < 3 or np.ptp(answers) == 0 or np.ptp(scores) == 0:
        return Estimate(np.nan, n=len(answers), reason="answers or scores do not vary")
    x, y = ((side - side.mean()) / side.std() for side in (answers, scores))
    r = float((x * y).mean())
    found = smooth(r, (x * y - r * (x**2 + y**2) / 2) / len(x), clusters)
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))


def spearman(shares: Floats, scores: Floats) -> Estimate:
    """Return Spearman's rank correlation over models, with an exact p value where there are few models.

    Args:
        shares: (K,) float64, the result of each model in the study.
        scores: (K,) float64, its score by the metric.
    """
    known = ~(np.isnan(shares) | np.isnan(scores))
    x, y = shares[known], scores[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(np.nan, n=len(x), reason="needs three models that differ")
    ranks, others = (stats.zscore(stats.rankdata(side)) for side in (x, y))
    return Estimate(float((ranks * others).mean()), p=_spearman_p(ranks, others), n=len(x))


def _spearman_p(ranks: Floats, others: Floats) -> float:
    if len(ranks) > MOST_TO_PERMUTE:
        return float(stats.spearmanr(ranks, others).pvalue)
    found = np.abs(np.array(list(permutations(ranks))) @ others)
    return float((found >= abs(ranks @ others) - 1e-9).mean())
