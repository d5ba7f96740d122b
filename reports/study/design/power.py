"""Compute the participants and answers that a study needs, by simulating people and items that differ.

An answer prefers the model in question with a probability that depends on who answers and on the item: on
the scale of the normal distribution, probability = Φ(mean + person + item). The mean is set so that the share
over all people and items is exactly the preference asked for. An intraclass correlation is the share of the
latent variance (answer, person, item) that lies between people, or between items.

Two tests are simulated. The exact binomial test assumes independent answers; with one answer each, or no
differences between people and items, it is correct, and ``exact_power`` is its power in closed form. The
clustered test divides by a standard error that is robust to both groupings (Cameron, Gelbach and Miller,
"Robust inference with multiway clustering", JBES 29(2), 2011) and takes Student's t with one degree of
freedom less than there are people or items, whichever are fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

Array = NDArray[np.float64]

MOST = 512
"""Largest number of participants that is tried."""
MOST_ANSWERS = 4096
"""Largest number of independent answers that is tried."""
_AT_ONCE = 4_000_000
"""Number of simulated answers in memory at a time."""


@dataclass(frozen=True)
class Scenario:
    """One comparison in a study.

    Args:
        preference: True share of answers that prefer the model.
        participants: Number of people.
        items: Number of items; each person gives one answer about each.
        chance: The share under the null hypothesis: 1/2 for pairs, 1/n for the best of n.
        icc_people: Share of the latent variance between people.
        icc_items: Share of the latent variance between items.
        alpha: Level of all tests together.
        tests: Number of tests; each is done at ``alpha / tests``, like the first step of Holm's method.
    """

    preference: float
    participants: int
    items: int
    chance: float = 0.5
    icc_people: float = 0.05
    icc_items: float = 0.05
    alpha: float = 0.05
    tests: int = 1

    @property
    def level(self) -> float:
        """The level of one test."""
        return self.alpha / self.tests


class Power(NamedTuple):
    """The share of simulated studies in which each test rejects."""

    binomial: float
    clustered: float


@cache
def _rejects(answers: int, chance: float, level: float) -> NDArray[np.bool_]:
    """Return (answers + 1,) bool: whether the exact two-sided binomial test rejects, for each count."""
    counts = np.arange(answers + 1)
    probabilities = stats.binom.pmf(counts, answers, chance)
    order = np.argsort(probabilities, kind="stable")
    below = np.cumsum(probabilities[order])
    place = np.searchsorted(probabilities[order], probabilities * (1 + 1e-7), side="right") - 1
    rejects: NDArray[np.bool_] = below[place] <= level
    return rejects


def exact_power(answers: int, preference: float, chance: float, level: float) -> float:
    """Return the power of the exact two-sided binomial test (SciPy's ``binomtest``), independent answers."""
    probabilities = stats.binom.pmf(np.arange(answers + 1), answers, preference)
    return float(probabilities[_rejects(answers, chance, level)].sum())


def answers_needed(preference: float, chance: float, level: float, power: float) -> int | None:
    """Return the number of independent answers from which on the power is at least ``power``.

    The power rises with the number of answers in a sawtooth. None if more than ``MOST_ANSWERS`` are needed.
    """
    low, high = 1, 16
    while exact_power(high, preference, chance, level) < power:
        low, high = high, high * 2
        if high > MOST_ANSWERS:
            return None
    tried = range(high + high // 4, low, -1)
    return 1 + next((n for n in tried if exact_power(n, preference, chance, level) < power), low)


def simulate(scenario: Scenario, repetitions: int, seed: int) -> Power:
    """Simulate studies and return the power of both tests.

    The Monte Carlo error of a power p is sqrt(p (1 − p) / repetitions).
    """
    rng = np.random.default_rng(seed)
    answers = scenario.participants * scenario.items
    rejects = _rejects(answers, scenario.chance, scenario.level)
    binomial = clustered = 0
    for choices in _studies(scenario, repetitions, rng):
        binomial += int(rejects[choices.sum(axis=(1, 2)).astype(int)].sum())
        clustered += int(_clustered_rejects(choices, scenario).sum())
    return Power(binomial / repetitions, clustered / repetitions)


def _studies(scenario: Scenario, repetitions: int, rng: np.random.Generator) -> Iterator[Array]:
    """Yield batches of (studies, participants, items) float64, zeros and ones."""
    shape = scenario.participants, scenario.items
    some = max(1, _AT_ONCE // (shape[0] * shape[1]))
    total = 1 / (1 - scenario.icc_people - scenario.icc_items)
    mean = special.ndtri(scenario.preference) * np.sqrt(total)
    for start in range(0, repetitions, some):
        count = min(some, repetitions - start)
        people = rng.normal(0, np.sqrt(scenario.icc_people * total), (count, shape[0], 1))
        items = rng.normal(0, np.sqrt(scenario.icc_items * total), (count, 1, shape[1]))
        chance = special.ndtr(mean + people + items)
        yield (rng.random((count, *shape)) < chance).astype(np.float64)


def _clustered_rejects(choices: Array, scenario: Scenario) -> NDArray[np.bool_]:
    share = choices.mean(axis=(1, 2))
    left = choices - share[:, None, None]
    answers = left.shape[1] * left.shape[2]
    by_person = (left.sum(axis=2) ** 2).sum(axis=1)
    by_item = (left.sum(axis=1) ** 2).sum(axis=1)
    alone = (left**2).sum(axis=(1, 2))
    variance = np.maximum.reduce([by_person + by_item - alone, by_person, by_item, alone]) / answers**2
    freedom = max(1, min(left.shape[1], left.shape[2]) - 1)
    critical = stats.t.ppf(1 - scenario.level / 2, freedom)
    rejects: NDArray[np.bool_] = np.abs(share - scenario.chance) > critical * np.sqrt(variance)
    return rejects


def participants_needed(scenario: Scenario, power: float, repetitions: int, seed: int) -> int | None:
    """Return the fewest participants with whom the clustered test reaches a power, None above ``MOST``."""

    def enough(people: int) -> bool:
        return simulate(replace(scenario, participants=people), repetitions, seed).clustered >= power

    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
        if high > MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
