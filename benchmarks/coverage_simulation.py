"""How often the 95% intervals of ``fesbench.statistics`` hold the true mean; prints a Markdown table.

Run ``python benchmarks/coverage_simulation.py`` (about a minute on one core). Columns are numbers of
subjects; beside the interval in use stand the plain cluster-robust t interval and the percentile bootstrap
over subjects, and the mean width of the one in use.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from fesbench.statistics.intervals import UNBOUNDED, Bounds, clustered_means

Floats = NDArray[np.float64]
Limits = tuple[Floats, Floats]

SUBJECTS = (3, 5, 10, 20, 40, 60)
ICCS = (0.0, 0.3, 0.7)
MEANS = (0.5, 0.9, 0.98, 1.0)
EDITS = 6
COMPARED = 20
LOWEST = 1e-9


class Scenario(NamedTuple):
    """A distribution of mean ``mean``; ``draw(rng, repeats, subjects)`` gives (repeats, subjects, EDITS)."""

    family: str
    detail: str
    icc: float
    mean: float
    bounds: Bounds
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

    return Scenario("share", f"{mean:g}", icc, mean, (0.0, 1.0), draw)


def graded(mean: float, icc: float, dispersion: float = 0.15) -> Scenario:
    """Continuous scores in [0, 1], skewed where the mean is near an end, as in FSS."""

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        level = beta(rng, mean, dispersion * icc, (repeats, subjects, 1))
        within = dispersion * (1 - icc) / (1 - dispersion * icc)
        return beta(rng, level, within, (repeats, subjects, EDITS))

    return Scenario("graded", f"{mean:g}", icc, mean, UNBOUNDED, draw)


def with_lost_faces(lost: float, icc: float) -> Scenario:
    """Graded scores around 0.9 of which a share counts as 0 because no face was left."""
    kept, level = share(1 - lost, icc), graded(0.9, 0.3)

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        return kept.draw(rng, repeats, subjects) * level.draw(rng, repeats, subjects)

    return Scenario("graded, lost faces", f"{lost:.0%} lost", icc, 0.9 * (1 - lost), UNBOUNDED, draw)


def unbounded(icc: float, sigma: float = 0.6) -> Scenario:
    """Log-normal errors."""

    def draw(rng: np.random.Generator, repeats: int, subjects: int) -> Floats:
        between = rng.normal(size=(repeats, subjects, 1)) * np.sqrt(icc)
        within = rng.normal(size=(repeats, subjects, EDITS)) * np.sqrt(1 - icc)
        values: Floats = np.exp(sigma * (between + within))
        return values

    return Scenario("unbounded", "log-normal", icc, float(np.exp(sigma**2 / 2)), UNBOUNDED, draw)


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

    return Scenario("difference", f"{first:g} - {second:g}", icc, first - second, (-1.0, 1.0), draw)


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


def in_use(values: Floats, bounds: Bounds) -> Limits:
    """The interval of ``fesbench.statistics``."""
    repeats, subjects, edits = values.shape
    names = np.repeat([f"s{index}" for index in range(subjects)], edits).astype(object)
    found = clustered_means(values.transpose(1, 2, 0).reshape(-1, repeats), names, bounds)
    return found.low, found.high


def plain_t(values: Floats, bounds: Bounds) -> Limits:
    """Mean of the subjects' means, plus and minus t times its standard error."""
    means = values.mean(2)
    subjects = means.shape[1]
    half = stats.t.ppf(0.975, subjects - 1) * means.std(1, ddof=1) / np.sqrt(subjects)
    return means.mean(1) - half, means.mean(1) + half


def percentile_bootstrap(values: Floats, bounds: Bounds, resamples: int = 500) -> Limits:
    """The middle 95% of the means of resampled subjects."""
    means = values.mean(2)
    subjects = means.shape[1]
    weights = np.random.default_rng(1).multinomial(subjects, np.full(subjects, 1 / subjects), resamples)
    low, high = np.quantile(means @ weights.T / subjects, (0.025, 0.975), axis=1)
    return low, high


METHODS = {"in use": in_use, "plain t": plain_t, "percentile bootstrap": percentile_bootstrap}


def coverage(scenario: Scenario, subjects: int, repeats: int, seed: int) -> dict[str, tuple[float, float]]:
    """Method to (percentage of intervals that hold the mean, mean width inside the bounds)."""
    rng = np.random.default_rng([seed, subjects])
    values = scenario.draw(rng, repeats, subjects)
    result = {}
    for name, method in METHODS.items():
        low, high = method(values, scenario.bounds)
        held = (low <= scenario.mean + LOWEST) & (high >= scenario.mean - LOWEST)
        width = np.clip(high, *scenario.bounds) - np.clip(low, *scenario.bounds)
        result[name] = 100 * float(held.mean()), float(width.mean())
    return result


def markdown(scenario: Scenario, cells: dict[int, dict[str, tuple[float, float]]]) -> str:
    """One row of the table."""
    held = [f"{cells[subjects]['in use'][0]:.1f}" for subjects in SUBJECTS]
    beside = cells[COMPARED]
    others = [f"{beside[name][0]:.1f}" for name in ("plain t", "percentile bootstrap")]
    entries = [scenario.family, scenario.detail, f"{scenario.icc:g}", *held, *others]
    return f"| {' | '.join(entries)} | {beside['in use'][1]:.3f} |"


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    heads = ["values", "mean", "ICC", *(f"{count}" for count in SUBJECTS)]
    heads += [f"t, {COMPARED}", f"bootstrap, {COMPARED}", f"width, {COMPARED}"]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for scenario in scenarios():
        cells = {count: coverage(scenario, count, options.repeats, options.seed) for count in SUBJECTS}
        print(markdown(scenario, cells))


if __name__ == "__main__":
    main()
