"""``bench score`` in this process."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fesbench.cli import cli

SUBJECTS, TARGETS = ("s1", "s2", "s3"), ("happy", "sad")


def save(folder, names, seed):
    folder.mkdir()
    pixels = np.random.default_rng(seed).integers(0, 256, (len(names), 6, 6, 3), np.uint8)
    for name, small in zip(names, pixels, strict=True):
        Image.fromarray(small).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("score")
    made = [f"{name}--{target}" for name in SUBJECTS for target in TARGETS]
    return save(root / "images", made, 0), save(root / "sources", SUBJECTS, 1)


@pytest.fixture
def bench(folders):
    def call(*arguments: object):
        words = ["score", "--images", folders[0], "--sources", folders[1], *arguments]
        return CliRunner().invoke(cli, [str(word) for word in words])

    return call


def test_scores_are_printed_as_a_table_and_as_json(bench):
    shown = bench("--metric", "fss,ecs")
    assert shown.exit_code == 0, shown.output
    for word in ("fss@embedded", "ecs@embedded", "sha256", "of two different sources"):
        assert word in shown.stdout
    found = json.loads(bench("--metric", "fss,ecs", "--json").stdout)
    assert {cell["metric"] for cell in found["scores"]} >= {"fss@embedded", "ecs@embedded"}
    assert all(cell["n_scored"] == 6 for cell in found["scores"])
    assert found["unavailable"] == {}


def test_a_metric_that_is_not_available_is_named_with_exit_code_1(bench, tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path / "none"))
    done = bench("--metric", "fss,fss@facenet512")
    assert done.exit_code == 1
    assert "not available: fss@facenet512" in done.stdout
    assert "fss@embedded" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--metric", "fid"), "--reference"),
        (("--metric", "nothing"), "nothing"),
        (("--targets", "nowhere.csv"), "nowhere.csv"),
        (("--device", "nonsense"), "nonsense"),
    ],
)
def test_wrong_arguments_are_named(bench, arguments, message):
    refused = bench(*arguments)
    assert refused.exit_code == 2
    assert message in refused.output


def test_photos_are_judged_by_networks_that_know_photos_where_there_are_any(
    bench, tmp_path, monkeypatch, weights_folder
):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path / "none"))
    without = bench("--metric", "fss")
    assert "know rendered faces only" in without.stderr.splitlines()[0]
    assert "fss@embedded" in without.stdout
    assert "rendered faces only" not in bench("--metric", "fss", "--backend", "embedded").stderr
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder))
    chosen = bench("--metric", "fss")
    assert chosen.exit_code == 0
    assert "fss@dlib" in chosen.stdout
    assert "rendered faces only" not in chosen.stderr


def test_a_metric_nobody_asked_for_leaves_the_exit_code_alone(bench, weights_folder, monkeypatch):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder))
    done = bench()
    assert done.exit_code == 0, done.output
    assert "not available: quality@portable" in done.stdout
