"""``bench train-nets`` on a few faces: files that load, cards with measured values, faces that are kept."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from click.testing import CliRunner

from fesbench.cli import cli
from fesbench.core.errors import UnknownName
from fesbench.metrics.networks import embedded as networks
from fesbench.training.networks import embedded, fit, movement
from fesbench.training.networks.embedded import Portion

FEW = {"train": Portion(0, 2, 3), "validation": Portion(960, 962, 7), "test": Portion(984, 986, 7)}
DOMAINS = ("studio", "statue")


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Few faces of two domains, one step for each network, one thread instead of processes."""
    monkeypatch.setattr(embedded, "PORTIONS", FEW)
    monkeypatch.setattr(embedded, "worker_processes", lambda: ThreadPoolExecutor(1))
    monkeypatch.setattr(fit, "RECIPES", {name: one._replace(steps=1) for name, one in fit.RECIPES.items()})
    monkeypatch.setattr(movement, "FIT", range(1))
    monkeypatch.setattr(movement, "HELD_OUT", range(984, 985))
    for module in (embedded, movement):
        monkeypatch.setattr(module, "DOMAINS", DOMAINS)


def test_the_command_writes_networks_that_load_and_shows_what_they_reach(tmp_path):
    out, cache = tmp_path / "nets", tmp_path / "faces"
    result = CliRunner().invoke(cli, ["train-nets", "--out", str(out), "--cache", str(cache)])
    assert result.exit_code == 0, result.output
    for name in networks.ARCHITECTURES:
        assert f"{name}: done" in result.stderr or name == "movement"
        assert f" {name} " in result.stdout
        assert networks.load(name, out).card.name == f"embedded-{name}"
    cards = {name: json.loads((out / f"{name}.json").read_text()) for name in networks.ARCHITECTURES}
    assert cards["judge1"]["data"]["domains"] == list(DOMAINS)
    assert cards["judge1"]["reached"]["accuracy"].keys() == set(DOMAINS)
    assert cards["identity"]["verification"]["measure"] == "cosine"
    assert len(cards["quality"]["reached"]["quality"]["blur"]) == 6
    assert cards["movement"]["reached"]["landmarks, estimated"].keys() == set(DOMAINS)


def test_faces_are_rendered_once(tmp_path, monkeypatch):
    lines = []
    embedded.train_nets(["judge1"], tmp_path / "first", tmp_path / "faces", 0, lines.append)
    monkeypatch.setattr(embedded, "photo", None)
    embedded.train_nets(["judge1"], tmp_path / "second", tmp_path / "faces", 0, lines.append)
    first, second = (tmp_path / name / "judge1.safetensors" for name in ("first", "second"))
    assert first.read_bytes() == second.read_bytes()


def test_an_unknown_network_is_refused():
    with pytest.raises(UnknownName, match="unknown network 'judge'"):
        embedded.train_nets(["judge"])
