"""Intervals for scores of whole sets, such as FID, by leaving out groups of subjects in turn.

A score of a set has no value for each output, and the bootstrap with replacement is no way out: repeated
images shrink the support of a set and push a Fréchet distance upwards. The jackknife leaves out instead, and
takes whole subjects. Two models' scores are of the same edits, so the difference leaves the same ones out on
both sides and what the models share cancels. Groups of unequal size have the weights of Busing, Meijer and
van der Leeden ('Delete-m jackknife for unequal m', Statistics and Computing 9, 1999). How often the intervals
cover is measured by ``benchmarks/set_coverage_simulation.py``; the table is in ``docs/intervals.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..core.contracts import Floats

Subsets = NDArray[np.bool_]

LEVEL = 0.95
METHOD = "jackknife over groups of subjects"
GROUPS = 20
"""At most so many groups of subjects are left out in turn."""
FEWEST_GROUPS = 3


class SetEstimate(NamedTuple):
    """A score of a set, or a difference of two, its 95% interval, and the two-sided p of 0.

    Interval and p are NaN where there are fewer than three subjects; p is NaN where nothing varies.
    """

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True)
class Replicates:
    """A score of a set, and those (G,) without each group in turn, of so many images: ``sizes`` (G,)."""

    value: float
    left_out: Floats
    sizes: NDArray[np.int64]

    def __sub__(self, other: Replicates) -> Replicates:
        """The difference of two scores of the same edits, in the same groups."""
        return Replicates(self.value - other.value, self.left_out - other.left_out, self.sizes)

    def estimate(self) -> SetEstimate:
        """The score with its t interval of as many degrees of freedom as there are groups, less one."""
        count = len(self.sizes)
        if count < FEWEST_GROUPS:
            return SetEstimate(self.value, np.nan, np.nan, np.nan)
        error = self._error()
        half = float(scipy.special.stdtrit(count - 1, (1 + LEVEL) / 2)) * error
        p = float(2 * scipy.special.stdtr(count - 1, -abs(self.value) / error)) if error > 0 else np.nan
        return SetEstimate(self.value, self.value - half, self.value + half, p)

    def _error(self) -> float:
        shares = self.sizes.sum() / self.sizes
        pseudo = shares * self.value - (shares - 1) * self.left_out
        centre = len(shares) * self.value - ((1 - 1 / shares) * self.left_out).sum()
        return float(np.sqrt(((pseudo - centre) ** 2 / (shares - 1)).mean()))


def subject_groups(subjects: NDArray[Any], seed: int = 0) -> NDArray[np.int64]:
    """(N,) the group of each output: whole subjects, at most ``GROUPS`` groups, about equally large.

    Args:
        subjects: (N,) who is shown.
        seed: Draws which subjects stand together; their order in ``subjects`` does not matter.
    """
    names, member, sizes = np.unique(np.asarray(subjects, dtype=str), return_inverse=True, return_counts=True)
    drawn = np.random.default_rng(seed).permutation(len(names))
    filled = np.zeros(min(len(names), GROUPS), np.int64)
    group = np.zeros(len(names), np.int64)
    for name in drawn[np.argsort(-sizes[drawn], kind="stable")]:
        group[name] = filled.argmin()
        filled[group[name]] += sizes[name]
    return group[member]


def replicates(value: float, groups: NDArray[np.int64], scores_of: Callable[[Subsets], Floats]) -> Replicates:
    """Leave out each group in turn.

    Args:
        value: The score of all outputs.
        groups: (N,) the group of each output.
        scores_of: Gives the (G,) scores of the subsets in the rows of (G, N).
    """
    present, sizes = np.unique(groups, return_counts=True)
    kept = groups != present[:, None]
    scores = scores_of(kept) if len(present) >= FEWEST_GROUPS else np.full(len(present), np.nan)
    return Replicates(value, scores, sizes.astype(np.int64))
