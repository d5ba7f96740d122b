"""Do metrics say what people say? Correlations between answers and scores."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from scipy import stats

from .estimates import Clusters, Estimate, Floats, smooth

MOST_TO_PERMUTE = 8
"""Models up to which the p value of a rank correlation counts all permutations."""


def point_biserial(answers: Floats, scores: Floats, clusters: Clusters) -> Estimate:
    """Pearson's correlation between answers (such as chosen or not) and the scores of what they are about.

    Args:
        answers: (N,) zeros and ones, or ratings.
        scores: (N,) the metric's score of the output that the answer is about.
        clusters: Who gave the answers, and about what.

    Returns:
        The estimate with a two-way clustered interval, inside [-1, 1]; undefined where either does not vary.
    """
    if len(answers) < 3 or np.ptp(answers) == 0 or np.ptp(scores) == 0:
        return Estimate(np.nan, n=len(answers), reason="answers or scores do not vary")
    x, y = ((side - side.mean()) / side.std() for side in (answers, scores))
    r = float((x * y).mean())
    found = smooth(r, (x * y - r * (x**2 + y**2) / 2) / len(x), clusters)
    return found._replace(low=max(found.low, -1.0), high=min(found.high, 1.0))


def spearman(shares: Floats, scores: Floats) -> Estimate:
    """Spearman's rank correlation over models, with an exact p where there are few models.

    Args:
        shares: (K,) what people gave each model.
        scores: (K,) what the metric gave it.
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
