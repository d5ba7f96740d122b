"""SQL over finished runs: what it answers, and that it reaches nothing else."""

import shutil

import pandas as pd
import pytest

from fesbench.core.errors import BenchError
from fesbench.review.query import query_runs
from fesbench.runs.results import RunResults


@pytest.fixture(scope="module")
def results(finished_run) -> RunResults:
    return RunResults.open(finished_run)


def test_scores_summary_and_failures_of_two_runs(results, copied_run):
    other = RunResults.open(copied_run)
    answer = query_runs(
        "SELECT run, avg(value) AS value, count(*) AS n FROM scores "
        "WHERE metric = 'fss@embedded' GROUP BY ALL ORDER BY ALL",
        [results, other],
    )
    scores = results.scores[results.scores["metric"] == "fss@embedded"]
    assert answer["run"].tolist() == ["copied", "format-1"]
    assert answer["n"].tolist() == [90, 90]
    assert answer["value"].tolist() == pytest.approx([scores["value"].mean()] * 2)
    cells = query_runs("SELECT count(*) AS n, count(low) AS low FROM summary", [results])
    assert cells["n"].item() == len(results.cells)
    assert cells["low"].item() == results.cells["low"].notna().sum()
    assert query_runs("FROM failures", [results]).columns.tolist() == [
        "run", "generator", "dataset", "edit", "reason"
    ]  # fmt: skip


def test_two_folders_of_one_name_are_told_apart_by_path(results, tmp_path):
    other = RunResults.open(shutil.copytree(results.location, tmp_path / results.name))
    answer = query_runs("SELECT DISTINCT run FROM scores", [results, other])
    assert set(answer["run"]) == {results.location, other.location}
    with pytest.raises(BenchError, match="given twice"):
        query_runs("FROM scores", [results, RunResults.open(results.location)])


def test_failures_are_rows_and_a_damaged_list_is_told(copied_run):
    (copied_run / "sha256sums.txt").unlink()  # it would tell that the list was changed
    path = copied_run / "failures.jsonl"
    path.write_text('{"generator": "copy", "dataset": "rendered", "edit": "e", "reason": "no output: x"}\n')
    assert query_runs("SELECT reason FROM failures", [RunResults.open(copied_run)])["reason"].tolist() == [
        "no output: x"
    ]
    path.write_text("{")
    with pytest.raises(BenchError, match=r"failures\.jsonl cannot be read"):
        query_runs("FROM failures", [RunResults.open(copied_run)])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{secret}')",
        "SELECT * FROM read_csv('{secret}')",
        "FROM '{secret}'",
        "SELECT * FROM glob('{folder}/*')",
        "EXPLAIN ANALYZE COPY scores TO '{folder}/out.csv'",
        "COPY scores TO '{folder}/out.csv'",
        "ATTACH '{folder}/new.db'",
        "SET enable_external_access = true",
        "SELECT 1; DROP TABLE scores",
        "FROM rows",
    ],
)
def test_sql_reaches_nothing_else(results, tmp_path, sql):
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nxyzzy\n")
    with pytest.raises(BenchError) as caught:
        query_runs(sql.format(secret=secret, folder=tmp_path), [results])
    assert "xyzzy" not in str(caught.value)
    assert list(tmp_path.iterdir()) == [secret]


def test_an_answer_without_rows_has_its_columns(results):
    answer = query_runs("SELECT generator, value FROM scores WHERE metric = 'none'", [results])
    assert isinstance(answer, pd.DataFrame)
    assert answer.empty
    assert list(answer) == ["generator", "value"]
