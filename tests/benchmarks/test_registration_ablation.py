"""The tables of the ablation: means and paired differences, with intervals clustered by person."""

import importlib

import pandas as pd
import pytest


@pytest.fixture
def ablation(monkeypatch, request):
    monkeypatch.syspath_prepend(request.config.rootpath / "benchmarks")
    return importlib.import_module("registration_ablation")


@pytest.fixture
def scores(ablation):
    """Five people with two edits each; the whole model shows all expressions, the other none."""
    errors = dict.fromkeys((ablation.LANDMARKS, ablation.ERROR), 0.5)
    values = {
        ablation.WHOLE: {"ecs@embedded": 1.0, "fss@embedded": 0.9, ablation.FAILED: 0.0, **errors},
        "shape alone": {"ecs@embedded": 0.0, "fss@embedded": 0.8, ablation.FAILED: 0.5, **errors},
    }
    rows = [
        (variant, f"{person}-{edit}", person, metric, value)
        for variant, found in values.items()
        for person in "abcde"
        for edit in "xy"
        for metric, value in found.items()
    ]
    return pd.DataFrame(rows, columns=list(ablation.COLUMNS))


def test_a_share_has_an_interval_and_failures_are_counted(ablation, scores):
    whole, shape = ablation.means("rendered", scores).splitlines()[2:]
    assert whole.startswith("| **registered** | 1.00 [0.")
    assert whole.endswith("| 0 |")
    assert shape.startswith("| shape alone | 0.00 [0.00, 0.")
    assert shape.endswith("| 5 |")


def test_differences_are_of_the_same_edits(ablation, scores):
    (shape,) = ablation.differences("rendered", scores).splitlines()[2:]
    assert shape.startswith("| shape alone − registered | -1.00 (-1.00 to -0.")
    unmatched = scores[(scores["variant"] == ablation.WHOLE) | (scores["subject"] != "a")]
    (shape,) = ablation.differences("rendered", unmatched).splitlines()[2:]
    assert shape.startswith("| shape alone − registered | -1.00 (")


def test_scores_are_kept_and_found_again(ablation, scores, tmp_path):
    kept = ablation.Scores(tmp_path / "rendered.csv")
    for _, part in scores.groupby("variant", sort=False):
        kept.add(part)
    assert len(kept.read()) == len(scores)
    assert ablation.means("rendered", kept.read()).count("\n") == 3
