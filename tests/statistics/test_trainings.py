import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fesbench.core.contracts import MetricCard
from fesbench.statistics import measures_of
from fesbench.statistics.comparisons import CELL_COLUMNS, DIFFERENCE_COLUMNS
from fesbench.statistics.intervals import NONE
from fesbench.statistics.trainings import METHOD, UNKNOWN, Trainings, over_trainings

ECS, MAE = "ecs@embedded", "mae.face"
MEASURES = measures_of(
    [
        MetricCard(ECS, "Expression", "higher", 0.0, 1.0, "share", "", (ECS,)),
        MetricCard(MAE, "Error", "lower", 0.0, 255.0, "grey levels", "", (MAE,)),
    ]
)
NORMAL = stats.norm.ppf(0.975)
TRAININGS = Trainings({"a.1": "a", "a.2": "a", "b.1": "b", "b.2": "b", "ridge": "ridge"}, {"ridge"})


def cells(values, metric=MAE, half=1.0):
    """One cell for each generator: its value, and ends that far from it."""
    rows = [
        {
            "generator": name, "dataset": "set", "domain": "studio", "metric": metric, "value": value,
            "low": value - half, "high": value + half, "n_asked": 60, "n_scored": 60, "subjects": 20,
            "complete": True, "method": "clustered t", "reason": "",
        }
        for name, value in values.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=CELL_COLUMNS)


def differences(values, metric=MAE, half=1.0):
    """One row for each two generators, in the order of names."""
    names = sorted(values)
    rows = [
        {
            "dataset": "set", "domain": "studio", "metric": metric, "generator": first, "versus": second,
            "difference": values[first] - values[second], "low": values[first] - values[second] - half,
            "high": values[first] - values[second] + half, "p": 0.5, "n_asked": 60, "n_scored": 60,
            "subjects": 20, "reason": "",
        }
        for place, first in enumerate(names)
        for second in names[place + 1 :]
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=DIFFERENCE_COLUMNS)


NO_DIFFERENCES = differences({})


def mean_cells(cells, differences, trainings):
    return over_trainings(cells, differences, MEASURES, trainings).cells


def mean_differences(differences, cells, trainings):
    return over_trainings(cells, differences, MEASURES, trainings).differences


def by_name(frame, name="generator"):
    return frame.set_index(name)


VALUES = {"a.1": 10.0, "a.2": 14.0, "b.1": 20.0, "b.2": 18.0, "ridge": 30.0}
POOLED = (8.0 + 2.0) / 2
"""Squared deviations of both models from their means, over their degrees of freedom: b's own is less."""
OWN = 8.0
"""The same of a alone, which is more."""


def half_width(variance, people=(1 / NORMAL) ** 2):
    """Of an interval by a variance for people, and one for trainings with 2 degrees of freedom."""
    error = people + variance
    return stats.t.ppf(0.975, error**2 / (variance**2 / 2)) * np.sqrt(error)


def test_mean_over_trainings_with_people_and_pooled_trainings_in_its_interval():
    found = by_name(mean_cells(cells(VALUES), NO_DIFFERENCES, TRAININGS))
    half = half_width(OWN / 2)
    assert found.loc["a", ["value", "low", "high"]].tolist() == pytest.approx(
        [12.0, 12.0 - half, 12.0 + half]
    )
    half = half_width(POOLED / 2)
    assert found.loc["b", ["low", "high"]].tolist() == pytest.approx([19.0 - half, 19.0 + half])
    assert found.loc["a", "method"] == METHOD


def test_what_people_say_of_one_training_only_counts_once():
    found = by_name(mean_cells(cells(VALUES), differences(VALUES, half=0.5), TRAININGS))
    half = half_width(OWN / 2, (1 / NORMAL) ** 2 - (0.5 / NORMAL) ** 2 / 2)
    assert found.loc["a", "high"] == pytest.approx(12.0 + half)


def test_trainings_that_agree_are_as_good_as_people_of_their_own_at_most():
    same = {"a.1": 10.0, "a.2": 10.0, "b.1": 20.0, "b.2": 20.0}
    trainings = Trainings({"a.1": "a", "a.2": "a", "b.1": "b", "b.2": "b"})
    found = by_name(mean_cells(cells(same), differences(same, half=3.0), trainings))
    assert found.loc["a", "high"] == pytest.approx(10.0 + 1 / np.sqrt(2))


def test_a_model_without_random_choices_keeps_its_interval():
    found = by_name(mean_cells(cells(VALUES), NO_DIFFERENCES, TRAININGS))
    assert found.loc["ridge", ["low", "high"]].tolist() == pytest.approx([29.0, 31.0])


def test_a_single_training_gets_the_variance_of_the_others():
    single = Trainings({**TRAININGS.model_of, "c": "c"}, TRAININGS.fixed)
    found = by_name(mean_cells(cells(VALUES | {"c": 12.0}), NO_DIFFERENCES, single))
    assert found.loc["c", "high"] == pytest.approx(12.0 + half_width(POOLED))


def test_differences_hold_both_models_trainings_and_are_adjusted_over_models():
    found = mean_differences(differences(VALUES), cells(VALUES), TRAININGS)
    assert list(zip(found["generator"], found["versus"], strict=True)) == [
        ("a", "b"), ("a", "ridge"), ("b", "ridge"),
    ]  # fmt: skip
    row = found.set_index(["generator", "versus"]).loc[("a", "b")]
    error = (OWN + POOLED) / 2
    dof = 2.0  # what people say of one training only is all of what they say: nothing is left beside
    assert row["difference"] == -7.0
    assert row["p"] == pytest.approx(2 * stats.t.sf(7 / np.sqrt(error), dof))
    assert row["high"] == pytest.approx(-7 + stats.t.ppf(0.975, dof) * np.sqrt(error))
    assert found["p_holm"].max() >= row["p"]


def test_an_order_of_trainings_that_seeds_leave_open_is_open():
    apart = {"a.1": 10.0, "a.2": 22.0, "b.1": 19.0, "b.2": 31.0, "ridge": 30.0}
    found = mean_differences(differences(apart, half=0.5), cells(apart), TRAININGS)
    row = found.set_index(["generator", "versus"]).loc[("a", "b")]
    assert row["low"] < 0 < row["high"], "each pair of trainings differs by far more than people do"


def test_names_that_sort_the_other_way_turn_the_difference_only():
    other = {"z.1": 10.0, "z.2": 14.0, "b.1": 20.0, "b.2": 18.0}
    trainings = Trainings({"z.1": "z", "z.2": "z", "b.1": "b", "b.2": "b"})
    (row,) = mean_differences(differences(other), cells(other), trainings).to_dict("records")
    assert (row["generator"], row["versus"], row["difference"]) == ("z", "b", -7.0)
    assert row["low"] < -7.0 < row["high"] < 0 or row["low"] < 0 < row["high"]


def test_shares_at_the_end_of_their_range_vary_less():
    values = {"a.1": 1.0, "a.2": 1.0, "b.1": 0.4, "b.2": 0.6}
    trainings = Trainings({"a.1": "a", "a.2": "a", "b.1": "b", "b.2": "b"})
    found = by_name(mean_cells(cells(values, ECS, 0.02), NO_DIFFERENCES, trainings))
    assert found.loc["a", ["low", "high"]].tolist() == pytest.approx([0.98, 1.0])
    assert found.loc["b", "low"] < 0.4 - 0.02
    assert 0 <= found.loc["b", "low"] <= found.loc["b", "high"] <= 1


@pytest.mark.parametrize(("column", "kept"), [("value", False), ("low", True)])
def test_what_a_training_lacks_the_mean_lacks(column, kept):
    table = cells(VALUES)
    table.loc[table["generator"] == "a.2", column] = np.nan
    found = by_name(mean_cells(table, NO_DIFFERENCES, TRAININGS))
    assert found.loc["a", "value"] == 12.0 if kept else np.isnan(found.loc["a", "value"])
    assert found.loc["a", ["low", "method", "reason"]].tolist()[1:] == [NONE, UNKNOWN]
    assert found.loc["b", "method"] == METHOD


def test_no_test_where_the_trainings_have_none():
    rows = differences(VALUES).assign(p=np.nan, reason="cannot rank")
    found = mean_differences(rows, cells(VALUES), TRAININGS)
    assert found["p"].isna().all()
    assert set(found["reason"]) == {"cannot rank"}


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.floats(0, 200), min_size=4, max_size=4),
    st.floats(0.01, 50),
)
def test_p_is_below_a_twentieth_exactly_where_the_interval_excludes_no_difference(numbers, half):
    values = dict(zip(("a.1", "a.2", "b.1", "b.2"), numbers, strict=True))
    trainings = Trainings({"a.1": "a", "a.2": "a", "b.1": "b", "b.2": "b"})
    (row,) = mean_differences(differences(values, half=half), cells(values), trainings).to_dict("records")
    assert (row["p"] < 0.05 - 1e-9) <= (row["low"] > -1e-6 or row["high"] < 1e-6)
    assert (row["p"] > 0.05 + 1e-9) <= (row["low"] < 1e-6 and row["high"] > -1e-6)
