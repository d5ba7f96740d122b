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
        datasets={
            "photos": before.record.datasets["photos"].model_copy(
                update={"digest": "e", "references_digest": "r"}
            )
        },
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
        "data photos: reference images: nothing → r",
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


@pytest.fixture
def set_run(tmp_path, make_results):
    """Return a run with a Fréchet distance in each of its domains."""

    def make(name, scores, value):
        counts = {"n_outputs": 12, "n_references": 20, "references": "-", "reason": ""}
        rows = [
            {"generator": "a", "dataset": "photos", "domain": domain, "metric": "fid@inception-2015"}
            | {"value": value, "low": np.nan, "high": np.nan, **counts}
            for domain in scores["domain"].unique()
        ]
        return make_results(tmp_path / name, scores, pd.DataFrame(rows))

    return make


def without_output(scores):
    """The scores where one edit has no output."""
    lost = (scores["metric"] == "output") & (scores["subject"] == "s00")
    return scores.assign(value=scores["value"].where(~lost, 0.0))


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda scores: scores, 0.5),
        (lambda scores: scores.assign(domain="lab"), 0.5),
        (lambda scores: scores[scores["subject"] != "s00"], np.nan),
        (lambda scores: scores[scores["subject"] != "s00"].assign(domain="lab"), np.nan),
        (without_output, np.nan),
    ],
)
def test_sets_of_different_edits_have_no_difference(set_run, make_scores, change, difference):
    whole = make_scores({"a": 0.5})
    found = compare_runs(set_run("old", whole, 1.0), set_run("new", change(whole), 1.5))
    (row,) = found.changes[found.changes["metric"] == "fid@inception-2015"].to_dict("records")
    assert row["domain"] == "studio"
    assert row["difference"] == pytest.approx(difference, nan_ok=True)
    assert (row["reason"] == OTHER_EDITS) == np.isnan(difference) == (len(found.uncompared) == 1)
    assert ("photos", "fid@inception-2015", "a") not in found.reasons or difference == 0.5


def test_a_domain_that_was_split_is_no_set_of_the_first_run(set_run, make_scores):
    whole = make_scores({"a": 0.5})
    split = whole.assign(domain=np.where(whole["subject"] < "s05", "studio", "lab"))
    found = compare_runs(set_run("old", whole, 1.0), set_run("new", split, 1.5))
    (row,) = found.uncompared.to_dict("records")
    assert (row["domain"], row["metric"]) == ("studio", "fid@inception-2015")
    assert np.isnan(row["difference"])


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


def test_outputs_that_only_one_run_counted_stay_in_the_joined_record(tmp_path, make_results, make_scores):
    counted = {"photos": {"b": OutputsRecord(asked=12, answered=9)}}
    first = make_results(tmp_path / "first", make_scores({"a": 0.5}))
    second = make_results(tmp_path / "second", make_scores({"b": 0.5}), outputs=counted)
    for merged in (merge_runs(first, second), merge_runs(second, first)):
        assert merged.record.outputs == counted
