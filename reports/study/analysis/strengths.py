"""Bradley–Terry and Luce strengths: one number for each model that explains all choices between models.

R. D. Luce, 'Individual Choice Behavior', 1959: an option is chosen with a probability in proportion to the
exponential of its strength. With two options this is the model of R. A. Bradley and M. E. Terry (Biometrika
39, 1952). Strengths come from choix (iterative Luce spectral ranking; L. Maystre and M. Grossglauser, NeurIPS
2015), intervals from the two-way clustered sandwich of the likelihood.
"""

from __future__ import annotations

import choix
import numpy as np
from numpy.typing import NDArray

from fesbench.core.contracts import Floats
from fesbench.statistics.two_way import Clusters, Estimate, smooth

REGULARISATION = 0.01
"""choix's ``alpha``: keeps the strength finite of a model that never wins or never loses."""


def luce(chosen: Floats, clusters: Clusters) -> list[Estimate]:
    """Return the strength of each model, in natural logarithms, with mean 0.

    Args:
        chosen: (N, K) float64, for each answer 1 at the chosen model, 0 at the others shown, NaN at those
            not shown.
        clusters: The participant and the item of each answer.

    Returns:
        K estimates; without interval for a model that is always or never chosen.
    """
    offered = ~np.isnan(chosen)
    strengths = _strengths(chosen, offered)
    weights = np.exp(strengths) * offered
    chances = weights / weights.sum(axis=1, keepdims=True)
    scores = np.where(offered, chosen - chances, 0.0)
    information = np.diag(chances.sum(axis=0)) - chances.T @ chances
    influence = scores @ np.linalg.pinv(information, rcond=1e-9, hermitian=True)
    lone = np.nansum(chosen, axis=0) * np.nansum(np.where(offered, 1 - chosen, 0), axis=0) == 0
    return [
        Estimate(
            float(strength), n=len(chosen), reason="always or never chosen: held finite by regularisation"
        )
        if never
        else smooth(float(strength), column, clusters)
        for strength, column, never in zip(strengths, influence.T, lone, strict=True)
    ]


def _strengths(chosen: Floats, offered: NDArray[np.bool_]) -> Floats:
    winners = np.nanargmax(chosen, axis=1)
    data = [
        (int(winner), tuple(int(other) for other in np.flatnonzero(row) if other != winner))
        for winner, row in zip(winners, offered, strict=True)
    ]
    found: Floats = choix.ilsr_top1(chosen.shape[1], data, alpha=REGULARISATION)
    centred: Floats = found - found.mean()
    return centred
