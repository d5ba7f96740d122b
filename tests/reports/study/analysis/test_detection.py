"""Sensitivity of signal detection against known answers."""

import numpy as np
import pytest
from scipy import stats

from fesbench.reports.study.analysis.detection import d_prime
from fesbench.statistics.two_way import Clusters

NAN = np.nan


def test_d_prime_has_the_log_linear_correction():
    signal = np.array([1.0] * 9 + [0.0] + [NAN] * 10)
    noise = np.array([NAN] * 10 + [0.0] * 10)
    found = d_prime(signal, noise, Clusters.of(list(range(20)), list(range(20))))
    assert found.value == pytest.approx(stats.norm.ppf(9.5 / 11) - stats.norm.ppf(0.5 / 11))
    assert found.low < found.value < found.high


def test_d_prime_is_zero_where_both_are_called_same_equally_often():
    said = np.tile([1.0, 0.0, 1.0, 1.0], 3)
    clusters = Clusters.of(list(range(24)), list(range(24)))
    blank = np.full(12, NAN)
    assert d_prime(np.r_[said, blank], np.r_[blank, said], clusters).value == pytest.approx(0)


def test_d_prime_needs_both_kinds():
    assert "both kinds" in d_prime(np.ones(3), np.full(3, NAN), Clusters.of(range(3), range(3))).reason
