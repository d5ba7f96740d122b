"""``bench cache`` in this process."""

import json

import pytest
from click.testing import CliRunner

from fesbench.cli import cli


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path))
    for name, size in (("features/net-1/a", 2_000_000), ("features/net-1/b", 500_000), ("fitted/m", 100)):
        (tmp_path / "cache" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cache" / name).write_bytes(bytes(size))
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(cli, ["cache", *arguments], catch_exceptions=False)


def test_size_counts_files_and_bytes_by_kind(home):
    found = json.loads(call("size", "--json").stdout)
    assert found["folder"] == str(home / "cache")
    assert found["kept"] == {
        "features": {"files": 2, "bytes": 2_500_000},
        "fitted": {"files": 1, "bytes": 100},
    }
    assert "2.5" in call("size").stdout


def test_clear_removes_everything_and_says_how_much(home):
    done = call("clear")
    assert "2.5 MB removed" in done.stderr
    assert json.loads(call("size", "--json").stdout)["kept"] == {}


def test_a_home_without_a_cache_is_empty(tmp_path, monkeypatch):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path / "new"))
    assert json.loads(call("size", "--json").stdout)["kept"] == {}
    assert "0.0 MB removed" in call("clear").stderr
