"""``bench metrics check``: five fixed outputs get the scores that they are known to get."""

import json

import pytest
from click.testing import CliRunner

from fesbench.cli import cli
from fesbench.metrics.networks import embedded
from fesbench.testing import golden_scores


@pytest.fixture(autouse=True)
def _tolerance_of_another_processor(monkeypatch):
    """Where portraits come out a little different (tests/datasets/rendered/test_golden.py), so do scores."""
    if not golden_scores.compare(("fidelity",), "embedded").same_images:
        monkeypatch.setattr(golden_scores, "TOLERANCE", 5e-3)


def run(*arguments):
    return CliRunner().invoke(cli, ["metrics", "check", *arguments])


def test_the_embedded_metrics_give_their_golden_scores_here():
    done = run("ecs", "fss", "quality", "fid", "kid", "fidelity", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert {row["state"] for row in found["scores"]} == {"ok"}
    assert {"ecs.probability@embedded", "fss@embedded", "fid@embedded", "mae.face"} <= {
        row["score"] for row in found["scores"]
    }
    assert all(len(row["got"]) == len(row["known"]) for row in found["scores"])


def test_so_do_those_with_weights_from_packages(weights_folder, monkeypatch):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder))
    found = golden_scores.compare(("ecs", "fss"), "portable")
    assert [row.state for row in found.rows] == ["ok"] * len(found.rows)
    assert not found.unavailable


def test_a_score_that_differs_is_shown_and_fails(monkeypatch):
    table = golden_scores.known()
    table["scores"]["fss@embedded"][3] += 0.01
    monkeypatch.setattr(golden_scores, "known", lambda: table)
    done = run("fss")
    assert done.exit_code == 1
    assert "differs 1e-02" in done.stdout
    assert done.stdout.count("ok") == 1


def test_networks_of_other_weights_are_not_blamed(monkeypatch):
    """Whoever trains networks of their own gets other scores."""
    table = golden_scores.known()
    table["networks"]["embedded-identity"]["digest"] = "0" * 64
    table["scores"]["fss@embedded"][0] = 0.0
    monkeypatch.setattr(golden_scores, "known", lambda: table)
    found = golden_scores.compare(("fss",), "embedded")
    assert {row.state for row in found.rows} == {"other weights"}
    assert found.agrees


def test_what_nobody_knows_is_neither_right_nor_wrong():
    row = golden_scores.Row("qualiclip", (), (0.5,) * 5)
    assert (row.state, row.difference != row.difference) == ("unknown", True)
    assert golden_scores.Row("x", (1.0, None), (1.0, None)).state == "ok"
    assert golden_scores.Row("x", (None,), (0.5,)).state == "differs"


def test_the_table_tells_the_networks_that_it_was_made_with():
    networks = golden_scores.known()["networks"]
    assert networks["embedded-judge2"]["digest"] == embedded.load("judge2").card.digest
    assert all(entry["preprocessing"] for entry in networks.values())


def test_metrics_that_cannot_be_had_are_named(monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    done = run("--backend", "paper", "fss")
    assert done.exit_code == 1
    assert "not available: fss@facenet512" in done.stdout
