"""Adjusting p values for how many tests were made."""

from __future__ import annotations

import numpy as np

from ..core.contracts import Floats


def holm(p: Floats) -> Floats:
    """Holm's step-down adjusted p values of (K,) p values; NaN stays NaN and counts for no test.

    S. Holm, 'A simple sequentially rejective multiple test procedure', Scand. J. Statist. 6, 1979.
    """
    adjusted = np.full_like(p, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return adjusted
