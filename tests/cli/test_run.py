"""``bench run`` in this process: what is printed, and what a failed start leaves."""

import json

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from fesbench.cli import cli
from fesbench.runs import run as running

NAMES = ("a", "b")


@pytest.fixture(scope="module")
def faces(tmp_path_factory, random_faces):
    """Two people, neutral and happy."""
    return random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=NAMES, happy=NAMES)


@pytest.fixture
def bench(faces, tmp_path):
    def call(*arguments: object):
        fixed = ("run", "--model", "copy", "--data", faces, "--metric", "fidelity", "--resolution", 32)
        words = [*fixed, "--workers", 0, "--out", tmp_path / "run", *arguments]
        return CliRunner().invoke(cli, [str(word) for word in words])

    return call


def test_a_run_prints_its_table_and_a_second_call_does_nothing(bench, tmp_path):
    done = bench("--json")
    assert done.exit_code == 0, done.output
    assert {cell["generator"] for cell in json.loads(done.stdout)["cells"]} == {"copy"}
    assert (tmp_path / "run/report/table.tex").is_file()
    parts = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("part-*")}
    again = bench("--json")
    assert "nothing left to do" in again.stderr
    assert again.stdout == done.stdout
    assert parts
    assert {path: path.stat().st_mtime_ns for path in parts} == parts


def test_a_plan_is_printed_and_nothing_written(bench, tmp_path):
    done = bench("--dry-run", "--json")
    plan = json.loads(done.stdout)
    assert plan["edits_per_model"] == len(NAMES)
    assert plan["complete"] is False
    assert [item["protocol"] for item in plan["datasets"]] == ["cross-fit"]
    assert not (tmp_path / "run").exists()


def test_a_plan_says_how_long_it_takes_once_that_was_measured(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "home"))
    other = ("--dry-run", "--out", tmp_path / "other")
    assert "time:" not in bench(*other).stderr
    assert bench().exit_code == 0
    assert "(measured here)" in bench(*other).stderr
    plan = json.loads(bench(*other, "--model", "truth", "--json").stdout)
    assert plan["seconds"] > 0
    assert plan["not_measured"] == ["truth"]
    assert "time:" not in bench("--dry-run").stderr  # nothing is left to do


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_leaves_the_folder_usable(bench, tmp_path):
    refused = bench("--device", "cuda")
    assert refused.exit_code == 2
    assert "--device cpu" in refused.output
    assert not (tmp_path / "run").exists()
    assert bench().exit_code == 0
    assert (tmp_path / "run/scores.parquet").is_file()


def test_a_kill_while_models_are_prepared_leaves_the_folder_usable(bench, tmp_path, monkeypatch):
    def killed(*arguments):
        raise SystemExit(137)

    with monkeypatch.context() as patch:
        patch.setattr(running, "make_cells", killed)
        assert bench().exit_code == 137
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {"identities.json", "run.log"}
    assert bench().exit_code == 0


def test_the_folder_of_something_else_is_refused(bench, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/thesis.tex").touch()
    refused = bench()
    assert refused.exit_code == 2
    assert "thesis.tex" in refused.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "stargam"), "stargan"),
        (("--metric", "eccs"), "ecs"),
        (("--resolution", "7"), "resolution"),
        (("--checkpoint", "x.ckpt"), "x.ckpt"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_wrong_arguments_are_named(bench, arguments, message):
    refused = bench(*arguments)
    assert refused.exit_code == 2
    assert message in refused.output
    assert not refused.output.count("Traceback")


def test_a_config_gives_fields_that_flags_override(bench, tmp_path):
    config = tmp_path / "run.yaml"
    config.write_text("seed: 3\nlimit: 1\n")
    spec = json.loads(bench("--config", config, "--seed", 5, "--dry-run", "--json").stdout)["spec"]
    assert (spec["seed"], spec["limit"]) == (5, 1)


def test_a_config_says_where_and_how_to_compute(faces, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = tmp_path / "run.yaml"
    config.write_text(
        f"model: copy\ndata: {faces}\nmetric: fidelity\nresolution: 32\n"
        "out: mine\nworkers: 0\ndevice: nowhere\n"
    )
    refused = CliRunner().invoke(cli, ["run", "--config", str(config)])
    assert refused.exit_code == 2
    assert "nowhere" in refused.stderr
    assert not (tmp_path / "mine").exists()
    done = CliRunner().invoke(cli, ["run", "--config", str(config), "--device", "cpu"])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "mine/scores.parquet").is_file()


def test_without_arguments_the_usage_is_printed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["run"])
    assert result.exit_code == 2
    assert "--model NAME" in result.output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "copy", "--backend", "portable", "--metric", "ecs"), "`bench weights fetch portable`"),
        (("--model", "attgan", "--metric", "fidelity"), "--checkpoint"),
    ],
)
def test_a_run_of_which_nothing_can_be_used_says_why_and_leaves_nothing(
    faces, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path / "none"))
    fixed = ["run", "--data", str(faces), "--workers", "0", "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(cli, [*fixed, *arguments])
    assert result.exit_code == 2
    assert message in result.stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_metric_nobody_asked_for_leaves_the_exit_code_alone(faces, tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path / "none"))
    fixed = ["run", "--model", "copy", "--data", str(faces), "--backend", "portable", "--resolution", "32"]
    fixed += ["--workers", "0"]
    unasked = CliRunner().invoke(cli, [*fixed, "--out", str(tmp_path / "run")])
    assert unasked.exit_code == 0, unasked.output
    assert "not available: ecs@fer" in unasked.stdout
    asked = CliRunner().invoke(cli, [*fixed, "--metric", "ecs,fidelity", "--out", str(tmp_path / "asked")])
    assert asked.exit_code == 1


def test_photos_are_judged_by_networks_that_know_photos_where_there_are_any(
    faces, tmp_path, monkeypatch, weights_folder
):
    words = ["run", "--model", "copy", "--data", str(faces), "--dry-run", "--json"]
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path / "none"))
    without = CliRunner().invoke(cli, words)
    assert json.loads(without.stdout)["spec"]["backend"] == "embedded"
    assert "know rendered faces only" in without.stderr.splitlines()[0]
    assert "`bench weights fetch portable`" in without.stderr.splitlines()[0]
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder))
    chosen = CliRunner().invoke(cli, words)
    assert json.loads(chosen.stdout)["spec"]["backend"] == "portable"
    assert "rendered faces only" not in chosen.stderr
    other = CliRunner().invoke(cli, [*words, "--metric", "fid"])
    assert json.loads(other.stdout)["spec"]["backend"] == "embedded"
    assert "--backend portable has ecs and fss" in other.stderr.splitlines()[0]
    rendered = CliRunner().invoke(cli, ["run", "--model", "copy", "--limit", "1", "--dry-run", "--json"])
    assert json.loads(rendered.stdout)["spec"]["backend"] == "embedded"
    assert "rendered faces only" not in rendered.stderr


def test_unusual_images_are_noted_in_the_plan_and_under_the_table(faces, tmp_path):
    Image.new("RGBA", (32, 40), (200, 90, 9, 99)).save(faces / "neutral" / "c.png")
    words = ["run", "--model", "copy", "--data", faces, "--metric", "fidelity", "--resolution", 32]
    words += ["--workers", 0, "--out", tmp_path / "run"]
    shown = CliRunner().invoke(cli, [str(word) for word in words])
    (faces / "neutral" / "c.png").unlink()
    assert "such as neutral/c.png: not square" in " ".join(shown.stderr.split())
    table = (tmp_path / "run/report/table.md").read_text()
    assert "1 of 5 images, such as neutral/c.png: partly transparent; blended over white." in table


def test_a_data_set_none_of_whose_images_can_be_used_says_why(tmp_path, random_faces):
    faces = random_faces(tmp_path / "faces", neutral=NAMES, happy=NAMES)
    for path in faces.rglob("*.png"):
        Image.new("RGB", (32, 32), (1, 0, 1)).save(path)
    done = CliRunner().invoke(cli, ["run", "--model", "copy", "--data", str(faces), "--dry-run"])
    assert done.exit_code == 2
    assert "Left out: 4 images, such as happy/a.png: the image is black" in " ".join(done.stderr.split())
