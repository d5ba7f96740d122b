"""How far participants agree with each other, and with themselves."""

from __future__ import annotations

from collections.abc import Sequence

import krippendorff
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..schema import Measurement
from .estimates import LEVEL, Estimate

RESAMPLES = 1000


def krippendorff_alpha(
    units: Sequence[object],
    values: Sequence[object],
    measurement: Measurement = "nominal",
    seed: int = 0,
) -> Estimate:
    """Krippendorff's α of answers, with a 95% bootstrap interval over units.

    K. Krippendorff, 'Content Analysis', 4th ed., chapter 12: 1 where all agree, 0 where they agree as often
    as chance has it. Low values are usual where taste is asked for; they are reported, never filtered by.

    Args:
        units: (N,) what each answer is about.
        values: (N,) the answer; ordinal ones as numbers.
        measurement: Whether any two answers differ alike, or the more the more answers lie between them.
        seed: Of the resampling.

    Returns:
        The estimate; ``items`` counts units with at least two answers. Undefined where all answers are alike.
    """
    counts = pd.crosstab(pd.Series(list(units), name="unit"), pd.Series(list(values), name="value"))
    table = counts.to_numpy(np.int64)
    table = table[table.sum(axis=1) > 1]
    empty = Estimate(np.nan, n=int(table.sum()), items=len(table))
    if len(table) < 2:
        return empty._replace(reason="needs two items with two answers each")
    if (table.sum(axis=0) > 0).sum() < 2:
        return empty._replace(reason="all answers are the same: there is nothing to agree about")
    rng = np.random.default_rng(seed)
    samples = (table[rng.integers(len(table), size=len(table))] for _ in range(RESAMPLES))
    drawn = [_alpha(sample, measurement) for sample in samples]
    low, high = np.nanquantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return empty._replace(value=_alpha(table, measurement), low=low, high=high)


def _alpha(counts: NDArray[np.int64], measurement: Measurement) -> float:
    """α of (units, values) counts, values in order; NaN where one value is all there is."""
    if (counts.sum(axis=0) > 0).sum() < 2:
        return float("nan")
    return float(krippendorff.alpha(value_counts=counts, level_of_measurement=measurement))
