"""A run on rendered faces, from the command to its files."""

import json
import resource
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image


def run(out: Path, *more: object) -> tuple[object, ...]:
    """A run of one subject and one metric into ``out``."""
    return ("run", "--limit", 1, "--metric", "ecs", "--out", out, *more)


@pytest.fixture(scope="module")
def finished(bench, tmp_path_factory):
    """A small finished run of every model."""
    out = tmp_path_factory.mktemp("runs") / "all"
    done = bench("run", "--model", "all", "--limit", 3, "--resolution", 64, "--out", out, "--json")
    return out, json.loads(done.stdout)


def cells(summary: dict, metric: str) -> pd.DataFrame:
    frame = pd.DataFrame(summary["cells"])
    return frame[frame["metric"] == metric]


def means(out: Path, metric: str) -> pd.Series:
    scores = pd.read_parquet(out / "scores.parquet")
    return scores[scores["metric"] == metric].groupby("generator")["value"].mean()


def test_a_run_leaves_everything_it_promises(finished):
    out, _ = finished
    for name in ("run.json", "scores.parquet", "summary.json", "summary.csv", "failures.jsonl", "run.log"):
        assert (out / name).is_file(), name
    assert (out / "report" / "table.tex").is_file()
    assert (out / "grids" / "grid.png").is_file()
    record = json.loads((out / "run.json").read_text())
    assert record["status"] == "complete"
    assert record["versions"]["torch"]
    assert not list(out.rglob(".tmp-*"))


def test_every_edit_has_an_output_of_the_run_resolution(finished):
    out, _ = finished
    scores = pd.read_parquet(out / "scores.parquet")
    for generator, edits in scores.groupby("generator")["edit"].unique().items():
        files = {path.stem: path for path in (out / "outputs" / generator / "rendered").glob("*.png")}
        assert set(files) == set(edits)
        with Image.open(next(iter(files.values()))) as image:
            assert image.size == (64, 64)


def test_truth_is_the_ceiling_and_copy_the_floor(finished):
    out, _ = finished
    ecs, fss = means(out, "ecs@embedded"), means(out, "fss@embedded")
    assert ecs["truth"] > 0.9
    assert ecs["copy"] < 0.1
    assert fss["copy"] == pytest.approx(1, abs=1e-5)
    assert fss.drop("copy").max() < fss["copy"]
    assert means(out, "mae.face")["truth"] == 0


def test_the_regression_stage_shows_the_expression(finished):
    ecs = means(finished[0], "ecs@embedded")
    assert ecs["reggan-regression"] > ecs["copy"] + 0.3


def test_the_summary_has_no_nan_and_counts_everything(finished):
    out, summary = finished
    assert "NaN" not in (out / "summary.json").read_text()
    headline = cells(summary, "ecs@embedded")
    assert (headline["n_asked"] == headline["n_scored"]).all()
    assert headline["low"].le(headline["value"]).all()


def test_nothing_left_to_do(bench, finished):
    out, summary = finished
    before = {path: path.stat().st_mtime_ns for path in out.rglob("part-*")}
    done = bench("run", "--model", "all", "--limit", 3, "--resolution", 64, "--out", out, "--json")
    assert "nothing left to do" in done.stderr
    assert json.loads(done.stdout) == summary
    assert {path: path.stat().st_mtime_ns for path in out.rglob("part-*")} == before


def test_a_finished_shard_is_never_computed_again(bench, tmp_path):
    arguments = ("run", "--limit", 2, "--metric", "ecs", "--out", tmp_path / "run")
    bench(*arguments, "--model", "copy")
    (part,) = (tmp_path / "run/scores/rendered/copy").glob("part-00000.parquet")
    before = part.stat().st_mtime_ns
    bench(*arguments, "--model", "truth")
    assert part.stat().st_mtime_ns == before
    generators = pd.read_parquet(tmp_path / "run/scores.parquet")["generator"].unique()
    assert list(generators) == ["copy", "truth"]


def test_metrics_are_added_without_synthesizing_again(bench, tmp_path):
    arguments = ("run", "--limit", 1, "--model", "copy", "--out", tmp_path / "run")
    bench(*arguments, "--metric", "ecs")
    output = next((tmp_path / "run/outputs/copy/rendered").glob("*.png"))
    before = output.stat().st_mtime_ns
    bench(*arguments, "--metric", "fss", "--metric", "fid")
    assert output.stat().st_mtime_ns == before
    assert {"ecs@embedded", "fss@embedded"} <= set(pd.read_parquet(tmp_path / "run/scores.parquet")["metric"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "stargam"), "stargan"),
        (("--data", "nowhere"), "nowhere"),
        (("--metric", "eccs"), "ecs"),
        (("--backend", "embeded"), "embedded"),
        (("--resolution", "7"), "resolution"),
        (("--model", "nofile.py:X"), "nofile.py"),
        (("--checkpoint", "x.ckpt"), "--checkpoint"),
    ],
)
def test_wrong_arguments_are_answered_in_one_line(bench, tmp_path, arguments, message):
    done = bench("run", "--limit", 1, *arguments, "--out", tmp_path / "run", code=2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dry_run_writes_nothing(bench, tmp_path):
    done = bench("run", "--dry-run", "--out", tmp_path / "run")
    assert "600 edits" in " ".join(done.stderr.split())
    assert not (tmp_path / "run").exists()


PLUGIN = """
import torch
from fesbench import Generator, GeneratorCard

class Inverse(Generator):
    card = GeneratorCard(name="{name}", title="Inverse", expressions=("happy", "sad"))

    def synthesize(self, images, source, target):
        if {fails}:
            raise RuntimeError("out of luck")
        return -images
"""


def test_a_model_in_a_file_and_its_failures(bench, tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN.format(name="mine", fails="(target == 1).any()"))
    reference = f"{tmp_path / 'mine.py'}:Inverse"
    done = bench(*run(tmp_path / "run", "--model", reference, "--model", "copy"), code=1)
    assert "Inverse" in done.stdout
    failures = pd.read_json(tmp_path / "run/failures.jsonl", lines=True)
    assert len(failures) == 25
    assert failures["reason"].str.contains("out of luck").sum() == 5
    scores = pd.read_parquet(tmp_path / "run/scores.parquet")
    assert (
        scores[(scores["generator"] == "mine") & (scores["metric"] == "ecs@embedded")]["value"].notna()
    ).all()


def test_an_installed_package_adds_a_model(bench_process, tmp_path):
    site = tmp_path / "site"
    (site / "inverse_gan-1.0.dist-info").mkdir(parents=True)
    (site / "inverse_gan.py").write_text(PLUGIN.format(name="inverse", fails="False"))
    (site / "inverse_gan-1.0.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: inverse-gan\nVersion: 1.0\n"
    )
    (site / "inverse_gan-1.0.dist-info/entry_points.txt").write_text(
        "[fesbench.generators]\ninverse = inverse_gan:Inverse\nbroken = inverse_gan:Missing\n"
    )
    listed = json.loads(bench_process("models", "list", "--json", PYTHONPATH=str(site)).stdout)
    assert listed["inverse"]["title"] == "Inverse"
    assert "cannot be loaded" in listed["broken"]["error"]
    models = ("--model", "inverse", "--model", "broken")
    done = bench_process(*run(tmp_path / "run", *models), code=1, PYTHONPATH=str(site))
    assert "Inverse" in done.stdout
    assert "broken" in done.stdout + done.stderr


def test_outputs_made_elsewhere(bench, tmp_path):
    bench("data", "export-edits", "rendered", tmp_path / "edits", "--limit", 1)
    manifest = pd.read_csv(tmp_path / "edits/manifest.csv")
    (tmp_path / "theirs").mkdir()
    for row in manifest.itertuples():
        with Image.open(tmp_path / "edits" / row.input) as image:
            Image.fromarray(255 - np.asarray(image)).save(tmp_path / "theirs" / f"{row.edit}.png")
    missing = manifest["edit"].iloc[0]
    (tmp_path / "theirs" / f"{missing}.png").unlink()
    bench(*run(tmp_path / "run", "--model", f"outputs:{tmp_path / 'theirs'}"), code=1)
    failures = pd.read_json(tmp_path / "run/failures.jsonl", lines=True)
    assert list(failures["edit"]) == [missing]
    assert len(pd.read_parquet(tmp_path / "run/scores.parquet")["edit"].unique()) == len(manifest)


def test_a_disk_that_fills_up_is_named_and_nothing_is_lost(bench, tmp_path):
    call = run(tmp_path / "run", "--model", "copy", "--workers", 0)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9000, limits[1]))
    try:
        done = bench(*call, code=2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "cannot write" in done.stderr
    bench(*call)


def test_a_backend_without_its_weights_leaves_the_rest_computed(bench, tmp_path):
    call = run(tmp_path / "run", "--model", "copy", "--metric", "fss@facenet512")
    done = bench(*call, code=1, FESBENCH_WEIGHTS=str(tmp_path / "none"))
    assert "facenet512" in done.stderr + done.stdout
    assert "ecs@embedded" in set(pd.read_parquet(tmp_path / "run/scores.parquet")["metric"])
