"""``bench query``."""

import json


def test_an_answer_as_a_table_csv_and_json(call_bench, finished_run):
    sql = "SELECT 1 AS a, '=cmd' AS b, NULL AS c, 0.123456789 AS d FROM summary LIMIT 1"
    assert call_bench("query", sql, finished_run, "--csv").stdout == "a,b,c,d\n1,'=cmd,,0.123456789\n"
    (row,) = json.loads(call_bench("query", sql, finished_run, "--json").stdout)
    assert (row["a"], row["b"], row["c"]) == (1, "=cmd", None)
    shown = call_bench("query", sql, finished_run).stdout
    assert "=cmd" in shown
    assert "0.123457" in shown
    assert "–" in shown


def test_values_that_json_has_no_form_for(call_bench, finished_run):
    sql = "SELECT [1, 2] AS list, DATE '2026-01-02' AS day FROM scores LIMIT 1"
    (row,) = json.loads(call_bench("query", sql, finished_run, "--json").stdout)
    assert row["list"] == [1, 2]
    assert row["day"].startswith("2026-01-02")
