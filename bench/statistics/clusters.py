"""Rows that belong to subjects and strata, and sums over them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.contracts import Floats

Codes = NDArray[np.int64]


@dataclass(frozen=True)
class Layout:
    """The subject and the stratum of each of N rows: (N,) int64 codes from 0 on, without gaps."""

    subjects: Codes
    strata: Codes

    @classmethod
    def of(cls, subjects: NDArray[np.object_], strata: NDArray[np.object_] | None = None) -> Layout:
        """Return the layout of rows from the (N,) names of their subjects and strata; None is one stratum."""
        codes = _codes(subjects)
        return cls(codes, np.zeros_like(codes) if strata is None else _codes(strata))

    def weights(self, values: Floats) -> Floats:
        """Return the weight of each of (N, K) values in the mean of the strata's means; 0 where missing."""
        seen = ~np.isnan(values)
        counts = sum_by(self.strata, seen.astype(np.float64))
        active = np.maximum((counts > 0).sum(0), 1)
        weights: Floats = np.where(seen, 1 / (np.maximum(counts, 1)[self.strata] * active), 0.0)
        return weights

    def clusters(self, values: Floats) -> Codes:
        """Return the number of subjects that have a value, (K,)."""
        counts: Codes = (sum_by(self.subjects, (~np.isnan(values)).astype(np.float64)) > 0).sum(0)
        return counts

    def dof(self, values: Floats) -> Codes:
        """Return the degrees of freedom of the variance between subjects, (K,).

        Each stratum costs one where every subject stands in one stratum only, else all together cost one.
        """
        active = (sum_by(self.strata, (~np.isnan(values)).astype(np.float64)) > 0).sum(0)
        found: Codes = self.clusters(values) - (active if self._nested() else np.minimum(active, 1))
        return found

    def _nested(self) -> bool:
        if len(self.subjects) == 0:
            return False
        pairs = np.unique(self.subjects * (self.strata.max() + 1) + self.strata)
        return len(pairs) == len(np.unique(self.subjects))


def _codes(names: NDArray[np.object_]) -> Codes:
    return pd.factorize(names)[0].astype(np.int64)


def sum_by(codes: Codes, rows: Floats) -> Floats:
    """Return the (G, K) sums of the (N, K) rows of each code; codes are 0..G-1, all present."""
    if len(codes) == 0:
        return np.zeros((1, rows.shape[1]))
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    sums: Floats = np.add.reduceat(rows[order], starts, axis=0)
    return sums
