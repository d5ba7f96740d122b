"""Agreement between participants."""

from __future__ import annotations

from collections.abc import Sequence

import krippendorff
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fesbench.statistics.intervals import LEVEL
from fesbench.statistics.two_way import Estimate

from ..schema import Measurement

RESAMPLES = 1000


def krippendorff_alpha(
    units: Sequence[object],
    values: Sequence[object],
    measurement: Measurement = "nominal",
    items: Sequence[object] | None = None,
    seed: int = 0,
) -> Estimate:
    """Return Krippendorff's α of answers, with a 95% bootstrap interval over items.

    K. Krippendorff, 'Content Analysis', 4th ed., chapter 12: 1 for perfect agreement, 0 for agreement by
    chance. Low values are usual for questions of taste; they are reported, and nothing is filtered by them.

    Args:
        units: (N,) the unit that each answer concerns.
        values: (N,) the answers; numbers where they are ordinal.
        measurement: The level of measurement: 'nominal' or 'ordinal'.
        items: (N,) the item of each answer, whose units are resampled together; None if each unit is one. The
            interval is conditional on the participants.
        seed: Seed of the resampling.

    Returns:
        The estimate; ``items`` counts those with at least two answers on a unit. NaN where all answers are
        equal.
    """
    counts = pd.crosstab(pd.Series(list(units), name="unit"), pd.Series(list(values), name="value"))
    counts = counts[counts.sum(axis=1) > 1]
    table = counts.to_numpy(np.int64)
    item_of = dict(zip(units, units if items is None else items, strict=True))
    owner, names = pd.factorize(np.array([item_of[unit] for unit in counts.index], dtype=object))
    members = [np.flatnonzero(owner == number) for number in range(len(names))]
    empty = Estimate(np.nan, n=int(table.sum()), items=len(members))
    if len(members) < 2:
        return empty._replace(reason="needs two items with two answers each")
    if (table.sum(axis=0) > 0).sum() < 2:
        return empty._replace(reason="all answers are the same: there is nothing to agree about")
    rng = np.random.default_rng(seed)
    chosen = rng.integers(len(members), size=(RESAMPLES, len(members)))
    drawn = [_alpha(table[np.concatenate([members[item] for item in row])], measurement) for row in chosen]
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return empty._replace(value=_alpha(table, measurement), low=low, high=high)


def _alpha(counts: NDArray[np.int64], measurement: Measurement) -> float:
    """Return α of (units, values) counts, values in order; NaN where there is only one value."""
    if (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement=measurement))
