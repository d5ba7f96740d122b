"""A metric of an installed package: its one file is all that a run and its report need."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from fesbench.cli import cli

METRIC = """
import numpy as np
from fesbench import Column, ImageMetric, MetricCard

class Level(ImageMetric):
    card = MetricCard(
        "level", "Mean level", "higher", 0.0, 255.0, "grey levels", "How bright an output is.",
        columns=(
            "level",
            Column("level.error", "distance from white", "lower", 0.0, 255.0, "grey levels", headline=True),
            "level.parity",
        ),
        citations=("@misc{level, title={Levels}}", "qualiclip"),
    )

    def score(self, batch):
        level = batch.outputs.mean(axis=(1, 2, 3)).astype(np.float64)
        return {"level": level, "level.error": 255 - level, "level.parity": level.round() % 2}
"""
MODELS = """
import torch
from fesbench import Generator, GeneratorCard

class Dark(Generator):
    card = GeneratorCard("dark", "Dark")

    def synthesize(self, images, source, target):
        return torch.full_like(images, -0.5)

class Bright(Generator):
    card = GeneratorCard("bright", "Bright")

    def synthesize(self, images, source, target):
        return torch.full_like(images, 0.5)
"""


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """A package that registers the metric ``level``."""
    (tmp_path / "level_plugin.py").write_text(METRIC)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "home"))
    info = tmp_path / "level-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: level\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[fesbench.metrics]\nlevel = level_plugin:Level\n")
    return tmp_path


@pytest.fixture
def run(installed):
    """A finished run of two models by the metric."""
    (installed / "models.py").write_text(MODELS)
    models = [f"--model={installed / 'models.py'}:{name}" for name in ("Dark", "Bright")]
    data = ["--limit", "2", "--resolution", "32", "--workers", "0"]
    arguments = ["run", *models, "--metric", "level", *data, "--out", str(installed / "run")]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return installed / "run"


def test_a_further_column_ranks_in_its_own_direction(run):
    table = pd.read_csv(run / "report" / "table.csv")
    direction = dict(zip(table["metric"], table["direction"], strict=True))
    assert direction["level"] == "higher"
    assert direction["level.error"] == "lower"
    assert "level.parity" not in direction
    ranks = pd.DataFrame(json.loads((run / "summary.json").read_text("utf-8"))["ranks"])
    first = {(row["metric"], row["generator"]) for row in ranks.to_dict("records") if row["rank"] == 1}
    assert first == {("level", "bright"), ("level.error", "bright")}
    unranked = ranks[ranks["metric"] == "level.parity"]
    assert len(unranked)
    assert unranked["rank"].isna().all()


def test_the_report_and_the_checks_of_a_run_know_the_columns(run):
    for command in (["verify", str(run)], ["report", str(run)]):
        result = CliRunner().invoke(cli, command, catch_exceptions=False)
        assert result.exit_code == 0, result.output


def test_an_installed_metric_is_cited_by_its_card(installed):
    text = CliRunner().invoke(cli, ["cite", "level"], catch_exceptions=False).stdout
    assert "@misc{level, title={Levels}}" in text
    assert "@misc{qualiclip" in text
