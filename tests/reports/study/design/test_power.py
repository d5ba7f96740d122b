"""The simulation agrees with what is known in closed form."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from fesbench.reports.study.design.power import (
    Scenario,
    answers_needed,
    clustered_p,
    exact_power,
    participants_needed,
    simulate,
)
from fesbench.statistics.two_way import Clusters, difference, share

REPETITIONS = 4000


def near(expected, repetitions=REPETITIONS):
    """Within four standard errors of a simulated share."""
    return pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / repetitions) + 1e-9)


@pytest.mark.parametrize(("preference", "chance"), [(0.6, 0.5), (0.25, 1 / 7), (0.5, 0.5)])
@pytest.mark.parametrize(("participants", "items"), [(120, 1), (12, 10)])
def test_independent_answers_have_the_power_of_the_exact_binomial(preference, chance, participants, items):
    scenario = Scenario(preference, participants, items, chance, icc_people=0, icc_items=0)
    found = simulate(scenario, REPETITIONS, seed=1)
    assert found.binomial == near(exact_power(participants * items, preference, chance, 0.05))


@pytest.mark.parametrize("chance", [0.5, 1 / 7])
def test_the_exact_test_is_scipys(chance):
    level, answers = 0.03, 37
    rejected = [
        count for count in range(answers + 1) if stats.binomtest(count, answers, chance).pvalue <= level
    ]
    expected = sum(stats.binom.pmf(count, answers, 0.4) for count in rejected)
    assert exact_power(answers, 0.4, chance, level) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("preference", "tests", "answers"), [(0.6, 1, 210), (0.75, 1, 35), (0.7, 18, 97)])
def test_answers_needed_for_pairs(preference, tests, answers):
    # Computed independently for the planning of such studies; the power stays above 0.8 from here on.
    assert answers_needed(preference, 0.5, 0.05 / tests, 0.8) == answers
    assert exact_power(answers, preference, 0.5, 0.05 / tests) >= 0.8
    assert exact_power(answers - 1, preference, 0.5, 0.05 / tests) < 0.8


def test_people_who_differ_break_the_binomial_test_and_not_the_clustered_one():
    null = Scenario(0.5, 30, 30, icc_people=0.1, icc_items=0.1)
    found = simulate(null, REPETITIONS, seed=2)
    assert found.binomial > 0.2
    assert found.clustered < 0.06


def test_the_mean_preference_does_not_depend_on_how_people_differ():
    # A share over very many people and items: power jumps at the true preference.
    for icc in (0.0, 0.3):
        above = Scenario(0.7, 400, 300, chance=0.6, icc_people=icc / 2, icc_items=icc / 2)
        assert simulate(above, 50, seed=3).clustered > 0.9


def test_more_people_are_needed_where_they_differ():
    alike = participants_needed(Scenario(0.6, 1, 40, icc_people=0, icc_items=0), 0.8, 300, seed=0)
    apart = participants_needed(Scenario(0.6, 1, 40, icc_people=0.1, icc_items=0.02), 0.8, 300, seed=0)
    assert alike < apart
    assert participants_needed(Scenario(0.505, 1, 5), 0.8, 20, seed=0) is None


@given(st.data(), st.integers(2, 9), st.integers(1, 8), st.sampled_from([0.5, 1 / 7]))
def test_the_clustered_test_is_that_of_the_analysis(data, participants, items, chance):
    shape = participants, items
    choices = data.draw(arrays(np.float64, (3, *shape), elements=st.sampled_from([0.0, 1.0])))
    clusters = Clusters.of(*np.indices(shape).reshape(2, -1).tolist())
    expected = []
    for study in choices.reshape(3, -1):
        found = difference(study, 1 - study, clusters) if chance == 0.5 else share(study, clusters, chance)
        expected.append(1.0 if math.isnan(found.p) else found.p)
    assert clustered_p(choices, chance) == pytest.approx(expected, rel=1e-9, abs=1e-12)
