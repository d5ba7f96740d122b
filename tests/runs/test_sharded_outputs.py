"""A run that keeps its outputs in archives of shards gives the results of one that keeps them in files."""

import json
import os
import subprocess
import sys

import pytest

LOADED = """
import sys
from fesbench.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code
print(sorted({'torch', 'matplotlib', 'scipy.special', 'scipy.stats'} & set(sys.modules)), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, random_faces):
    """A run of two controls on 40 edits, two shards of each; one has no true target."""
    folder = tmp_path_factory.mktemp("data")
    random_faces(folder / "faces", neutral=range(40), happy=range(39))
    models = ("--model", "copy", "--model", "truth")
    return (*models, "--data", folder / "faces", "--metric", "fidelity", "--resolution", 32, "--workers", 0)


@pytest.fixture(scope="module")
def runs(tmp_path_factory, arguments, call_bench):
    """The same run in both forms."""
    folder = tmp_path_factory.mktemp("runs")
    for form in ("files", "shards"):
        call_bench("run", *arguments, "--outputs", form, "--out", folder / form)
    return folder


def archives(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("outputs/*/*/*.tar"))


def test_both_forms_have_the_same_scores(runs, call_bench):
    for name in ("scores.parquet", "summary.json", "failures.jsonl"):
        assert (runs / "shards" / name).read_bytes() == (runs / "files" / name).read_bytes()
    assert archives(runs / "shards") == [
        f"outputs/{model}/faces/shard-0000{number}.tar" for model in ("copy", "truth") for number in (0, 1)
    ]
    assert not list((runs / "shards").glob("outputs/**/*.png"))
    assert not archives(runs / "files")
    done = call_bench("verify", runs / "shards", "--all")
    assert "mismatch" not in done.stdout


def test_metrics_that_are_added_score_the_archives(arguments, runs, call_bench):
    for form in ("files", "shards"):
        call_bench("run", *arguments, "--metric", "ecs", "--out", runs / form)
    assert (runs / "shards/scores.parquet").read_bytes() == (runs / "files/scores.parquet").read_bytes()
    assert len(archives(runs / "shards")) == 4


def test_a_changed_or_missing_archive_is_made_again(arguments, runs, call_bench):
    command = ("run", *arguments, "--metric", "ecs", "--out", runs / "shards")
    call_bench(*command)
    assert "nothing left to do" in call_bench(*command).stderr
    paths = [runs / "shards" / name for name in archives(runs / "shards")]
    before = [path.read_bytes() for path in paths]
    paths[0].write_bytes(before[0][:-2000] + bytes(2000))
    paths[1].unlink()
    assert "nothing left to do" not in call_bench(*command).stderr
    assert [path.read_bytes() for path in paths] == before


def test_a_run_keeps_the_form_in_which_it_began(arguments, runs, call_bench):
    more = ("--metric", "ecs", "--metric", "fss", "--out", runs / "shards")
    refused = call_bench("run", *arguments, *more, "--outputs", "files", code=2)
    assert "keeps its outputs in shards" in refused.stderr
    assert json.loads((runs / "shards/run.json").read_text())["output_form"] == "shards"
    assert "output_form" not in json.loads((runs / "files/run.json").read_text())


def test_a_report_shows_outputs_of_archives_where_they_are_included(runs, call_bench):
    page, plain = runs / "with", runs / "without"
    report = ("report", runs / "shards", "--format", "html")
    call_bench(*report, "--include-images", "faces", "--out", page)
    images = list((page / "html/images").rglob("*.png"))
    stored = {path.name: path.read_bytes() for path in (runs / "files/outputs/copy").rglob("*.png")}
    assert len(images) == 79
    assert all(p.read_bytes() == stored[p.name] for p in images if p.parent.parent.name == "copy")
    call_bench(*report, "--out", plain)
    text = "kept in archives, which a page cannot show"
    assert text in (plain / "html/index.html").read_text()
    assert text not in (page / "html/index.html").read_text()


def test_parts_and_archives_of_runs_keep_the_form(arguments, runs, call_bench, tmp_path):
    for part in ("1/2", "2/2"):
        call_bench("run", *arguments, "--outputs", "shards", "--out", tmp_path / "run", "--part", part)
    call_bench("merge", tmp_path / "run")
    assert archives(tmp_path / "run") == archives(runs / "shards")
    assert json.loads((tmp_path / "run/run.json").read_text())["output_form"] == "shards"
    call_bench("runs", "pack", tmp_path / "run", "--out", tmp_path / "run.tar.gz")
    call_bench("runs", "unpack", tmp_path / "run.tar.gz", "--out", tmp_path / "again")
    call_bench("verify", tmp_path / "again")


def test_nothing_left_is_seen_without_networks_and_without_reading_outputs(arguments, runs, call_bench):
    folder = runs / "files"
    command = ("run", *arguments, "--metric", "ecs", "--out", folder)
    call_bench(*command)
    output = next((folder / "outputs/copy").rglob("*.png"))
    content, times = output.read_bytes(), output.stat()
    output.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(output, ns=(times.st_atime_ns, times.st_mtime_ns))
    words = [sys.executable, "-c", LOADED, *map(str, command)]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    assert "nothing left to do" in said
    assert said.splitlines()[-1] == "[]"
    assert output.name in call_bench("verify", folder, code=1).stdout
    os.utime(output)
    assert "nothing left to do" not in call_bench(*command).stderr
    assert output.read_bytes() == content


def test_files_that_were_touched_or_moved_are_read_once(arguments, runs, call_bench):
    folder = runs / "files"
    command = ("run", *arguments, "--metric", "ecs", "--out", folder)
    call_bench(*command)
    index = (folder / ".files").read_bytes()
    for path in folder.rglob("*.parquet"):
        os.utime(path)
    assert "nothing left to do" in call_bench(*command).stderr
    assert (folder / ".files").read_bytes() != index
    (folder / ".files").write_bytes(b"\xff\nnonsense\n")
    assert "nothing left to do" in call_bench(*command).stderr
