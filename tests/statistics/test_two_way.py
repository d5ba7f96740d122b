"""Two-way clustered intervals against answers worked out by hand, and against special cases."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fesbench.statistics.two_way import (
    Clusters,
    bootstrap,
    difference,
    mean,
    ratio,
    share,
)

T2 = stats.t.ppf(0.975, 2)


@pytest.fixture
def grid():
    """Three participants on five items: votes 1 1 1 1 0, 1 1 0 0 0 and 1 1 1 0 0."""
    values = np.array([1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 1, 1, 1, 0, 0], dtype=float)
    return values, Clusters.of(["p"] * 5 + ["q"] * 5 + ["r"] * 5, list("abcde") * 3)


VARIANCE = (3 / 2 * (1 + 1) + 5 / 4 * (1.2**2 * 2 + 0.2**2 + 0.8**2 + 1.8**2) - 15 / 14 * 3.6) / 15**2
"""Votes less 0.6, over 15: participants 1, -1, 0; items 1.2 1.2 0.2 -0.8 -1.8; cells 0.4 and -0.6."""


def test_variance_is_that_of_participants_plus_items_less_that_of_cells(grid):
    found = mean(*grid)
    assert found.value == 0.6
    assert found.high - found.value == pytest.approx(T2 * np.sqrt(VARIANCE))
    assert found.p == pytest.approx(2 * stats.t.sf(0.6 / np.sqrt(VARIANCE), 2))
    assert (found.n, found.participants, found.items) == (15, 3, 5)


def test_a_share_has_the_wilson_interval_of_that_variance(grid):
    k = T2**2 * VARIANCE / 0.24
    found = share(*grid)
    assert found.low == pytest.approx((0.6 + k / 2) / (1 + k) - np.sqrt(k * 0.24 + k**2 / 4) / (1 + k))
    assert 0 < found.low < found.value < found.high < 1


def test_with_few_items_only_participants_count(grid):
    values, clusters = grid
    rows = clusters.items < 4
    few = mean(values[rows], clusters[rows])
    assert few.high - few.value == pytest.approx(T2 * np.sqrt(3 / 2 * 2 * (1 / 12) ** 2))


def test_one_item_leaves_the_variance_between_participants():
    values = np.array([1.0, 2.0, 4.0])
    found = mean(values, Clusters.of(list("abc"), list("xxx")))
    assert found.high - found.value == pytest.approx(stats.t.ppf(0.975, 2) * values.std(ddof=1) / np.sqrt(3))


def test_a_ratio_is_of_votes_with_the_interval_of_its_logarithm():
    first, second = np.array([1.0, 1.0, 0.0, 1.0]), np.array([0.0, 0.0, 1.0, 0.0])
    found = ratio(first, second, Clusters.of(list("abcd"), list("wxyz")))
    # Each answer is its own cluster: log 3 with variance 1/3 + 1/1, times 4/3 for few clusters.
    half = stats.t.ppf(0.975, 3) * np.sqrt((1 / 3 + 1) * 4 / 3)
    assert found.value == pytest.approx(3)
    assert np.log([found.low, found.high]) == pytest.approx([np.log(3) - half, np.log(3) + half])


def test_a_ratio_without_votes_below_says_so():
    found = ratio(np.ones(3), np.zeros(3), Clusters.of(list("abc"), list("xyz")))
    assert np.isnan(found.value)
    assert "both sides" in found.reason


def test_a_difference_on_the_same_answers_is_the_mean_of_differences():
    rng = np.random.default_rng(2)
    first, second = rng.integers(0, 2, (2, 60)).astype(float)
    clusters = Clusters.of(rng.integers(0, 9, 60), rng.integers(0, 7, 60))
    assert difference(first, second, clusters) == pytest.approx(mean(first - second, clusters))


def test_a_difference_of_separate_answers_adds_their_variances():
    values = np.array([1.0, 2.0, 6.0, 2.0, 3.0, 4.0])
    blank = np.full(3, np.nan)
    found = difference(np.r_[values[:3], blank], np.r_[blank, values[3:]], Clusters.of(range(6), range(6)))
    error = np.sqrt((14 / 9 + 2 / 9) * 6 / 5)
    assert found.value == 0
    assert found.high == pytest.approx(stats.t.ppf(0.975, 5) * error)


def test_unanimous_participants_get_the_exact_binomial_end():
    found = share(np.ones(40), Clusters.of(list(range(20)) * 2, [0] * 20 + [1] * 20))
    assert found.high == 1
    assert found.low == pytest.approx(stats.binomtest(20, 20).proportion_ci().low)
    assert found.p == pytest.approx(stats.binomtest(20, 20).pvalue)


def test_all_votes_for_one_of_two_are_judged_as_their_share():
    votes, clusters = np.ones(60), Clusters.of(list(range(20)) * 3, np.repeat(range(3), 20))
    won, lost = difference(votes, 1 - votes, clusters), difference(1 - votes, votes, clusters)
    low = stats.binomtest(20, 20).proportion_ci().low
    assert won[:4] == pytest.approx((1, 2 * low - 1, 1, stats.binomtest(20, 20).pvalue))
    assert lost[:4] == pytest.approx((-1, -1, 1 - 2 * low, won.p))
    assert (won.n, won.participants, won.reason) == (60, 20, "")
    assert ratio(votes, 1 - votes, clusters).p == ratio(1 - votes, votes, clusters).p == won.p


@pytest.mark.parametrize("people", [["p", "p", "p"], ["p", "q", "q"]])
def test_one_or_two_participants_have_no_interval_and_no_p(people):
    found = share(np.array([1.0, 0.0, 1.0]), Clusters.of(people, ["a", "b", "a"]))
    assert found.value == pytest.approx(2 / 3)
    assert np.isnan([found.low, found.high, found.p]).all()
    assert "3 participants" in found.reason


def test_one_vote_against_all_others_says_no_more_than_unanimity():
    votes, clusters = np.ones(200), Clusters.of(np.repeat(range(10), 20), np.tile(range(20), 10))
    whole = share(votes, clusters)
    votes[7] = 0
    assert share(votes, clusters).low <= whole.low


def test_no_answers_give_no_number():
    assert share(np.empty(0), Clusters.of([], [])).reason == "no answers"


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.1, 0.9))
def test_answers_twice_over_say_no_more(seed, rate):
    rng = np.random.default_rng(seed)
    values = (rng.random(60) < rate).astype(float)
    people, items = np.repeat(np.arange(12), 5), np.tile(np.arange(5), 12)
    once = share(values, Clusters(people, items))
    twice = share(np.tile(values, 2), Clusters(np.tile(people, 2), np.tile(items, 2)))
    assert twice[:3] == pytest.approx(once[:3], nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_names_and_order_of_answers_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    values, people, items = (
        rng.integers(0, 2, 40).astype(float),
        rng.integers(0, 8, 40),
        rng.integers(0, 6, 40),
    )
    order = rng.permutation(40)
    one = share(values, Clusters.of(people, items))
    other = share(values[order], Clusters.of([f"p{c}" for c in people[order]], items[order] + 100))
    assert other[:4] == pytest.approx(one[:4], nan_ok=True)


def test_the_bootstrap_is_wider_than_the_formula_on_noise_and_repeats_itself():
    rng = np.random.default_rng(3)
    people, items = np.repeat(np.arange(100), 20), np.tile(np.arange(20), 100)
    values, clusters = (rng.random(2000) < 0.3).astype(float), Clusters(people, items)
    low, high = bootstrap(values[:, None], clusters, seed=1)
    found = share(values, clusters)
    assert 1.3 < (high - low)[0] / (found.high - found.low) < 2.2
    assert np.array_equal(bootstrap(values[:, None], clusters, seed=1), [low, high])


def test_the_bootstrap_leaves_out_answers_that_have_no_value():
    values = np.array([[1.0, np.nan], [0.0, 5.0], [1.0, np.nan], [0.0, 5.0]])
    low, high = bootstrap(values, Clusters.of(list("aabb"), list("xyxy")))
    assert (low[1], high[1]) == (5, 5)
