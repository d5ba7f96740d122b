"""What a finished run found, and which folders hold none."""

import json
from math import inf

import pandas as pd
import pytest

from fesbench.core.errors import BenchError
from fesbench.runs.results import RunResults
from fesbench.runs.store.store import RunStore
from fesbench.statistics.comparisons import CELL_COLUMNS


@pytest.fixture(scope="module")
def results(finished_run) -> RunResults:
    return RunResults.open(finished_run)


def test_a_run_of_the_first_format_opens(results, finished_run):
    assert results.location == str(finished_run)
    assert results.exit_code(results.record.metrics) == 0
    assert results.spec.resolution == 32
    assert list(results.cells) == CELL_COLUMNS
    assert results.cells["value"].dtype == float
    assert len(results.scores) == len(pd.read_parquet(finished_run / "scores.parquet"))
    assert results.blocks["reggan-regression", "rendered"] == "main"
    assert ("rendered", "statue", "fid@embedded") in results.unfit


def test_measures_have_their_ranges_back(results):
    assert (results.measures["fid@embedded"].low, results.measures["fid@embedded"].high) == (0.0, inf)
    assert results.measures["ecs@embedded"].headline is True
    assert results.measures["mae.face"].direction == "lower"


def test_one_data_set_has_its_own_part(results):
    (only,) = results.datasets
    assert only == results.dataset("rendered")
    assert list(only.cards) == ["copy", "truth", "reggan-regression"]
    assert only.compared == ["reggan-regression"]
    assert only.domains[0] == "studio"
    assert "mae.face" in only.truths
    assert "ecs@embedded" in only.judged
    assert set(only.scores["metric"]) - set(results.scores["metric"]) == {"joint@embedded", "works@embedded"}
    assert only.labels["ecs.predicted@embedded"][0] == "neutral"
    assert only.seconds["copy"] > 0
    with pytest.raises(BenchError, match="no results on photos"):
        results.dataset("photos")


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(BenchError, match=r"holds no run: there is no run\.json"):
        RunResults.open(tmp_path)


@pytest.mark.parametrize("name", ["summary.json", "scores.parquet"])
def test_a_run_that_lacks_a_file_was_not_finished(copied_run, name):
    (copied_run / name).unlink()
    with pytest.raises(BenchError, match=f"was not finished \\({name} is missing\\)"):
        RunResults.open(copied_run)


def test_a_run_that_is_going_on_was_not_finished(copied_run):
    RunStore(copied_run).update_record(status="started")
    with pytest.raises(BenchError, match="was not finished; run its command again"):
        RunResults.open(copied_run)


@pytest.mark.parametrize("content", ["{", '{"cells": 3}', "[]"])
def test_a_damaged_summary_says_how_to_mend_it(copied_run, content):
    (copied_run / "summary.json").write_text(content)
    with pytest.raises(BenchError, match=r"summary\.json or run\.json beside it is damaged.*same command"):
        RunResults.open(copied_run)


def test_a_record_without_a_specification_is_damaged(copied_run):
    path = copied_run / "run.json"
    content = json.loads(path.read_text())
    del content["spec"]
    path.write_text(json.dumps(content))
    (copied_run / "sha256sums.txt").unlink()
    with pytest.raises(BenchError, match="holds no specification"):
        RunResults.open(copied_run)
