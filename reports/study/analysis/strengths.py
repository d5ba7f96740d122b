"""Bradley–Terry and Luce strengths: one number for each model that explains all choices between models.

R. D. Luce, 'Individual Choice Behavior', 1959: an option is chosen with a probability in proportion to the
exponential of its strength. With two options this is the model of R. A. Bradley and M. E. Terry (Biometrika
39, 1952). Strengths come from choix (iterative Luce spectral ranking; L. Maystre and M. Grossglauser, NeurIPS
2015), intervals from the two-way clustered sandwich of the likelihood.

Strengths are finite only where each model is chosen over each other one, directly or through others (L. R.
Ford, 'Solution of a ranking problem from binary comparisons', American Mathematical Monthly 64, 1957).
"""

from __future__ import annotations

import choix
import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from fesbench.core.contracts import Floats
from fesbench.statistics.two_way import Clusters, Estimate, smooth

ALWAYS, NEVER = "always chosen: no finite strength", "never chosen: no finite strength"
APART = "chosen over the others, or they over it, without exception: no finite strength beside theirs"


def luce(chosen: Floats, clusters: Clusters) -> list[Estimate]:
    """Return the strength of each model, in natural logarithms, with mean 0 over those that have one.

    Args:
        chosen: (N, K) float64, for each answer 1 at the chosen model, 0 at the others shown, NaN at those
            not shown.
        clusters: The participant and the item of each answer.

    Returns:
        K estimates. Strengths are those of the largest group of models within which each is chosen over each
        other one, directly or through others; answers for models outside it do not count. The others have
        neither a strength nor an interval, and the reason.
    """
    members = _comparable(chosen)
    found = [Estimate(np.nan, n=len(chosen), reason=_reason(column)) for column in chosen.T]
    if len(members) > 1:
        inside = chosen[:, members]
        counted = (np.nansum(inside, axis=1) > 0) & ((~np.isnan(inside)).sum(axis=1) > 1)
        estimates = _estimates(inside[counted], clusters[counted])
        for place, estimate in zip(members, estimates, strict=True):
            found[place] = estimate
    return found


def _comparable(chosen: Floats) -> NDArray[np.intp]:
    """Return the largest group of models of which each beats each other one, directly or through others.

    None where several groups are largest: nothing says which of them the scale should be of.
    """
    wins = np.nan_to_num(chosen).T @ (chosen == 0)
    count, groups = connected_components(wins > 0, directed=True, connection="strong")
    sizes = np.bincount(groups, minlength=count)
    largest = np.flatnonzero(sizes == sizes.max())
    return np.flatnonzero(groups == largest[0]) if len(largest) == 1 else np.empty(0, np.intp)


def _reason(column: Floats) -> str:
    """Return why a model has no strength."""
    share = np.nanmean(column)
    return NEVER if share == 0 else ALWAYS if share == 1 else APART


def _estimates(chosen: Floats, clusters: Clusters) -> list[Estimate]:
    offered = ~np.isnan(chosen)
    strengths = _strengths(chosen, offered)
    weights = np.exp(strengths) * offered
    chances = weights / weights.sum(axis=1, keepdims=True)
    scores = np.where(offered, chosen - chances, 0.0)
    information = np.diag(chances.sum(axis=0)) - chances.T @ chances
    influence = scores @ np.linalg.pinv(information, rcond=1e-9, hermitian=True)
    return [
        smooth(float(strength), column, clusters)
        for strength, column in zip(strengths, influence.T, strict=True)
    ]


def _strengths(chosen: Floats, offered: NDArray[np.bool_]) -> Floats:
    winners = np.nanargmax(chosen, axis=1)
    data = [
        (int(winner), tuple(int(other) for other in np.flatnonzero(row) if other != winner))
        for winner, row in zip(winners, offered, strict=True)
    ]
    found: Floats = choix.ilsr_top1(chosen.shape[1], data)
    centred: Floats = found - found.mean()
    return centred
