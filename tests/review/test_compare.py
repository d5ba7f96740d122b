"""Comparisons of small runs whose answers can be worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from fesbench.core.errors import BenchError
from fesbench.review.compare import OTHER_EDITS, UNEXPLAINED, compare_runs, merge_runs
from fesbench.runs.store.records import Identities, OutputsRecord


def test_a_comparison_is_the_paired_difference_on_common_edits(tmp_path, make_results, make_scores):
    old = make_scores({"a": 0.5, "b": 0.4})
    new = make_scores({"a": 0.5, "b": 0.4})
    gains = [0.1, 0.2, 0.3] * 4
    own = (new["generator"] == "b") & (new["metric"] == "fss@dlib")
    new.loc[own, "value"] += gains
    new = new[new["subject"] != "s00"]
    found = compare_runs(make_results(tmp_path / "old", old), make_results(tmp_path / "new", new))
    rows = found.changes.set_index("generator")
    assert rows.loc["b", "difference"] == pytest.approx(sum(gains[1:]) / 11)
    assert rows.loc["b", "low"] < rows.loc["b", "difference"] < rows.loc["b", "high"]
    assert rows.loc["b", "n_common"] == rows.loc["b", "n_changed"] == 11
    assert rows.loc["a", "n_changed"] == 0
    assert found.only == (2, 0)
    assert found.reasons == {("photos", "fss@dlib", "b"): (UNEXPLAINED,)}


def test_a_changed_cell_names_what_can_have_moved_it(tmp_path, make_results, make_scores):
    old, new = make_scores({"a": 0.5, "b": 0.4}), make_scores({"a": 0.6, "b": 0.5})
    before = make_results(tmp_path / "old", old)
    after = make_results(
        tmp_path / "new",
        new,
        versions={"torch": "2"},
        datasets={"photos": before.record.datasets["photos"].model_copy(update={"digest": "e"})},
    )
    before.store.update_identities(
        Identities(
            models={"a": {"checkpoint": "1"}},
            networks={"dlib": {"weights": "p"}, "fer": {"weights": "p"}},
        )
    )
    after.store.update_identities(
        Identities(
            models={"a": {"checkpoint": "2"}},
            networks={"dlib": {"weights": "q"}, "fer": {"weights": "q"}},
        )
    )
    found = compare_runs(before, after)
    shared = {
        "data photos: digest: d → e",
        "version torch: 1 → 2",
        "network dlib: weights: p → q",
    }
    assert set(found.reasons["photos", "fss@dlib", "b"]) == shared
    assert set(found.reasons["photos", "fss@dlib", "a"]) == shared | {"model a: checkpoint: 1 → 2"}


def test_runs_without_a_common_edit_are_refused(tmp_path, make_results, make_scores):
    first = make_results(tmp_path / "a", make_scores({"a": 0.5}))
    second = make_results(tmp_path / "b", make_scores({"b": 0.5}))
    with pytest.raises(BenchError, match="nothing to compare"):
        compare_runs(first, second)


@pytest.mark.parametrize("column", ["domain", "subject"])
def test_edits_that_stand_elsewhere_in_the_second_run_are_compared_all_the_same(
    tmp_path, make_results, make_scores, column
):
    old, new = make_scores({"a": 0.5, "b": 0.4}), make_scores({"a": 0.5, "b": 0.4})
    new.loc[new["metric"] == "fss@dlib", "value"] -= 0.1
    new[column] = "lab" if column == "domain" else "of-" + new[column]
    found = compare_runs(make_results(tmp_path / "old", old), make_results(tmp_path / "new", new))
    assert (found.changes["n_changed"] == 12).all()
    assert np.allclose(found.changes["difference"], -0.1)
    (cause,) = [cause for cause in found.causes if "places of edits" in cause.name]
    assert cause.after.startswith("12 edits")


def test_before_after_and_difference_are_means_over_the_same_edits(tmp_path, make_results, make_scores):
    old, new = make_scores({"a": 0.5, "b": 0.4}), make_scores({"a": 0.6, "b": 0.4})
    own = (old["generator"] == "a") & (old["metric"] == "fss@dlib")
    old.loc[own & (old["subject"] > "s05"), "value"] = np.nan
    new.loc[own & (new["subject"] < "s02"), "value"] = np.nan
    found = compare_runs(make_results(tmp_path / "old", old), make_results(tmp_path / "new", new))
    row = found.changes.set_index("generator").loc["a"]
    assert row["n_scored"] == 4
    assert row["after"] - row["before"] == pytest.approx(row["difference"]) == pytest.approx(0.1)


def test_sets_of_different_edits_have_no_difference(tmp_path, make_results, make_scores):
    def run(name, scores, value):
        places = {"dataset": "photos", "domain": "studio", "metric": "fid@inception-2015"}
        counts = {"n_outputs": 12, "n_references": 20, "references": "-", "reason": ""}
        row = {"generator": "a", **places, "value": value, "low": np.nan, "high": np.nan, **counts}
        return make_results(tmp_path / name, scores, pd.DataFrame([row]))

    whole = make_scores({"a": 0.5})
    before = run("old", whole, 1.0)
    for name, scores, difference in (
        ("same", whole, 0.5),
        ("fewer", whole[whole["subject"] != "s00"], np.nan),
    ):
        changes = compare_runs(before, run(name, scores, 1.5)).changes
        (row,) = changes[changes["metric"] == "fid@inception-2015"].to_dict("records")
        assert row["difference"] == pytest.approx(difference, nan_ok=True)
        assert (row["reason"] == OTHER_EDITS) == np.isnan(difference)


def test_one_table_has_what_is_known_of_the_models_of_both_runs(tmp_path, make_results, make_scores):
    def run(name, model, **record):
        outputs = {"photos": {model: OutputsRecord(asked=12, answered=9)}}
        known = {
            "outputs": outputs,
            "varying": {model: {"photos": "varies"}},
            "fits": {model: {"photos": ("f",)}},
        }
        return make_results(tmp_path / name, make_scores({model: 0.5}), **known, **record)

    first, second = run("first", "a"), run("second", "b", versions={"torch": "2"})
    for merged in (merge_runs(first, second), merge_runs(second, first)):
        record = merged.record
        assert record.outputs["photos"].keys() == record.varying.keys() == record.fits.keys() == {"a", "b"}
        assert any("run by different software" in note for note in merged.summary.notes)
