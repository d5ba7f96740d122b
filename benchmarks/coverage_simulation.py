"""How often the 95% intervals of ``fesbench.statistics`` hold the true mean; prints a Markdown table.

Run ``python benchmarks/coverage_simulation.py`` (three minutes on one core). Columns are numbers of subjects;
beside the interval in use stand, at one number of them, the plain cluster-robust t interval, the percentile
and the BCa bootstrap over subjects, then the mean widths of the interval in use and of the one that fesbench
used before. The last lines count, and compare with a score interval of shares that is told the true ICC, and
with the exact binomial interval of one edit of each subject, whose coverage is computed, not simulated.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fesbench.statistics.binomial import score_interval
from fesbench.statistics.intervals import UNBOUNDED, Bounds, clustered_means

Floats = NDArray[np.float64]
Limits = tuple[Floats, Floats]

SUBJECTS = (3, 5, 10, 20, 40, 60)
ICCS = (0.0, 0.3, 0.7)
MEANS = (0.5, 0.9, 0.98, 1.0)
EDITS = 6
COMPARED = 20
LOWEST = 1e-9
UNIT, BOTH, POSITIVE = (0.0, 1.0), (-1.0, 1.0), (0.0, np.inf)


class Scenario(NamedTuple):
    """A distribution of mean ``mean``; ``draw(rng, repeats, subjects)`` gives (repeats, subjects, EDITS)."""

    family: str
    detail: str
    icc: float
    mean: float
    bounds: Bounds
    limits: Bounds
    draw: Callable[[np.random.Generator, int, int], Floats]


def beta(rng: np.random.Generator, mean: Floats | float, dispersion: float, shape: tuple[int, ...]) -> Floats:
    """Beta values with variance ``dispersion * mean * (1 - mean)``; 0 gives the mean itself."""
    if dispersion == 0:
        return np.broadcast_to(np.asarray(mean, dtype=np.float64), shape)
    size = 1 / dispersion - 1
    inner = np.clip(mean, LOWEST, 1 - LOWEST)
    return rng.beta(inner * size, (1 - inner) * size, shape)


def share(mean: float, icc: float) -> Scenario:
    """Beta-binomial successes, as in ECS."""

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        rate = beta(rng, mean, icc if mean < 1 else 0.0, (repeats, subjects, 1))
        return np.asarray(rng.random((repeats, subjects, EDITS)) < rate, dtype=np.float64)

    return Scenario("share", f"{mean:g}", icc, mean, UNIT, UNIT, draw)


def graded(mean: float, icc: float, dispersion: float = 0.15) -> Scenario:
    """Continuous scores in [0, 1], skewed where the mean is near an end, as in FSS."""

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        level = beta(rng, mean, dispersion * icc, (repeats, subjects, 1))
        within = dispersion * (1 - icc) / (1 - dispersion * icc)
        return beta(rng, level, within, (repeats, subjects, EDITS))

    return Scenario("graded", f"{mean:g}", icc, mean, UNBOUNDED, UNIT, draw)


def with_lost_faces(lost: float, icc: float) -> Scenario:
    """Graded scores around 0.9 of which a share counts as 0 because no face was left."""
    kept, level = share(1 - lost, icc), graded(0.9, 0.3)

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        return kept.draw(rng, repeats, subjects) * level.draw(rng, repeats, subjects)

    return Scenario("graded, lost faces", f"{lost:.0%} lost", icc, 0.9 * (1 - lost), UNBOUNDED, UNIT, draw)


def unbounded(icc: float, sigma: float = 0.6) -> Scenario:
    """Log-normal errors."""

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        between = rng.normal(size=(repeats, subjects, 1)) * np.sqrt(icc)
        within = rng.normal(size=(repeats, subjects, EDITS)) * np.sqrt(1 - icc)
        values: Floats = np.exp(sigma * (between + within))
        return values

    return Scenario("unbounded", "log-normal", icc, float(np.exp(sigma**2 / 2)), UNBOUNDED, POSITIVE, draw)


def difference(first: float, second: float, icc: float, common: float = 0.7) -> Scenario:
    """Paired difference of two models' successes on the same edits; subjects are hard for both alike."""

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        shared = rng.normal(size=(repeats, subjects, 1))

        def successes(rate: float) -> Floats:
            own = rng.normal(size=(repeats, subjects, 1))
            subject = np.sqrt(common) * shared + np.sqrt(1 - common) * own
            noise = rng.normal(size=(repeats, subjects, EDITS))
            latent = np.sqrt(icc) * subject + np.sqrt(1 - icc) * noise
            return np.asarray(latent < stats.norm.ppf(rate), dtype=np.float64)

        return successes(first) - successes(second)

    return Scenario("difference", f"{first:g} - {second:g}", icc, first - second, BOTH, BOTH, draw)


def scenarios() -> Iterator[Scenario]:
    """The grid."""
    for mean in MEANS:
        yield from (share(mean, icc) for icc in (ICCS if mean < 1 else (0.0,)))
    for mean in MEANS[:-1]:
        yield from (graded(mean, icc) for icc in ICCS)
    for lost in (0.02, 0.1):
        yield from (with_lost_faces(lost, icc) for icc in ICCS)
    yield from (unbounded(icc) for icc in ICCS)
    for rates in ((0.6, 0.5), (0.9, 0.8), (0.98, 0.95), (0.95, 0.95), (0.98, 0.1)):
        yield from (difference(*rates, icc) for icc in ICCS)


Method = Callable[[Floats, Scenario], Limits]
Found = dict[int, list[float]]
"""Number of subjects to the coverages of all settings with so many."""


def in_use(values: Floats, scenario: Scenario) -> Limits:
    """The interval of ``fesbench.statistics``."""
    repeats, subjects, edits = values.shape
    names = np.repeat([f"s{index}" for index in range(subjects)], edits).astype(object)
    columns = values.transpose(1, 2, 0).reshape(-1, repeats)
    found = clustered_means(columns, names, scenario.bounds, limits=scenario.limits)
    return found.low, found.high


def former(values: Floats, scenario: Scenario) -> Limits:
    """Wilson's interval with the cluster-robust variance, or a t interval, both widened for skewness.

    Where all subjects agree on a share, the exact binomial interval on subjects.
    """
    means = values.mean(2)
    subjects, mean = means.shape[1], means.mean(1)
    apart = means - mean[:, None]
    error, t = means.std(1, ddof=1) / np.sqrt(subjects), stats.t.ppf(0.975, subjects - 1)
    skewness = (apart**3).mean(1) / np.maximum(means.std(1), LOWEST) ** 3
    low, high = scenario.bounds
    ends = mean - t * error, mean + t * error
    if np.isfinite(high - low):
        ends = wilson(mean, error, t, scenario.bounds)
    a = skewness / (3 * np.sqrt(subjects)) + LOWEST
    tails = [(np.cbrt(1 + 3 * a * (y - skewness / (6 * subjects**0.5))) - 1) / a for y in (t, -t)]
    lower = np.where(skewness < 0, np.minimum(ends[0], mean - error * tails[0]), ends[0])
    upper = np.where(skewness > 0, np.maximum(ends[1], mean - error * tails[1]), ends[1])
    reach = 1 - 0.025 ** (1 / subjects)
    agree = error <= LOWEST
    lower = np.where(agree, mean - (mean - low) * reach if np.isfinite(low) else np.nan, lower)
    upper = np.where(agree, mean + (high - mean) * reach if np.isfinite(high) else np.nan, upper)
    return np.clip(lower, low, high), np.clip(upper, low, high)


def wilson(mean: Floats, error: Floats, t: float, bounds: Bounds) -> Limits:
    """The score interval of a share that varies by ``error``."""
    low, high = bounds
    share = (mean - low) / (high - low)
    spread = np.maximum(share * (1 - share), LOWEST)
    k = (t * error / (high - low)) ** 2 / spread
    centre, half = (share + k / 2) / (1 + k), np.sqrt(k * spread + k**2 / 4) / (1 + k)
    return low + (high - low) * (centre - half), low + (high - low) * (centre + half)


def told_the_icc(values: Floats, scenario: Scenario) -> Limits:
    """The score interval of a share with the true design effect: what no sample can know."""
    repeats, subjects, edits = values.shape
    share, size = values.mean((1, 2)), subjects * edits / (1 + (edits - 1) * scenario.icc)
    found = score_interval(share, np.full(repeats, size), np.full(repeats, stats.norm.ppf(0.975)))
    return found.low, found.high


def coverage_of_exact(mean: float, subjects: int) -> float:
    """The percentage of exact binomial intervals, one edit of each subject, that hold the true share."""
    counts = np.arange(subjects + 1)
    columns = (counts[None, :] > np.arange(subjects)[:, None]).astype(np.float64)
    names = np.array([f"s{index}" for index in range(subjects)], dtype=object)
    found = clustered_means(columns, names, UNIT)
    held = (found.low <= mean) & (mean <= found.high)
    return 100 * float(stats.binom.pmf(counts, subjects, mean)[held].sum())


def plain_t(values: Floats, scenario: Scenario) -> Limits:
    """Mean of the subjects' means, plus and minus t times its standard error."""
    means = values.mean(2)
    subjects = means.shape[1]
    half = stats.t.ppf(0.975, subjects - 1) * means.std(1, ddof=1) / np.sqrt(subjects)
    return means.mean(1) - half, means.mean(1) + half


def resampled(values: Floats, resamples: int = 500) -> tuple[Floats, Floats]:
    """(repeats, subjects) means of the subjects, and (repeats, resamples) means of resampled subjects."""
    means = values.mean(2)
    subjects = means.shape[1]
    weights = np.random.default_rng(1).multinomial(subjects, np.full(subjects, 1 / subjects), resamples)
    return means, means @ weights.T / subjects


def percentile_bootstrap(values: Floats, scenario: Scenario) -> Limits:
    """The middle 95% of the means of resampled subjects."""
    low, high = np.quantile(resampled(values)[1], (0.025, 0.975), axis=1)
    return low, high


def bca_bootstrap(values: Floats, scenario: Scenario) -> Limits:
    """The same, corrected for bias and acceleration (B. Efron, JASA 82, 1987)."""
    means, drawn = resampled(values)
    count, mean = drawn.shape[1], means.mean(1, keepdims=True)
    below = ((drawn < mean).mean(1) + (drawn <= mean).mean(1)) / 2
    bias = stats.norm.ppf(np.clip(below, 1 / count, 1 - 1 / count))
    cubes, squares = (((means - mean) ** power).sum(1) for power in (3, 2))
    acceleration = cubes / (6 * np.maximum(squares, LOWEST) ** 1.5)
    ends = []
    for quantile in stats.norm.ppf((0.025, 0.975)):
        level = stats.norm.cdf(bias + (bias + quantile) / (1 - acceleration * (bias + quantile)))
        place = np.rint(level * (count - 1)).astype(int)
        ends.append(np.take_along_axis(np.sort(drawn, axis=1), place[:, None], axis=1)[:, 0])
    return ends[0], ends[1]


COMPARISONS = {"t": plain_t, "bootstrap": percentile_bootstrap, "BCa": bca_bootstrap}
FEWEST, INSIDE = 10, (93.0, 97.0)
"""What is asked of the interval in use: with so many subjects or more, a coverage between these,"""
FEW, LEAST = 5, 92.0
"""and with so many, at least this."""


class Coverage(NamedTuple):
    """The percentage of intervals that hold the mean, and their mean width inside the bounds."""

    held: float
    width: float


def coverage(scenario: Scenario, method: Method, subjects: int, repeats: int, seed: int) -> Coverage:
    """How a method does in a scenario."""
    rng = np.random.default_rng([seed, subjects])
    low, high = method(scenario.draw(rng, repeats, subjects), scenario)
    held = (low <= scenario.mean + LOWEST) & (high >= scenario.mean - LOWEST)
    width = np.clip(high, *scenario.limits) - np.clip(low, *scenario.limits)
    return Coverage(100 * float(held.mean()), float(np.nanmean(width)))


def counted(family: str, found: Mapping[int, Sequence[float]]) -> str:
    """How many coverages of a family of settings are what is asked for."""
    many = np.round([held for count in SUBJECTS if count >= FEWEST for held in found[count]], 1)
    few = [held for count in SUBJECTS if count >= FEW for held in found[count]]
    low, high = (many < INSIDE[0]).sum(), (many > INSIDE[1]).sum()
    return (
        f"{family}: {len(many) - low - high} of {len(many)} lie in {INSIDE}, {low} below, {high} above; with "
        f"{FEW} subjects or more, {(np.array(few) < LEAST).sum()} of {len(few)} below {LEAST}, the lowest "
        f"{min(few):.1f}."
    )


def row(scenario: Scenario, used: Mapping[int, Coverage], repeats: int, seed: int) -> str:
    """A row of the table."""
    others = [coverage(scenario, method, COMPARED, repeats, seed) for method in COMPARISONS.values()]
    before = coverage(scenario, former, COMPARED, repeats, seed)
    about = [scenario.family, scenario.detail, f"{scenario.icc:g}"]
    numbers = [f"{cell.held:.1f}" for cell in (*used.values(), *others)]
    widths = [f"{cell.width:.3f}" for cell in (used[COMPARED], before)]
    return f"| {' | '.join(about + numbers + widths)} |"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    fixed = options.repeats, options.seed
    heads = ["values", "mean", "ICC", *(f"{count}" for count in SUBJECTS)]
    heads += [f"{name}, {COMPARED}" for name in (*COMPARISONS, "width", "width before")]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    asked: dict[str, Found] = defaultdict(lambda: {count: [] for count in SUBJECTS})
    for scenario in scenarios():
        used = {count: coverage(scenario, in_use, count, *fixed) for count in SUBJECTS}
        print(row(scenario, used, *fixed), flush=True)
        if scenario.mean == scenario.bounds[1]:
            continue
        for count in SUBJECTS:
            asked[scenario.family.partition(",")[0]][count].append(used[count].held)
            if scenario.family == "share":
                told = coverage(scenario, told_the_icc, count, *fixed).held
                asked["share, ICC told"][count].append(told)
    print("\n" + "\n".join(counted(family, found) for family, found in asked.items()))
    for mean in MEANS[:-1]:
        exact = [f"{coverage_of_exact(mean, count):.1f}" for count in SUBJECTS]
        print(f"exact binomial, one edit of each subject, share {mean:g}: {', '.join(exact)}")


if __name__ == "__main__":
    main()
