import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from fesbench.statistics.breakdown import cells_by, confusion
from fesbench.statistics.measures import Measure
from fesbench.statistics.metric_agreement import agreement, kendall_within

MEASURES = {
    "fss@x": Measure("fss@x", "similarity", "higher", -1.0, 1.0, "cosine", True),
    "mae.face": Measure("mae.face", "error", "lower", 0.0, 255.0, "grey levels", True),
    "ecs@x": Measure("ecs@x", "expression", "higher", 0.0, 1.0, "share", True),
}


def scores_of(values, metric, domain="studio", targets=("happy", "sad")):
    """Long-form scores from {generator: one value for each of some subjects and targets}."""
    return pd.DataFrame(
        [
            {"generator": name, "dataset": "set", "domain": domain, "subject": f"{domain}{i // len(targets)}",
             "edit": f"{domain}{i}", "source": "neutral", "target": targets[i % len(targets)],
             "metric": metric, "value": value, "reason": None}
            for name, row in values.items()
            for i, value in enumerate(row)
        ]
    )  # fmt: skip


TABLES = st.integers(2, 6).flatmap(
    lambda k: st.tuples(*[arrays(np.float64, (3, k), elements=st.sampled_from([0.0, 1.0, 2.0, 3.5]))] * 2)
)


@given(TABLES)
def test_tau_is_scipys_where_neither_side_ties_everything(tables):
    first, second = tables
    for a, b, tau in zip(first, second, kendall_within(first, second), strict=True):
        if len(set(b)) == 1:
            assert np.isnan(tau)
        elif len(set(a)) == 1:
            assert tau == 0
        else:
            assert tau == pytest.approx(stats.kendalltau(a, b).statistic)


def test_a_missing_score_leaves_its_pairs_out():
    first = np.array([[1.0, 2.0, np.nan]])
    assert kendall_within(first, np.array([[5.0, 6.0, 0.0]])).tolist() == [1.0]


def test_both_columns_count_as_better_in_their_own_direction():
    good_first = {"a": [0.9] * 6, "b": [0.5] * 6, "c": [0.1] * 6}
    low_first = {"a": [1.0] * 6, "b": [2.0] * 6, "c": [3.0] * 6}
    scores = pd.concat([scores_of(good_first, "fss@x"), scores_of(low_first, "mae.face")])
    found = agreement(scores, MEASURES, [("fss@x", "mae.face")])
    assert found["tau"].tolist() == [1.0]
    assert (found["n_scored"][0], found["subjects"][0], found["generators"][0]) == (6, 3, 3)


def test_the_truth_takes_no_part_and_one_model_gives_no_number():
    values = {"a": [0.9] * 6, "truth": [1.0] * 6}
    scores = pd.concat([scores_of(values, "fss@x"), scores_of(values, "mae.face")])
    found = agreement(scores, MEASURES, [("fss@x", "mae.face")])
    assert found["tau"].isna().all()
    assert found["reason"][0]


def test_domains_have_numbers_of_their_own_and_a_plain_mean():
    parts = [scores_of({"a": [0.9] * 6, "b": [0.1] * 6}, "fss@x", domain) for domain in ("studio", "statue")]
    errors = [
        scores_of({"a": [1.0] * 6, "b": [2.0] * 6}, "mae.face", "studio"),
        scores_of({"a": [2.0] * 6, "b": [1.0] * 6}, "mae.face", "statue"),
    ]
    found = agreement(pd.concat([*parts, *errors]), MEASURES, [("fss@x", "mae.face")]).set_index("domain")
    assert found["tau"].to_dict() == {"studio": 1.0, "statue": -1.0, "ood": -1.0, "all": 0.0}


def test_pairs_that_share_no_edits_with_others_keep_their_place_and_their_numbers():
    values = {"a": [0.9, 0.7, 0.4, 0.6], "b": [0.1, 0.8, 0.3, 0.5], "c": [0.5, 0.6, 0.9, 0.2]}
    fewer = {name: row[:2] for name, row in values.items()}
    scores = pd.concat([scores_of(fewer, "mae.face"), *(scores_of(values, x) for x in ("fss@x", "ecs@x"))])
    pairs = [("fss@x", "mae.face"), ("fss@x", "ecs@x"), ("ecs@x", "mae.face")]
    found = agreement(scores, MEASURES, pairs)
    assert list(zip(found["metric"], found["against"], strict=True)) == pairs
    assert found["n_asked"].tolist() == [2, 4, 2]
    alone = pd.concat([agreement(scores, MEASURES, [pair]) for pair in pairs], ignore_index=True)
    pd.testing.assert_frame_equal(found, alone)


def test_cells_by_expression_are_the_means_of_their_edits():
    scores = scores_of({"a": [1, 0, 1, 0, 1, 1], "b": [0, 0, 0, 0, 0, None]}, "ecs@x")
    cells = cells_by(scores, MEASURES, "target").set_index(["generator", "domain"])
    assert cells.at[("a", "happy"), "value"] == 1.0
    assert cells.at[("a", "sad"), "value"] == pytest.approx(1 / 3)
    assert bool(cells.at[("a", "sad"), "complete"])
    assert not cells.at[("b", "sad"), "complete"]
    assert (cells.at[("b", "sad"), "n_scored"], cells.at[("b", "sad"), "n_asked"]) == (2, 3)
    assert cells["low"].dropna().between(0, 1).all()


def test_cells_by_a_group_leave_out_those_of_no_group():
    scores = scores_of({"a": [1, 0, 1, 0]}, "ecs@x").assign(group=["women", "women", None, None])
    assert cells_by(scores, MEASURES, "group")["domain"].tolist() == ["women"]


def test_confusion_counts_every_label_for_every_target():
    scores = scores_of({"a": [0, 1, 0, 0, 2, None]}, "ecs.predicted@x")
    found = confusion(scores, "ecs.predicted@x", ["happy", "sad", "angry"]).set_index(["target", "predicted"])
    assert found["count"].to_dict() == {
        ("happy", "happy"): 2, ("sad", "happy"): 1, ("happy", "sad"): 0,
        ("sad", "sad"): 1, ("happy", "angry"): 1, ("sad", "angry"): 0,
    }  # fmt: skip
    assert found["share"].groupby("target").sum().to_dict() == pytest.approx({"happy": 1.0, "sad": 1.0})
