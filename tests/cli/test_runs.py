"""``bench runs``."""

import json
import os


def test_runs_are_listed_the_newest_first_damaged_ones_too(call_bench, copied_run, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    os.utime(tmp_path / "broken" / "run.json", (0, 0))
    listed = json.loads(call_bench("runs", "list", tmp_path, "--json").stdout)
    assert [(entry["name"], entry["status"]) for entry in listed] == [
        ("copied", "complete"),
        ("broken", "damaged"),
    ]
    assert listed[0]["headline"].startswith(("copy", "truth", "reggan"))
    assert "copied" in call_bench("runs", "list", tmp_path).stdout
    assert "no runs" in call_bench("runs", "list", tmp_path / "broken" / "none").stderr


def test_all_measures_are_shown_with_intervals(call_bench, current_run):
    shown = call_bench("runs", "show", current_run).stdout
    assert "95% interval" in shown
    assert shown.count("ECS@embedded") >= 1


def test_a_run_moves_as_one_file(call_bench, copied_run, tmp_path):
    said = call_bench("runs", "pack", copied_run, "--out", tmp_path / "run.tar.gz").stdout
    assert "run.tar.gz:" in said
    call_bench("runs", "unpack", tmp_path / "run.tar.gz", "--out", tmp_path / "theirs")
    assert (tmp_path / "theirs" / "run.json").read_bytes() == (copied_run / "run.json").read_bytes()
    assert (
        "exists" in call_bench("runs", "unpack", tmp_path / "run.tar.gz", "--out", copied_run, code=2).stderr
    )
