"""Draw the items of a study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from fesbench.core.errors import BenchError

from ..material import Candidate


def draw_items(candidates: Sequence[Candidate], count: int, seed: int) -> list[Candidate]:
    """Draw items, independent of any output, spread over domains, expressions and subjects.

    Each step takes the candidate whose domain, (domain, expression), expression and subject have been drawn
    least, in that order, and at random among equals; so counts within each of them differ by as little as the
    candidates allow.

    Args:
        candidates: The edits to draw from.
        count: The number of items.
        seed: Equal candidates and seeds give equal items.

    Raises:
        BenchError: there are fewer than ``count`` candidates.
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
