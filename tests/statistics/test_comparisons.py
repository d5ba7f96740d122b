import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fesbench.core.contracts import MetricCard
from fesbench.scoring.score_rows import SCORES
from fesbench.statistics import gain_over, holm, joint_success, measures_of, paired_differences, ranks

ECS = "ecs@embedded"
SHARE = (0.0, 1.0)
MEASURES = measures_of([MetricCard(ECS, "Expression", "higher", 0.0, 1.0, "share", "", (ECS,))])


def long_form(by_generator, metric=ECS, domain="studio"):
    """Scores from {generator: (subjects, edits) array}."""
    rows = [
        (name, "set", domain, f"s{i}", f"s{i}--{j}", "neutral", f"t{j}", metric, value, None)
        for name, values in by_generator.items()
        for i, line in enumerate(np.asarray(values, dtype=float))
        for j, value in enumerate(line)
    ]
    return pd.DataFrame(rows, columns=SCORES.names)


def cells_of(scores):
    grouped = scores.groupby(["dataset", "domain", "metric", "generator"])["value"]
    return grouped.mean().reset_index().assign(complete=True)


def test_difference_of_graded_scores_is_the_paired_t_test_on_subject_means():
    # symmetric differences, hence no skewness: -1, 0, 1 around 0.5
    first = np.array([[2.0, 2.0], [5.0, 5.0], [9.0, 9.0]])
    second = first - np.array([[-0.5, -0.5], [0.5, 0.5], [1.5, 1.5]])
    (row,) = paired_differences(long_form({"a": first, "b": second}, "psnr.face"), "psnr.face").to_dict(
        "records"
    )
    test = stats.ttest_rel(first.mean(1), second.mean(1))
    assert row["difference"] == pytest.approx(0.5)
    assert row["p"] == pytest.approx(test.pvalue)
    interval = test.confidence_interval(0.95)
    assert (row["low"], row["high"]) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_every_pair_once_on_the_edits_that_both_have():
    scores = long_form({"b": np.ones((4, 2)), "a": np.zeros((4, 2)), "c": np.ones((4, 2))})
    scores.loc[(scores["generator"] == "a") & (scores["edit"] == "s1--0"), "value"] = None
    found = paired_differences(scores, ECS, SHARE).set_index(["generator", "versus"])
    assert list(found.index) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert found.loc[("a", "b"), "n_scored"] == 7
    assert found.loc[("a", "b"), "n_asked"] == 8
    assert found.loc[("b", "c"), "n_scored"] == 8


def test_always_right_against_always_wrong_is_a_clear_difference():
    scores = long_form({"truth": np.ones((10, 6)), "copy": np.zeros((10, 6))})
    (row,) = paired_differences(scores, ECS, SHARE).to_dict("records")
    assert row["difference"] == -1.0
    assert row["p"] < 2 * 0.5**10
    assert row["low"] == -1
    assert -1 < row["high"] < -0.5


def test_equal_models_differ_by_nothing_with_p_one():
    values = np.random.default_rng(0).integers(0, 2, (8, 6))
    (row,) = paired_differences(long_form({"a": values, "b": values}), ECS, SHARE).to_dict("records")
    assert (row["difference"], row["p"]) == (0.0, 1.0)
    assert row["low"] < 0 < row["high"]


def test_holm_by_hand():
    adjusted = holm(np.array([0.01, 0.04, np.nan, 0.03, 0.005]))
    np.testing.assert_allclose(adjusted, [0.03, 0.06, np.nan, 0.06, 0.02])


def test_holm_within_data_set_domain_and_metric(scores):
    found = paired_differences(scores, ECS, SHARE)
    for _, part in found.groupby(["dataset", "domain"]):
        np.testing.assert_allclose(part["p_holm"], holm(part["p"].to_numpy()))


def test_false_alarms_stay_rare():
    rng = np.random.default_rng(3)
    alarms = 0
    for _ in range(150):
        ease = rng.random((15, 1))
        models = {name: rng.random((15, 6)) < ease for name in "abcd"}
        alarms += (paired_differences(long_form(models), ECS, SHARE)["p_holm"] < 0.05).any()
    assert alarms <= 15


def test_gain_has_the_sign_of_the_score_whichever_side_the_baseline_was():
    scores = long_form({"a": np.ones((8, 2)), "copy": np.zeros((8, 2)), "z": np.ones((8, 2))})
    found = gain_over(paired_differences(scores, ECS, SHARE)).set_index("generator")
    assert set(found.index) == {"a", "z"}
    assert (found["versus"] == "copy").all()
    assert (found["difference"] == 1.0).all()
    assert (found["low"] > 0).all()
    assert (found["high"] == 1.0).all()


def test_gain_without_the_baseline_is_empty():
    scores = long_form({"a": np.ones((5, 2)), "b": np.zeros((5, 2))})
    assert gain_over(paired_differences(scores, ECS, SHARE)).empty


def rank_table(by_generator, blocks):
    scores = long_form(by_generator)
    found = ranks(cells_of(scores), paired_differences(scores, ECS, SHARE), MEASURES, blocks)
    return found.set_index("generator")


def test_ranks_span_what_cannot_be_told_apart():
    rng = np.random.default_rng(0)
    models = {"best": np.ones((20, 6)), "poor": np.zeros((20, 6))}
    models |= {name: rng.random((20, 6)) < 0.5 for name in ("middle", "centre")}
    found = rank_table(models, {(name, "set"): "main" for name in models})
    assert found.loc["best", ["rank", "rank_low", "rank_high"]].tolist() == [1, 1, 1]
    assert found.loc["poor", ["rank", "rank_low", "rank_high"]].tolist() == [4, 4, 4]
    for name in ("middle", "centre"):
        assert found.loc[name, ["rank_low", "rank_high"]].tolist() == [2, 3]


def test_ranks_stay_inside_their_block_and_controls_have_none():
    models = {"a": np.ones((6, 6)), "b": np.zeros((6, 6)), "t": np.ones((6, 6)), "copy": np.ones((6, 6))}
    blocks = {
        ("a", "set"): "main",
        ("b", "set"): "main",
        ("t", "set"): "transfer",
        ("copy", "set"): "control",
    }
    found = rank_table(models, blocks)
    assert set(found.index) == {"a", "b", "t"}
    assert found.loc["t", ["rank", "of"]].tolist() == [1, 1]
    assert found.loc["b", ["rank", "of"]].tolist() == [2, 2]


def test_true_ranks_are_inside_for_equal_models():
    rng = np.random.default_rng(1)
    missed = 0
    for _ in range(60):
        models = {name: rng.random((12, 6)) < 0.5 for name in "abcd"}
        found = rank_table(models, {(name, "set"): "main" for name in models})
        missed += bool((found["rank_low"] > 1).any() or (found["rank_high"] < 4).any())
    assert missed <= 8


def test_an_incomplete_cell_is_not_ranked():
    scores = long_form({"a": np.ones((6, 6)), "b": np.zeros((6, 6))})
    cells = cells_of(scores)
    cells.loc[cells["generator"] == "a", "complete"] = False
    blocks = {("a", "set"): "main", ("b", "set"): "main"}
    found = ranks(cells, paired_differences(scores, ECS, SHARE), MEASURES, blocks).set_index("generator")
    assert np.isnan(found.loc["a", "rank"])
    assert "incomplete" in found.loc["a", "reason"]
    assert found.loc["b", ["rank", "of"]].tolist() == [1, 1]


def test_joint_success_needs_both():
    verified = "fss.verified@dlib"
    right = long_form({"a": [[1, 1, 0, 0, np.nan, np.nan, 1]]}, "ecs@fer")
    same = long_form({"a": [[1, 0, 1, 0, 1, 0, np.nan]]}, verified)
    same.loc[6, "reason"] = "no face"
    found = joint_success(pd.concat([right, same]), "ecs@fer", verified).sort_values("edit")
    np.testing.assert_array_equal(found["value"], [1, 0, 0, 0, np.nan, 0, np.nan])
    assert set(found["metric"]) == {"joint@fer+dlib"}
    assert found["reason"].iloc[6] == "no face"


def by_hand(means, tests):
    """Cells of complete means, and differences of (first, second, difference, p)."""
    place = {"dataset": "set", "domain": "studio", "metric": "mae.face"}
    cells = pd.DataFrame([{**place, "generator": name, "value": mean} for name, mean in means.items()])
    columns = ["generator", "versus", "difference", "p"]
    return cells.assign(complete=True), pd.DataFrame(tests, columns=columns).assign(**place)


def ranks_of_errors(means, tests, blocks):
    card = MetricCard("mae", "Error", "lower", 0.0, 255.0, "grey levels", "", ("mae.face",))
    places = {(name, "set"): block for name, block in blocks.items()}
    return ranks(*by_hand(means, tests), measures_of([card]), places).set_index("generator")


def test_the_smallest_error_has_the_first_rank():
    tests = [("a", "b", -3.0, 0.001), ("a", "c", -4.0, 0.001), ("b", "c", -1.0, 0.2)]
    found = ranks_of_errors({"a": 2.0, "b": 5.0, "c": 6.0}, tests, dict.fromkeys("abc", "main"))
    assert found[["rank", "rank_low", "rank_high"]].to_numpy().tolist() == [[1, 1, 1], [2, 2, 3], [3, 2, 3]]


def test_tests_outside_a_block_cost_its_ranks_nothing():
    """0.03 is significant among the one test of the block, 0.03 × 6 among all would not be."""
    tests = [("a", "b", -3.0, 0.03), *((x, y, 0.0, 0.9) for x, y in ("ac", "ad", "bc", "bd", "cd"))]
    blocks = {"a": "main", "b": "main", "c": "transfer", "d": "transfer"}
    found = ranks_of_errors({"a": 2.0, "b": 5.0, "c": 5.0, "d": 5.0}, tests, blocks)
    assert found.loc[["a", "b"], ["rank_low", "rank_high"]].to_numpy().tolist() == [[1, 1], [2, 2]]


def test_sums_in_another_order_are_ties():
    means = {"a": 0.1 + 0.2, "b": 0.3, "c": 0.3 - 1e-6, "d": 0.2}
    assert means["a"] != means["b"]
    tests = [(x, y, 0.0, 1.0) for x, y in ("ab", "ac", "ad", "bc", "bd", "cd")]
    found = ranks_of_errors(means, tests, dict.fromkeys("abcd", "main"))
    assert found["rank"].tolist() == [3, 3, 2, 1]
