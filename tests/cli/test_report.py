"""``bench report``."""

import json

import pytest

from fesbench.runs.store.store import RunStore


@pytest.fixture(scope="module")
def tables(finished_run):
    return ("main", "compact", "expressions", "pairs", "truth", "cost", "confusion-embedded")


def test_tables_and_the_page_of_a_run_of_the_first_format(call_bench, finished_run, tmp_path, tables):
    arguments = ("report", finished_run, "--format", "html,latex,md,csv,json", "--out", tmp_path)
    lines = call_bench(*arguments).stdout.splitlines()
    assert lines == [str(tmp_path / "html" / "index.html"), str(tmp_path / "tables")]
    stems = {path.stem for path in (tmp_path / "tables").glob("*.json")}
    assert stems <= set(tables)
    assert stems >= {"main", "compact", "expressions", "cost", "confusion-embedded"}
    (main,) = json.loads((tmp_path / "tables" / "main.json").read_text())["tables"]
    assert [row["name"] for row in main["rows"]] == ["reggan-regression", "copy", "truth"]
    page = (tmp_path / "html" / "index.html").read_text(encoding="utf-8")
    for part in ("bench run --model copy", "closed-form models: rendered, split", "Limited to 1 subject of"):
        assert part in page


def test_two_runs_of_one_name_have_folders_of_their_own(call_bench, finished_run, tmp_path):
    assert "say where it goes with --out" in call_bench("report", finished_run, finished_run, code=2).stderr
    call_bench("report", finished_run, finished_run, "--format", "csv", "--out", tmp_path)
    names = {path.name for path in (tmp_path / "tables").iterdir()}
    assert len(names) == 2
    assert all(name.startswith("format-1") for name in names)


def test_a_run_that_was_not_finished_is_refused_by_its_status(call_bench, copied_run):
    RunStore(copied_run).update_record(status="started")
    assert "was not finished" in call_bench("report", copied_run, "--format", "csv", code=2).stderr
    assert not (copied_run / "report").exists()


def test_unknown_formats_and_data_sets_are_refused(call_bench, finished_run, tmp_path):
    assert (
        "no data set 'london' in these runs"
        in call_bench("report", finished_run, "--include-images", "london", "--out", tmp_path, code=2).stderr
    )
    assert "is no format" in call_bench("report", finished_run, "--format", "docx", code=2).stderr


def test_main_tables_show_what_is_chosen(call_bench, finished_run, tmp_path):
    chosen = ("--model", "copy", "--metric", "ecs@embedded", "--domain", "studio", "--columns", "one")
    call_bench("report", finished_run, "--format", "latex,json", *chosen, "--out", tmp_path)
    (main,) = json.loads((tmp_path / "tables" / "main.json").read_text())["tables"]
    assert [row["name"] for row in main["rows"]] == ["copy"]
    assert {(column["metric"], column["domain"]) for column in main["columns"]} == {
        ("ecs@embedded", "studio")
    }


@pytest.mark.parametrize(
    ("option", "wrong", "right"),
    [
        ("--model", "copi", "copy"),
        ("--metric", "ecs@embeded", "ecs@embedded"),
        ("--domain", "studo", "studio"),
    ],
)
def test_a_wrong_choice_is_answered_with_the_nearest_name(
    call_bench, finished_run, tmp_path, option, wrong, right
):
    message = call_bench(
        "report", finished_run, option, wrong, "--format", "csv", "--out", tmp_path, code=2
    ).stderr
    assert f"Did you mean {right}" in message
