"""Does the analysis of a human study find what is there? Simulated studies with known preferences.

Every participant and every item has a taste of its own for each model, on top of the models' strengths; who
chooses what follows Luce's model. The truth is the share of choices among all people and all items, not among
those of the study. Printed as Markdown, for docs/study.md: how often 95% intervals hold the truth, and how
often tests reject a null that is true.

Usage: ``python benchmarks/study_simulation.py [--repeats 2000] [--seed 0]``
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from fesbench.core.contracts import Floats
from fesbench.reports.study.analysis.significance import binomial, discordant
from fesbench.reports.study.analysis.strengths import luce
from fesbench.statistics.two_way import (
    Clusters,
    Estimate,
    bootstrap,
    mean,
    ratio,
    share,
)

STRENGTHS = {7: np.array([0.7, 0.3, 0.0, 0.0, -0.2, -0.3, -0.5]), 2: np.array([0.4, 0.0])}
TRUTH_DRAWS = 2_000_000
RESAMPLES = 300
SLOW_EVERY = 20
"""Strengths are fitted, and answers resampled, in every so manieth repeat."""


class Setting(NamedTuple):
    """A study: options in a trial, participants, items, items that each sees, and spread of tastes."""

    options: int
    participants: int
    items: int
    seen: int
    tastes: float

    @property
    def about(self) -> list[str]:
        """The cells of its row in a table."""
        design = "2AFC" if self.options == 2 else f"best of {self.options}"
        return [design, *(f"{number:g}" for number in self[1:])]


SETTINGS = (
    Setting(7, 300, 60, 36, 0.0),
    Setting(7, 300, 60, 36, 0.4),
    Setting(7, 300, 30, 30, 0.4),
    Setting(7, 300, 30, 30, 0.8),
    Setting(7, 40, 60, 36, 0.4),
    Setting(2, 300, 60, 36, 0.0),
    Setting(2, 300, 60, 36, 0.4),
    Setting(2, 300, 30, 30, 0.8),
    Setting(2, 40, 60, 36, 0.4),
)


def softmax(utilities: Floats) -> Floats:
    weights = np.exp(utilities - utilities.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def true_shares(strengths: Floats, tastes: float) -> Floats:
    """Shares over all people and items; both tastes have the same spread."""
    rng = np.random.default_rng(99)
    batches = [
        softmax(strengths + rng.normal(scale=tastes * np.sqrt(2), size=(100_000, len(strengths)))).mean(
            axis=0
        )
        for _ in range(TRUTH_DRAWS // 100_000)
    ]
    found: Floats = np.mean(batches, axis=0)
    return found


def simulate(setting: Setting, strengths: Floats, rng: np.random.Generator) -> tuple[Floats, Clusters]:
    """(N, K) zeros and ones, and who answered about what."""
    counts = setting.participants, setting.items
    seen = np.argsort(rng.random(counts), axis=1)[:, : setting.seen]
    who, what = np.repeat(np.arange(setting.participants), setting.seen), seen.ravel()
    tastes = [rng.normal(scale=setting.tastes, size=(count, len(strengths))) for count in counts]
    utilities = strengths + tastes[0][who] + tastes[1][what] + rng.gumbel(size=(len(who), len(strengths)))
    chosen = np.eye(len(strengths))[utilities.argmax(axis=1)]
    return chosen, Clusters(who.astype(np.int64), what.astype(np.int64))


def holds(found: Estimate, truth: float) -> bool:
    return found.low <= truth <= found.high


def coverage(setting: Setting, repeats: int, seed: int) -> Counter[str]:
    """How often each interval of the first model held the truth."""
    strengths = STRENGTHS[setting.options]
    truth = true_shares(strengths, setting.tastes)
    rng, counts = np.random.default_rng([seed, *setting[:4]]), Counter[str]()
    for repeat in range(repeats):
        chosen, clusters = simulate(setting, strengths, rng)
        first, second = chosen[:, 0], chosen[:, 1]
        counts["share"] += holds(share(first, clusters), truth[0])
        counts["points"] += holds(mean(first - second, clusters), truth[0] - truth[1])
        counts["ratio"] += holds(ratio(first, second, clusters), truth[0] / truth[1])
        if repeat % SLOW_EVERY == 0:
            counts["slow"] += 1
            low, high = bootstrap(chosen[:, :1], clusters, repeat, RESAMPLES)
            counts["bootstrap"] += bool(low[0] <= truth[0] <= high[0])
            # The marginal shares are what Luce's model describes: its strengths are their logarithms.
            logs = np.log(truth)
            counts["strength"] += holds(luce(chosen, clusters)[0], logs[0] - logs.mean())
    return counts


def rejections(setting: Setting, repeats: int, seed: int) -> Counter[str]:
    """How often tests of two equally good models reject at 5%."""
    rng, counts = np.random.default_rng([seed, 1, *setting[:4]]), Counter[str]()
    for _ in range(repeats):
        chosen, clusters = simulate(setting, np.zeros(setting.options), rng)
        first, second = chosen[:, 0], chosen[:, 1]
        counts["clustered"] += mean(first - second, clusters).p < 0.05
        counts["discordant"] += discordant(first, second)[2] < 0.05
        counts["binomial"] += binomial(int(first.sum()), len(first), 1 / setting.options) < 0.05
    return counts


def rows(repeats: int, seed: int) -> Iterator[tuple[list[str], list[float]]]:
    """The cells of each setting: what it is, and percentages."""
    for setting in SETTINGS:
        held, rejected = coverage(setting, repeats, seed), rejections(setting, repeats, seed)
        shown = [held[name] / repeats for name in ("share", "points", "ratio")]
        shown += [held[name] / held["slow"] for name in ("strength", "bootstrap")]
        shown += [rejected[name] / repeats for name in ("clustered", "discordant", "binomial")]
        yield setting.about, [100 * value for value in shown]


HEADS = (
    "design", "participants", "items", "seen", "tastes", "share", "points", "ratio", "strength", "bootstrap",
    "clustered", "discordant", "binomial",
)  # fmt: skip


def main() -> None:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(f"| {' | '.join(HEADS)} |\n{'|---' * len(HEADS)}|")
    for about, numbers in rows(options.repeats, options.seed):
        print(f"| {' | '.join([*about, *(f'{number:.1f}' for number in numbers)])} |", flush=True)


if __name__ == "__main__":
    main()
