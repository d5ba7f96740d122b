"""``bench compare``."""

import json
import shutil

import pandas as pd
import pytest


def keep_models(run, names):
    """Remove what a run holds of all other models."""
    (run / "sha256sums.txt").unlink()  # it would tell that files were changed
    for name, fields in (("run.json", ("models",)), ("summary.json", ("cells", "differences"))):
        content = json.loads((run / name).read_text())
        for field in fields:
            entries = content[field]
            content[field] = (
                {key: entry for key, entry in entries.items() if key in names}
                if isinstance(entries, dict)
                else [row for row in entries if {row["generator"], row.get("versus")} <= {*names, None}]
            )
        for counts in content.get("outputs", {}).values():
            for model in counts.keys() - names:
                del counts[model]
        (run / name).write_text(json.dumps(content))
    scores = pd.read_parquet(run / "scores.parquet")
    scores[scores["generator"].isin(names)].to_parquet(run / "scores.parquet", index=False)


@pytest.fixture
def halves(finished_run, tmp_path):
    """The finished run as two: one model, and the controls."""
    found = []
    for name, models in (("model", {"reggan-regression"}), ("controls", {"copy", "truth"})):
        found.append(shutil.copytree(finished_run, tmp_path / name))
        keep_models(found[-1], models)
    return found


def test_runs_of_different_models_are_merged_into_one_table(call_bench, finished_run, halves):
    merged = json.loads(call_bench("compare", *halves, "--json").stdout)
    whole = json.loads((finished_run / "summary.json").read_text())
    keys = ("generator", "dataset", "domain", "metric")
    values = [
        {tuple(row[key] for key in keys): row["value"] for row in found["cells"]} for found in (merged, whole)
    ]
    common = values[0].keys() & values[1].keys()
    assert len(common) >= 0.9 * len(values[1])
    for key in common:
        assert values[0][key] == pytest.approx(values[1][key], nan_ok=True), key
    pairs = {frozenset((row["generator"], row["versus"])) for row in merged["differences"]}
    assert frozenset(("reggan-regression", "copy")) in pairs
    assert "RegGAN" in call_bench("compare", *halves).stdout


def test_what_keeps_runs_of_different_models_apart_is_told(call_bench, halves):
    path = halves[1] / "run.json"
    record = json.loads(path.read_text())
    record["spec"]["resolution"] = 64
    record["datasets"]["rendered"]["digest"] = "0" * 64
    path.write_text(json.dumps(record))
    message = call_bench("compare", *halves, code=2).stderr
    assert "cannot stand in one table" in message
    assert "spec resolution: 32 → 64" in message
    assert "data rendered: digest" in message


def test_a_run_agrees_with_itself(call_bench, finished_run):
    content = json.loads(call_bench("compare", finished_run, finished_run, "--json").stdout)
    assert content["changed_cells"] == content["causes"] == []
    assert {row["difference"] for row in content["changes"]} == {0.0, None}
    assert "no score of a shared edit differs" in call_bench("compare", finished_run, finished_run).stdout
    assert "interval" in call_bench("compare", finished_run, finished_run, "--all").stdout


def test_what_changed_is_shown_with_what_may_have_moved_it(call_bench, finished_run, copied_run):
    (copied_run / "sha256sums.txt").unlink()  # it would tell that files were changed
    path = copied_run / "scores.parquet"
    scores = pd.read_parquet(path)
    own = (scores["generator"] == "reggan-regression") & (scores["metric"] == "quality@embedded")
    scores.loc[own, "value"] += 0.1
    scores[scores["generator"] != "truth"].to_parquet(path, index=False)
    path = copied_run / "run.json"
    record = json.loads(path.read_text())
    record["versions"]["torch"] = "0"
    del record["outputs"]["rendered"]["truth"]
    path.write_text(json.dumps(record))
    text = call_bench("compare", finished_run, copied_run).stdout
    assert "left out: 30 edits of a model only in A, 0 only in B" in text
    assert "changed: reggan-regression on rendered, quality@embedded" in text
    assert "version torch: " in text
    assert "0.1000" in text


def test_recorded_differences_that_moved_nothing_are_told(call_bench, finished_run, copied_run):
    (copied_run / "sha256sums.txt").unlink()  # it would tell that files were changed
    path = copied_run / "run.json"
    record = json.loads(path.read_text())
    record["device"]["threads"] = 64
    path.write_text(json.dumps(record))
    text = call_bench("compare", finished_run, copied_run).stdout
    assert "recorded differences, none of which moved a score" in text
    assert "device threads: 2 → 64" in text


def test_an_unfinished_run_is_refused(call_bench, finished_run, copied_run):
    (copied_run / "summary.json").unlink()
    assert "summary.json is missing" in call_bench("compare", finished_run, copied_run, code=2).stderr


def test_scores_of_sets_of_other_edits_are_told_as_not_compared(call_bench, finished_run, copied_run):
    (copied_run / "sha256sums.txt").unlink()  # it would tell that files were changed
    path = copied_run / "scores.parquet"
    scores = pd.read_parquet(path)
    lost = (scores["generator"] == "reggan-regression") & (scores["metric"] == "output")
    scores.loc[scores.index[lost][0], "value"] = 0.0
    scores.to_parquet(path, index=False)
    text = call_bench("compare", finished_run, copied_run).stdout
    assert "not compared (the score of a set, and the two runs have outputs of other edits here): " in text
    assert "reggan-regression on rendered, studio, fid@embedded" in text


def test_a_renamed_domain_hides_no_change(call_bench, finished_run, copied_run):
    (copied_run / "sha256sums.txt").unlink()  # it would tell that files were changed
    path = copied_run / "scores.parquet"
    scores = pd.read_parquet(path)
    scores["domain"] = "lab-" + scores["domain"].astype(str)
    scores.loc[scores["metric"] == "fss@embedded", "value"] -= 0.5
    scores.to_parquet(path, index=False)
    text = call_bench("compare", finished_run, copied_run).stdout
    assert "reggan-regression on rendered, fss@embedded" in text
    assert "-0.5000" in text
    assert "30 edits have another domain or subject, and count as in the first run" in text


def test_the_joined_table_says_of_the_models_of_both_runs_what_was_lost_or_varies(call_bench, halves):
    path = halves[0] / "run.json"
    record = json.loads(path.read_text())
    record["outputs"]["rendered"]["reggan-regression"]["answered"] -= 3
    record["varying"] = {"reggan-regression": {"rendered": "the order of edits"}}
    record["versions"]["torch"] = "0"
    path.write_text(json.dumps(record))
    for runs in (halves, halves[::-1]):
        text = " ".join(call_bench("compare", *runs).stdout.split())
        assert "3 of 30 edits have no output" in text
        assert "varies: the order of edits" in text
        assert "were run by different software: version torch: " in text
