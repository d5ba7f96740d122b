"""Means of answers with 95% intervals that hold for new participants and new items at once.

Answers of one participant resemble each other, and so do answers about one item. The variance of a mean is
therefore the two-way cluster-robust one: that of participants' sums, plus that of items' sums, less that of
the sums of each participant on each item, which both count (A. C. Cameron, J. B. Gelbach and D. L. Miller,
'Robust inference with multiway clustering', J. Bus. Econ. Stat. 29, 2011). The variance of a smooth
function of means, such as a ratio or d′, is that of the sum of the influence of each answer on it.

``bootstrap`` resamples participants and items with replacement, for comparison: it counts the noise of single
answers up to three times (A. B. Owen, 'The pigeonhole bootstrap', Ann. Appl. Stat. 1, 2007), so its intervals
are too wide where answers are noisy. ``benchmarks/study_simulation.py`` measures the coverage of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

from ..core.contracts import Floats
from .binomial import score_interval
from .intervals import LEVEL

Codes = NDArray[np.int64]

FEWEST_PARTICIPANTS = 3
"""Two people show how far two people differ, not how far people do."""
FEWEST_ITEMS = 5
"""With fewer items, intervals hold for other participants who judge the same items, not for other items."""
RESAMPLES = 2000
_BATCH = 100
"""Resamples at a time, so that a bootstrap needs no more than a few dozen megabytes."""
_TINY = 1e-12


class Estimate(NamedTuple):
    """A number with its 95% interval; missing fields are NaN, and ``reason`` says why.

    ``p`` is the two-sided p value of the null hypothesis that the function documents. ``n`` counts answers.
    """

    value: float
    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    n: int = 0
    participants: int = 0
    items: int = 0
    reason: str = ""


@dataclass(frozen=True)
class Clusters:
    """The participant and the item of each of N answers: (N,) int64 codes from 0 on, without gaps."""

    participants: Codes
    items: Codes

    @classmethod
    def of(cls, participants: Sequence[object], items: Sequence[object]) -> Clusters:
        """Return the clusters of N answers from the (N,) names of their participants and items."""
        return cls(_codes(participants), _codes(items))

    def __len__(self) -> int:
        return len(self.participants)

    def __getitem__(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> Clusters:
        """Return the clusters of some of the answers, recoded without gaps."""
        return Clusters.of(self.participants[rows], self.items[rows])  # type: ignore[arg-type]

    @property
    def counts(self) -> tuple[int, int]:
        """The numbers of participants and of items."""
        return int(self.participants.max(initial=-1)) + 1, int(self.items.max(initial=-1)) + 1

    @property
    def ways(self) -> list[Codes]:
        """The groupings with enough clusters to estimate a variance from."""
        people, items = self.counts
        return [self.participants] * (people > 1) + [self.items] * (items >= FEWEST_ITEMS)

    @property
    def dof(self) -> int:
        """The degrees of freedom: the smaller number of clusters, minus one."""
        return min((int(codes.max()) for codes in self.ways), default=0)

    def error(self, influence: Floats) -> float:
        """Return the standard error of a number, from the (N,) influence of each answer on it (sum 0).

        Where answers are spread more evenly than by chance, the two-way variance can be negative; the larger
        of the two one-way variances is used then.
        """
        parts = [_variance(codes, influence) for codes in self.ways]
        if len(parts) < 2:
            return float(np.sqrt(parts[0])) if parts else float("nan")
        both = self.participants * (self.items.max() + 1) + self.items
        found = sum(parts) - _variance(_codes(both), influence)
        return float(np.sqrt(found if found > 0 else max(parts)))


def _codes(names: Sequence[object] | NDArray[np.int64]) -> Codes:
    return np.unique(np.asarray(names), return_inverse=True)[1].astype(np.int64)


def _variance(codes: Codes, influence: Floats) -> float:
    """Return the sum over G clusters of their squared sums, times the small-sample factor G / (G − 1)."""
    sums = np.bincount(codes, influence)
    return float(sums @ sums) * len(sums) / max(len(sums) - 1, 1)


def smooth(value: float, influence: Floats, clusters: Clusters, null: float = 0.0) -> Estimate:
    """Return a smooth function of means with its t interval.

    Args:
        value: The estimate.
        influence: (N,) float64, the influence of each answer on it; sums to 0.
        clusters: The participant and the item of each answer.
        null: The value that ``p`` tests.
    """
    counts = len(clusters), *clusters.counts
    problem = _problem(clusters)
    if problem or not np.isfinite(value):
        return Estimate(value, np.nan, np.nan, np.nan, *counts, problem or "not defined for these answers")
    error = clusters.error(influence)
    if error <= _TINY:
        return Estimate(value, np.nan, np.nan, np.nan, *counts, "all answers agree: no variation to judge by")
    half = float(scipy.special.stdtrit(clusters.dof, (1 + LEVEL) / 2)) * error
    p = 2 * float(scipy.special.stdtr(clusters.dof, -abs(value - null) / error))
    return Estimate(value, value - half, value + half, p, *counts)


def _problem(clusters: Clusters) -> str:
    if len(clusters) == 0:
        return "no answers"
    few = clusters.counts[0] < FEWEST_PARTICIPANTS
    return f"an interval needs at least {FEWEST_PARTICIPANTS} participants" if few else ""


def mean(values: Floats, clusters: Clusters, null: float = 0.0) -> Estimate:
    """Return the mean of (N,) graded answers, or of differences; ``p`` tests mean = ``null``."""
    if len(values) == 0:
        return Estimate(np.nan, reason="no answers")
    average = float(values.mean())
    return smooth(average, (values - average) / len(values), clusters, null)


def share(successes: Floats, clusters: Clusters, null: float = 0.5) -> Estimate:
    """Return the share of successes with its score (Wilson) interval; ``p`` tests share = ``null``.

    Args:
        successes: (N,) float64, zeros and ones.
        clusters: The participant and the item of each answer.
        null: The share expected by chance.

    Returns:
        The estimate, its interval inside [0, 1]. Where all answers agree, the interval is the exact binomial
        one that counts each participant once; no other is tighter than that at its end.
    """
    found = mean(successes, clusters, null)
    if np.isnan(found.value) or _problem(clusters):
        return found
    reach = zero_count_limit(found.participants)
    room = 1 - null if found.value < null else null
    p_unanimous = min(1.0, 2 * room**found.participants)
    low, high, p = _scored(found, successes, clusters, null)
    return found._replace(low=min(low, 1 - reach), high=max(high, reach), p=max(p, p_unanimous), reason="")


def _scored(
    found: Estimate, successes: Floats, clusters: Clusters, null: float
) -> tuple[float, float, float]:
    """Return the ends of the score interval and its p; those of the value alone where nothing varies."""
    variance = clusters.error((successes - found.value) / len(successes)) ** 2
    if variance <= _TINY:
        return found.value, found.value, 0.0
    t = float(scipy.special.stdtrit(clusters.dof, (1 + LEVEL) / 2))
    spread = found.value * (1 - found.value)
    low, high = score_interval(*map(np.asarray, (found.value, spread / variance, t)))
    score = abs(found.value - null) / np.sqrt(variance * null * (1 - null) / spread)
    return float(low), float(high), 2 * float(scipy.special.stdtr(clusters.dof, -score))


def zero_count_limit(n: int) -> float:
    """Return the upper end of the exact binomial (Clopper-Pearson) 95% interval for 0 successes in ``n``."""
    limit: float = 1 - ((1 - LEVEL) / 2) ** (1 / n)
    return limit


def difference(first: Floats, second: Floats, clusters: Clusters) -> Estimate:
    """Return the difference of two means; ``p`` tests difference = 0.

    Where each answer is a vote for one of the two and one has all votes, interval and p come from ``share``.

    Args:
        first: (N,) float64, the value of each answer for the first mean, such as 1 for a vote; NaN where the
            answer does not concern it.
        second: (N,) float64, the same for the second mean; one answer may count for both.
        clusters: The participant and the item of each answer.
    """
    (a, move_a), (b, move_b) = _mean_of_known(first), _mean_of_known(second)
    if {a, b} == {0.0, 1.0} and np.all(first + second == 1):
        votes = share(first, clusters)
        return votes._replace(value=a - b, low=2 * votes.low - 1, high=2 * votes.high - 1)
    return smooth(a - b, move_a - move_b, clusters)


def ratio(first: Floats, second: Floats, clusters: Clusters) -> Estimate:
    """Return the ratio of two means with an interval from its logarithm; ``p`` tests ratio = 1.

    Where one has no votes there is no interval, and p is that of the difference: both test the same
    hypothesis.

    Args:
        first: (N,) float64, the answers for the numerator, as in ``difference``.
        second: (N,) float64, those for the denominator.
        clusters: The participant and the item of each answer.
    """
    (a, move_a), (b, move_b) = _mean_of_known(first), _mean_of_known(second)
    if not (a > 0 and b > 0):
        found = difference(first, second, clusters)
        value = a / b if b > 0 else np.nan
        return found._replace(
            value=value, low=np.nan, high=np.nan, reason="a ratio needs votes on both sides"
        )
    log = smooth(float(np.log(a / b)), move_a / a - move_b / b, clusters)
    value, low, high = np.exp([log.value, log.low, log.high]).tolist()
    return log._replace(value=value, low=low, high=high)


def _mean_of_known(values: Floats) -> tuple[float, Floats]:
    """Return the mean of the values that are not NaN, and the influence of each answer on it."""
    known = ~np.isnan(values)
    count = max(int(known.sum()), 1)
    average = float(np.nansum(values)) / count if known.any() else float("nan")
    return average, np.where(known, values - average, 0.0) / count


def bootstrap(values: Floats, clusters: Clusters, seed: int = 0, resamples: int = RESAMPLES) -> Floats:
    """Return the 95% percentile interval of K means, resampling participants and items at once.

    Args:
        values: (N, K) float64, K numbers for each answer; NaN where an answer has none.
        clusters: The participant and the item of each answer.
        seed: Seed of the resampling.
        resamples: Number of resamples.

    Returns:
        (2, K) float64, the low and the high ends.
    """
    rng = np.random.default_rng(seed)
    known = (~np.isnan(values)).astype(np.float64)
    filled = np.nan_to_num(values)
    drawn = []
    for _ in range(0, resamples, _BATCH):
        people, items = (
            rng.multinomial(count, np.full(count, 1 / count), _BATCH) for count in clusters.counts
        )
        weights = (people[:, clusters.participants] * items[:, clusters.items]).astype(np.float64)
        with np.errstate(invalid="ignore"):
            drawn.append(weights @ filled / (weights @ known))
    ends: Floats = np.nanquantile(np.concatenate(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return ends
