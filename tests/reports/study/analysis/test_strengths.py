"""Bradley-Terry and Luce strengths against known answers."""

import choix
import numpy as np
import pytest
from scipy import stats

from fesbench.reports.study.analysis.strengths import luce
from fesbench.statistics.two_way import Clusters

NAN = np.nan


def test_strengths_of_two_models_are_the_log_odds():
    chosen = np.array([[1.0, 0.0]] * 30 + [[0.0, 1.0]] * 10)
    found = luce(chosen, Clusters.of(list(range(40)), [f"i{n}" for n in range(40)]))
    assert found[0].value - found[1].value == pytest.approx(np.log(3), abs=2e-3)
    # Independent answers: the standard error of log odds, halved since each strength takes half of them.
    error = np.sqrt(1 / 30 + 1 / 10) / 2 * np.sqrt(40 / 39)
    assert found[0].high - found[0].value == pytest.approx(stats.t.ppf(0.975, 39) * error, rel=1e-3)


def test_strengths_of_pairs_are_choix_s():
    rng = np.random.default_rng(0)
    chosen, data = np.full((300, 4), NAN), []
    for row in chosen:
        a, b = rng.choice(4, 2, replace=False)
        winner, loser = (a, b) if rng.random() < 1 / (1 + np.exp(0.5 * (a - b))) else (b, a)
        row[winner], row[loser] = 1, 0
        data.append((winner, loser))
    found = luce(chosen, Clusters.of(rng.integers(0, 20, 300), rng.integers(0, 9, 300)))
    expected = choix.ilsr_pairwise(4, data, alpha=0.01)
    assert [one.value for one in found] == pytest.approx(expected - expected.mean())
    assert all(one.low < one.value < one.high for one in found)


def test_strengths_of_whole_sets_are_log_shares():
    counts = [50, 30, 20]
    chosen = np.repeat(np.eye(3), counts, axis=0)
    found = luce(chosen, Clusters.of(list(range(100)), list(range(100))))
    logs = np.log(np.array(counts))
    assert [one.value for one in found] == pytest.approx(logs - logs.mean(), abs=2e-3)


def test_a_model_that_never_wins_has_a_finite_strength_and_no_interval():
    found = luce(np.array([[1.0, 0.0, 0.0]] * 5 + [[0.0, 1.0, 0.0]] * 5), Clusters.of(range(10), range(10)))
    assert np.isfinite(found[2].value)
    assert np.isnan(found[2].low)
    assert "never" in found[2].reason
