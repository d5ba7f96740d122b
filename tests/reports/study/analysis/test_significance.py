"""Significance tests against known answers."""

import numpy as np
import pytest
from scipy import stats

from fesbench.reports.study.analysis.significance import binomial, discordant, equal_shares


def test_exact_binomial_counts_all_outcomes_as_rare():
    assert binomial(9, 10) == pytest.approx(22 / 1024)
    assert binomial(0, 3, 1 / 7) == pytest.approx(1)
    assert np.isnan(binomial(0, 0))


def test_discordant_votes_leave_out_those_for_a_third():
    first, second = np.array([1, 1, 1, 1, 1, 1, 0, 0, 0]), np.array([0, 0, 0, 0, 0, 0, 1, 0, 0])
    assert discordant(first, second) == (6, 1, pytest.approx(16 / 128))


def test_equal_shares_is_the_chi_squared_test():
    assert equal_shares([30, 10, 20]) == pytest.approx(stats.chi2.sf(10, 2))
    assert np.isnan(equal_shares([0, 0]))
