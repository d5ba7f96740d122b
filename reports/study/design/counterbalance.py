"""Orders that balance what comes where: Latin squares, Williams designs, pairs on both sides.

Williams (1949), "Experimental designs balanced for the estimation of residual effects of treatments": in n
rows for even n, in 2n for odd n, each of n treatments stands equally often in each place, and follows each
other one equally often.

A study takes the rows in turn: person f meets item j in row (j + f) mod R. Over any R people in turn each
item is met in each row once, and so is each row in any R items of one person.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Row = tuple[int, ...]


def williams(size: int) -> list[Row]:
    """The rows of a Williams design of ``size`` treatments, 0 to size − 1.

    Each run of ``size`` rows that begins at a multiple of ``size`` is a Latin square.
    """
    steps = [(place + 1) // 2 if place % 2 else size - place // 2 for place in range(size)]
    rows = [tuple((step + shift) % size for step in steps) for shift in range(size)]
    return rows if size % 2 == 0 or size == 1 else rows + [row[::-1] for row in rows]


def both_sides(pairs: Sequence[tuple[int, int]]) -> list[Row]:
    """Each pair in both orders: two rounds of all pairs, in which every second pair is turned."""
    first = [pair[::-1] if place % 2 else pair for place, pair in enumerate(pairs)]
    return [*first, *(pair[::-1] for pair in first)]


def pairs_of(size: int, focus: int | None) -> list[tuple[int, int]]:
    """``focus`` with each other one of ``size``, or without a focus all pairs."""
    if focus is None:
        return list(combinations(range(size), 2))
    return [(focus, other) for other in range(size) if other != focus]


def singles(size: int) -> list[Row]:
    """Each one alone."""
    return [(one,) for one in range(size)]
