"""``bench compare``."""

import json

import pandas as pd


def test_a_run_agrees_with_itself(call_bench, finished_run):
    content = json.loads(call_bench("compare", finished_run, finished_run, "--json").stdout)
    assert content["changed_cells"] == content["causes"] == []
    assert {row["difference"] for row in content["changes"]} == {0.0, None}
    assert "no score of a shared edit differs" in call_bench("compare", finished_run, finished_run).stdout
    assert "interval" in call_bench("compare", finished_run, finished_run, "--all").stdout


def test_what_changed_is_shown_with_what_may_have_moved_it(call_bench, finished_run, copied_run):
    path = copied_run / "scores.parquet"
    scores = pd.read_parquet(path)
    own = (scores["generator"] == "reggan-regression") & (scores["metric"] == "quality@embedded")
    scores.loc[own, "value"] += 0.1
    scores[scores["generator"] != "truth"].to_parquet(path)
    path = copied_run / "run.json"
    record = json.loads(path.read_text())
    record["versions"]["torch"] = "0"
    path.write_text(json.dumps(record))
    text = call_bench("compare", finished_run, copied_run).stdout
    assert "left out: 30 edits of a model only in A, 0 only in B" in text
    assert "changed: reggan-regression on rendered, quality@embedded" in text
    assert "version torch: " in text
    assert "0.1000" in text


def test_recorded_differences_that_moved_nothing_are_told(call_bench, finished_run, copied_run):
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
