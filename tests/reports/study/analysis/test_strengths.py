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
    expected = choix.ilsr_pairwise(4, data)
    assert [one.value for one in found] == pytest.approx(expected - expected.mean())
    assert all(one.low < one.value < one.high for one in found)


def test_strengths_of_whole_sets_are_log_shares():
    counts = [50, 30, 20]
    chosen = np.repeat(np.eye(3), counts, axis=0)
    found = luce(chosen, Clusters.of(list(range(100)), list(range(100))))
    logs = np.log(np.array(counts))
    assert [one.value for one in found] == pytest.approx(logs - logs.mean(), abs=2e-3)


def answers_of(wins):
    """Answers from {(chosen, other): count} among models 0..K-1, with clusters of their own."""
    pairs = [pair for pair, count in wins.items() for _ in range(count)]
    chosen = np.full((len(pairs), 1 + max(map(max, pairs))), NAN)
    for row, (winner, loser) in zip(chosen, pairs, strict=True):
        row[winner], row[loser] = 1, 0
    return chosen, Clusters.of(range(len(pairs)), range(len(pairs)))


BALANCED = {(0, 1): 6, (1, 0): 4, (1, 2): 6, (2, 1): 4, (0, 2): 7, (2, 0): 3}


@pytest.mark.parametrize(
    ("extra", "reason"),
    [
        ({(0, 3): 5, (1, 3): 5}, "never chosen"),
        ({(3, 0): 5, (3, 2): 5}, "always chosen"),
        ({(0, 3): 5, (3, 4): 1, (1, 4): 2}, "without exception"),
    ],
)
def test_a_model_without_a_finite_strength_gets_none_and_moves_no_other(extra, reason):
    alone, found = luce(*answers_of(BALANCED)), luce(*answers_of(BALANCED | extra))
    for one, other in zip(alone, found[:3], strict=True):
        assert other[:5] == pytest.approx(one[:5], rel=1e-6)
    assert np.isnan(found[3][:4]).all()
    assert reason in found[3].reason


def test_groups_of_equal_size_share_no_scale():
    found = luce(*answers_of({(0, 1): 5, (1, 0): 5, (2, 3): 5, (3, 2): 5, (0, 2): 3}))
    assert np.isnan([one.value for one in found]).all()
    assert all(one.reason for one in found)


def test_a_chain_of_choices_is_enough():
    found = luce(*answers_of({(0, 1): 5, (1, 2): 5, (2, 0): 5}))
    assert [one.value for one in found] == pytest.approx([0, 0, 0], abs=1e-6)
