"""Comparisons of small runs whose answers can be worked out by hand."""

import pytest

from fesbench.core.errors import BenchError
from fesbench.review.compare import UNEXPLAINED, compare_runs
from fesbench.runs.store.records import Identities


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
