"""Correlations of answers and scores against known answers."""

import numpy as np
import pytest
from scipy import stats

from fesbench.reports.study.analysis.correlation import point_biserial, spearman
from fesbench.statistics.two_way import Clusters

NAN = np.nan


def test_point_biserial_is_pearson_s_with_its_usual_error():
    rng = np.random.default_rng(1)
    chosen = (rng.random(4000) < 0.4).astype(float)
    scores = chosen + rng.normal(size=4000)
    found = point_biserial(chosen, scores, Clusters.of(list(range(4000)), list(range(4000))))
    assert found.value == pytest.approx(stats.pearsonr(chosen, scores).statistic)
    usual = 1.96 * (1 - found.value**2) / np.sqrt(4000)
    assert found.high - found.value == pytest.approx(usual, rel=0.15)


def test_scores_that_do_not_vary_correlate_with_nothing():
    assert "vary" in point_biserial(np.array([0.0, 1, 0]), np.ones(3), Clusters.of(range(3), range(3))).reason


def test_spearman_over_models_counts_permutations():
    found = spearman(np.array([0.1, 0.2, 0.3, 0.4]), np.array([1.0, 2, 3, 4]))
    assert (found.value, found.p) == (pytest.approx(1), pytest.approx(2 / 24))
    assert spearman(np.array([1.0, 2.0]), np.array([1.0, 2.0])).reason
    tied = np.array([0.1, 0.1, 0.3, 0.5, NAN]), np.array([1.0, 3, 2, 4, 0])
    assert spearman(*tied).value == pytest.approx(stats.spearmanr(tied[0][:4], tied[1][:4]).statistic)
