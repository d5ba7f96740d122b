"""Pseudo-values of set statistics: their means are the statistics, pair by pair and by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesbench.core.contracts import Column, MetricCard
from fesbench.statistics import clustered_mean, summarise
from fesbench.statistics.breakdown import cells_by_expression, confusions
from fesbench.statistics.classification import auc_values, macro_values
from fesbench.statistics.measures import OUTPUT, measures_of

LABELS = ("happy", "sad", "angry")
CARD = MetricCard(
    "ecs@x", "Expression", "higher", 0.0, 1.0, "share", "",
    (
        "ecs@x",
        Column("ecs.probability@x", "probability", "higher", 0.0, 1.0, "probability"),
        Column("ecs.predicted@x", "predicted label", score=False),
        *(Column(f"ecs.seen.{label}@x", "probability of a label", score=False) for label in LABELS),
    ),
)  # fmt: skip


def pairs_won(seen, shown):
    """The definition, pair by pair; a missing output loses."""
    won = [
        0.0 if np.isnan(a) or np.isnan(b) else float(a > b) + 0.5 * (a == b)
        for a in seen[shown]
        for b in seen[~shown]
    ]
    return np.mean(won)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=2, max_size=30
    ).filter(lambda rows: len({shown for _, shown in rows}) == 2)
)
def test_the_mean_is_the_share_of_pairs_won_ties_counting_half(rows):
    seen, shown = np.array([value for value, _ in rows]), np.array([flag for _, flag in rows])
    assert auc_values(seen, shown).mean() == pytest.approx(pairs_won(seen, shown), abs=1e-12)


def test_a_missing_output_loses_every_comparison_on_either_side():
    seen, shown = np.array([0.9, np.nan, 0.1, np.nan]), np.array([True, True, False, False])
    assert auc_values(seen, shown).mean() == pytest.approx(1 / 4)


def test_the_interval_covers_the_area_as_often_as_it_says():
    """Normal scores one standard deviation apart have an area of Φ(1/√2); outputs of a subject resemble."""
    draw, area, hits = np.random.default_rng(3), 0.76024994, 0
    for _ in range(300):
        lean = np.repeat(draw.normal(0, 0.7, 30), 4)
        shown = np.tile([True, False, False, False], 30)
        seen = lean + draw.normal(0, np.sqrt(1 - 0.49), 120) + shown
        found = clustered_mean(auc_values(seen, shown), [str(i) for i in np.repeat(range(30), 4)])
        hits += found.low <= area <= found.high
    assert 0.92 <= hits / 300 <= 1.0


def test_macro_accuracy_weighs_expressions_alike():
    hits, targets = np.array([1.0, 1, 1, 0, 0, np.nan]), np.array([0, 0, 0, 0, 1, 1])
    values = macro_values(hits, targets)
    assert np.nanmean(values) == pytest.approx((3 / 4 + 0) / 2)
    assert np.isnan(values).tolist() == [False] * 5 + [True]


def rows_of(probabilities, targets, generator="g", failed=()):
    """Rows of a judge on one domain, an edit for each row of probabilities, three edits a subject."""
    rows = []
    for number, (seen, target) in enumerate(zip(probabilities, targets, strict=True)):
        lost = number in failed
        values = {
            "ecs@x": 0.0 if lost else float(LABELS[int(np.argmax(seen))] == target),
            "ecs.probability@x": 0.0 if lost else seen[LABELS.index(target)],
            "ecs.predicted@x": np.nan if lost else float(np.argmax(seen)),
            **{f"ecs.seen.{label}@x": np.nan if lost else p for label, p in zip(LABELS, seen, strict=True)},
        }
        place = {"generator": generator, "dataset": "d", "domain": "studio", "subject": f"s{number // 3}"}
        edit = {"edit": f"e{number}", "source": "neutral", "target": target, "reason": None}
        rows += [place | edit | {"metric": name, "value": v} for name, v in ({OUTPUT: 1.0} | values).items()]
    return pd.DataFrame(rows)


@pytest.fixture
def rows():
    draw = np.random.default_rng(0)
    return rows_of(draw.dirichlet(np.ones(3), 12), [*LABELS] * 4, failed=(4,))


def seen_of(rows):
    wide = rows.pivot(index="edit", columns="metric", values="value").loc[[f"e{i}" for i in range(12)]]
    return {label: wide[f"ecs.seen.{label}@x"].to_numpy() for label in LABELS}


def test_a_summary_holds_accuracy_macro_area_probability_expressions_and_confusion(rows):
    summary = summarise(rows, pd.DataFrame(columns=["metric"]), [CARD], {("g", "d"): "main"})
    cells = summary.cells.set_index("metric")
    targets = np.array([*LABELS] * 4)
    areas = {label: pairs_won(seen, targets == label) for label, seen in seen_of(rows).items()}
    assert cells.loc["ecs.auc@x", "value"] == pytest.approx(np.mean(list(areas.values())))
    assert cells.loc["ecs.macro@x", "value"] == pytest.approx(cells.loc["ecs@x", "value"])
    assert cells.loc["ecs.auc@x", "low"] < cells.loc["ecs.auc@x", "value"] < cells.loc["ecs.auc@x", "high"]
    assert not {name for name in cells.index if "seen" in name or "predicted" in name}
    by_expression = summary.expressions.set_index(["metric", "domain"])
    for label in LABELS:
        cell = by_expression.loc[("ecs.auc@x", label)]
        assert (cell["value"], cell["n_asked"], cell["n_scored"]) == (pytest.approx(areas[label]), 4, 4)
        assert by_expression.loc[("ecs@x", label), "n_asked"] == 4
    assert summary.confusion["count"].sum() == 11
    assert set(summary.confusion["judge"]) == {"x"}


def test_models_differ_in_area_by_a_paired_test(rows):
    perfect = rows_of(np.eye(3)[[0, 1, 2] * 4], [*LABELS] * 4, "perfect")
    both = pd.concat([rows, perfect], ignore_index=True)
    found = summarise(both, pd.DataFrame(columns=["metric"]), [CARD], {("g", "d"): "main"}).differences
    (area,) = found[found["metric"] == "ecs.auc@x"].to_dict("records")
    assert area["difference"] < 0
    assert area["high"] < 0.2


def test_rows_without_what_the_judge_saw_have_no_area_and_no_confusion(rows):
    old = rows[~rows["metric"].str.startswith("ecs.seen")]
    scores = old[old["metric"].isin(["ecs@x", "ecs.probability@x"])]
    assert "ecs.auc@x" not in set(cells_by_expression(old, scores, measures_of([CARD]))["metric"])
    assert confusions(old[old["metric"] == "ecs@x"], [CARD]).empty


def test_a_second_column_that_no_output_can_have_is_left_out_and_the_headline_stays(rows):
    for column in ("ecs@x", "ecs.probability@x"):
        rows.loc[rows["metric"] == column, "value"] = np.nan
    found = summarise(rows, pd.DataFrame(columns=["metric"]), [CARD], {("g", "d"): "main"}).cells
    assert "ecs@x" in set(found["metric"])
    assert "ecs.probability@x" not in set(found["metric"])
