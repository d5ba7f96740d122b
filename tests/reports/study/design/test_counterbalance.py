"""Counterbalancing designs are balanced for every size."""

from collections import Counter
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from fesbench.reports.study.design.counterbalance import both_sides, pairs_of, williams


@settings(deadline=None)
@given(st.integers(1, 14))
def test_a_williams_design_balances_places_and_neighbours(size):
    rows = williams(size)
    for start in range(0, len(rows), size):
        for column in zip(*rows[start : start + size], strict=True):
            assert sorted(column) == list(range(size))
    neighbours = Counter(pair for row in rows for pair in pairwise(row))
    assert len(neighbours) == size * (size - 1)
    assert set(neighbours.values()) <= {len(rows) // size}


@settings(deadline=None)
@given(st.integers(2, 9), st.booleans())
def test_pairs_stand_both_ways(size, focused):
    rows = both_sides(pairs_of(size, 0 if focused else None))
    assert len(set(rows)) == len(rows) == 2 * (size - 1 if focused else size * (size - 1) // 2)
    assert {row[::-1] for row in rows} == set(rows)
