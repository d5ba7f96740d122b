"""Counterbalancing designs: Latin squares, Williams designs, pairs in both orders.

Williams (1949), "Experimental designs balanced for the estimation of residual effects of treatments": in n
rows for even n, in 2n for odd n, each of n treatments appears equally often in each position, and follows
each other one equally often.

A study cycles through the R rows: participant f sees item j in row (j + f) mod R. So any R consecutive
participants see an item in each row once, and any R consecutive items of a participant use each row once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

Row = tuple[int, ...]


def williams(size: int) -> list[Row]:
    """Return the rows of a Williams design of ``size`` treatments, 0 to size − 1.

    The rows from each multiple of ``size`` to the next form a Latin square.
    """
    steps = [(place + 1) // 2 if place % 2 else size - place // 2 for place in range(size)]
    rows = [tuple((step + shift) % size for step in steps) for shift in range(size)]
    return rows if size % 2 == 0 or size == 1 else rows + [row[::-1] for row in rows]


def both_sides(pairs: Sequence[tuple[int, int]]) -> list[Row]:
    """Return each pair in both orders: two rounds of all pairs, with every second pair reversed."""
    first = [pair[::-1] if place % 2 else pair for place, pair in enumerate(pairs)]
    return [*first, *(pair[::-1] for pair in first)]


def pairs_of(size: int, focus: int | None) -> list[tuple[int, int]]:
    """Return the pairs of ``focus`` with each other treatment, or all pairs where it is None."""
    if focus is None:
        return list(combinations(range(size), 2))
    return [(focus, other) for other in range(size) if other != focus]


def singles(size: int) -> list[Row]:
    """Return a row for each treatment alone."""
    return [(one,) for one in range(size)]
