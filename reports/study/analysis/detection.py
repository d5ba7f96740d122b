"""Sensitivity d′ of signal detection theory, for same-different."""

from __future__ import annotations

import numpy as np
from scipy import stats

from fesbench.core.contracts import Floats
from fesbench.statistics.two_way import Clusters, Estimate, smooth


def d_prime(signal: Floats, noise: Floats, clusters: Clusters) -> Estimate:
    """Return d′ between two kinds of pairs, from the answers 'same' and 'different'.

    Rates have the log-linear correction, (count + 0.5) / (n + 1), so that none is 0 or 1 (M. J. Hautus,
    'Corrections for extreme proportions and their biasing effects on estimated values of d′', Behav. Res.
    Methods 27, 1995).

    Args:
        signal: (N,) float64, 1 for 'same' and 0 for 'different' where the pair is of the first kind, such as
            an input and a model's output; NaN for pairs of the other kind.
        noise: (N,) float64, the same for the second kind: images of two people.
        clusters: The participant and the item of each answer.

    Returns:
        The estimate; 0 where both kinds are called 'same' equally often.
    """
    if not (~np.isnan(signal)).any() or not (~np.isnan(noise)).any():
        return Estimate(np.nan, reason="needs answers about both kinds of pairs")
    z_signal, move_signal = _probit(signal)
    z_noise, move_noise = _probit(noise)
    return smooth(z_signal - z_noise, move_signal - move_noise, clusters)


def _probit(said: Floats) -> tuple[float, Floats]:
    """Return the normal quantile of the corrected rate, and the influence of each answer on it."""
    known = ~np.isnan(said)
    n = int(known.sum())
    rate = (float(np.nansum(said)) + 0.5) / (n + 1)
    z = float(stats.norm.ppf(rate))
    centred = np.where(known, said - np.nanmean(said), 0.0)
    return z, centred / (n + 1) / float(stats.norm.pdf(z))
