"""What a study is made from: edits that every model answered, and their pictures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fesbench.core.contracts import Image
from fesbench.core.errors import BenchError

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Candidate:
    """One edit that could be an item. ``source_expression`` is ``UNKNOWN`` where nobody stated it.

    ``source`` names the real photo that is edited, ``has_truth`` says whether there is one of the target
    expression.
    """

    dataset: str
    domain: str
    subject: str
    expression: str
    edit: str
    source: str
    source_expression: str
    has_truth: bool


class Material(ABC):
    """The pictures of a run, all squares of one size: (S, S, 3) uint8.

    ``models`` are compared; ``titles`` are their names in print, of ``anchors`` too: controls of the run that
    ratings and naming show among the models. ``left_out`` says which edits could not be candidates, and why;
    ``layouts`` tells the file layout of each data set, empty where it has none.
    """

    run: str
    size: int
    models: tuple[str, ...]
    anchors: tuple[str, ...]
    titles: Mapping[str, str]
    candidates: Sequence[Candidate]
    left_out: Mapping[str, str]
    layouts: Mapping[str, str]

    @abstractmethod
    def output(self, candidate: Candidate, model: str) -> Image:
        """A model's or an anchor's output."""

    @abstractmethod
    def source(self, candidate: Candidate) -> Image:
        """The real input."""

    @abstractmethod
    def truth(self, candidate: Candidate) -> Image:
        """The real picture of the target expression, of a candidate that ``has_truth``."""


def draw(candidates: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """Draw items without a look at any output, spread over domains, expressions and people.

    Each step takes the candidate whose domain, cell (domain × expression), expression and subject have been
    drawn least, in that order, and at random among equals; so within each of them counts differ by as little
    as the candidates allow.

    Args:
        candidates: What may be drawn.
        count: How many items.
        seed: The same candidates and seed give the same items.

    Raises:
        BenchError: there are fewer candidates than that.
    """
    if count > len(candidates):
        raise BenchError(
            f"{count} items were asked for, but only {len(candidates)} edits have an output of every model; "
            "lower --items, or run more subjects"
        )
    order = np.random.default_rng(seed).permutation(len(candidates))
    left = [candidates[place] for place in order]
    drawn: list[Candidate] = []
    taken: Counter[tuple[str, ...]] = Counter()
    for _ in range(count):
        chosen = min(left, key=lambda candidate: [taken[stratum] for stratum in _strata(candidate)])
        left.remove(chosen)
        drawn.append(chosen)
        taken.update(_strata(chosen))
    return drawn


def _strata(candidate: Candidate) -> list[tuple[str, ...]]:
    place = candidate.dataset, candidate.domain
    return [
        place,
        (*place, candidate.expression, "cell"),
        ("expression", candidate.expression, "", ""),
        (*place, candidate.subject, "", ""),
    ]
