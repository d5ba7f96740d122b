"""Significance tests, strengths, agreement, sensitivity and correlation against known answers."""

import choix
import krippendorff
import numpy as np
import pytest
from scipy import stats

from fesbench.reports.study.analysis.correlation import point_biserial, spearman
from fesbench.reports.study.analysis.detection import d_prime
from fesbench.reports.study.analysis.reliability import krippendorff_alpha
from fesbench.reports.study.analysis.significance import binomial, discordant, equal_shares
from fesbench.reports.study.analysis.strengths import luce
from fesbench.statistics.multiplicity import holm
from fesbench.statistics.two_way import Clusters

NAN = np.nan


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


def test_holm_steps_down_and_skips_missing():
    assert holm(np.array([0.01, 0.04, NAN, 0.03])) == pytest.approx([0.03, 0.06, NAN, 0.06], nan_ok=True)
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1, 1])


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


def test_alpha_is_krippendorff_s_for_nominal_answers():
    table = ["aabbbccca", "aabbcccca", "aabbbccda"]
    units = [unit for row in table for unit in range(9)]
    found = krippendorff_alpha(units, list("".join(table)))
    expected = krippendorff.alpha(
        reliability_data=[[ord(c) for c in row] for row in table], level_of_measurement="nominal"
    )
    assert found.value == pytest.approx(expected)
    assert found.low < found.value <= found.high
    assert found.items == 9


def test_alpha_of_ratings_counts_how_far_apart_they_are():
    table = np.array([[1, 2, 3, 3, 2, 10, 4, 1], [2, 2, 3, 4, 2, 9, 4, 1]], dtype=float)
    found = krippendorff_alpha(np.tile(np.arange(8), 2).tolist(), table.ravel().tolist(), "ordinal")
    expected = krippendorff.alpha(reliability_data=table, level_of_measurement="ordinal")
    assert found.value == pytest.approx(expected)
    assert found.value > krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")


def test_alpha_by_hand():
    # Units aa, ab: coincidences a-a 2, a-b 1, b-a 1; disagreement 2/4, expected 2·3·1/(4·3): 1 − 1 = 0.
    assert krippendorff_alpha([0, 0, 1, 1], list("aaab")).value == pytest.approx(0)


def test_alpha_of_one_answer_only_is_undefined():
    found = krippendorff_alpha([0, 0, 1, 1], list("aaaa"))
    assert np.isnan(found.value)
    assert "same" in found.reason


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
