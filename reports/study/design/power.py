"""Compute the participants and answers that a study needs, by simulating people and items that differ.

An answer prefers the model in question with a probability that depends on who answers and on the item: on
the scale of the normal distribution, probability = Φ(mean + person + item). The mean is set so that the share
over all people and items is exactly the preference asked for. An intraclass correlation is the share of the
latent variance (answer, person, item) that lies between people, or between items.

Two tests are simulated. The exact binomial test assumes independent answers; with one answer each, or no
differences between people and items, it is correct, and ``exact_power`` is its power in closed form. The
clustered test is that of ``bench study analyze``, see ``fesbench.statistics.two_way``: of the difference
between two models, or of the share of one among more.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from fesbench.statistics.two_way import FEWEST_ITEMS, FEWEST_PARTICIPANTS

Array = NDArray[np.float64]

MOST = 512
"""Largest number of participants that is tried."""
MOST_ANSWERS = 4096
"""Largest number of independent answers that is tried."""
_AT_ONCE = 4_000_000
"""Number of simulated answers in memory at a time."""
_TINY = 1e-24
"""Variances below this come from rounding."""


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
        clustered += int((clustered_p(choices, scenario.chance) <= scenario.level).sum())
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


def clustered_p(choices: Array, chance: float) -> Array:
    """Return the p values by which ``bench study analyze`` judges studies.

    Args:
        choices: (S, P, I) float64 of S studies, 1 where a person prefers the model at an item, else 0.
        chance: The share under the null hypothesis.

    Returns:
        (S,) float64: of ``two_way.difference`` where chance is 1/2, else of ``two_way.share``. Where these
        have none, as for two people, it is 1.
    """
    people, items = choices.shape[1:]
    if people < FEWEST_PARTICIPANTS:
        return np.ones(len(choices))
    share = choices.mean(axis=(1, 2))
    spread = share * (1 - share)
    variance = _variance(choices, share)
    constant = np.sqrt(variance) <= np.sqrt(_TINY)
    freedom = min([people, items] if items >= FEWEST_ITEMS else [people]) - 1
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 1.0 if chance == 0.5 else chance * (1 - chance) / spread
        p = 2 * special.stdtr(freedom, -np.abs(share - chance) / np.sqrt(variance * scale))
    room = np.where(share < chance, 1 - chance, chance)
    unanimous = np.minimum(1.0, 2 * room**people)
    known: Array = (
        np.where(spread == 0, unanimous, np.where(constant, 1.0, p))
        if chance == 0.5
        else np.maximum(np.where(constant, 0.0, p), unanimous)
    )
    return known


def _variance(choices: Array, share: Array) -> Array:
    """Return the (S,) two-way cluster-robust variances of shares, as ``Clusters.error`` has them."""
    people, items = choices.shape[1:]
    left = (choices - share[:, None, None]) / (people * items)
    by_person: Array = (left.sum(axis=2) ** 2).sum(axis=1) * people / (people - 1)
    if items < FEWEST_ITEMS:
        return by_person
    by_item = (left.sum(axis=1) ** 2).sum(axis=1) * items / (items - 1)
    alone = (left**2).sum(axis=(1, 2)) * people * items / (people * items - 1)
    both: Array = by_person + by_item - alone
    found: Array = np.where(both > 0, both, np.maximum(by_person, by_item))
    return found


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
