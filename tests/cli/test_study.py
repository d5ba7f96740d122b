"""``bench study make`` and ``power``, from a real run."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from fesbench.cli import cli
from fesbench.reports.study.storage import read_forms, read_key, read_study, stimulus_path


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def refused(message, *arguments):
    """The command fails with exit code 2 and a message that holds ``message``."""
    result = call(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    models = ("--model", "copy", "--model", "truth", "--metric", "fidelity", "--limit", 1)
    assert call("run", *models, "--workers", 0, "--out", folder).exit_code == 0
    return folder


SMALL = ("--model", "copy", "--model", "truth", "--items", 5, "--participants", 2)


def test_a_run_becomes_a_packet_and_its_key_lies_elsewhere(run, tmp_path):
    packet = tmp_path / "packet"
    done = call("study", "make", run, *SMALL, "--design", "2afc", "--output", "print", "--out", packet)
    assert done.exit_code == 0
    assert done.stdout.strip() == str(packet)
    study = read_study(packet)
    key = read_key(study)
    assert set(key.models) == {"copy", "truth"}
    assert key.run == "run"
    assert {item.domain for item in key.items} == {"studio", "celebrity", "portrait", "statue", "avatar"}
    assert study.outputs == ("print",)
    assert study.draft
    assert json.loads((packet / "manifest.json").read_text()).keys() >= {"fesbench", "commit", "dirty"}
    for form in read_forms(packet, study):
        assert all(stimulus_path(packet, name).is_file() for name in form.stimuli)
    assert "DRAFT" in done.stderr


def test_answers_become_numbers_and_prolific_learns_whom_to_pay(run, tmp_path):
    packet, private = tmp_path / "a" / "packet", tmp_path / "key"
    made = ("--design", "2afc", "--questions", "realism", "--output", "lab", "--private", private)
    assert call("study", "make", run, *SMALL, *made, "--out", packet).exit_code == 0
    study = read_study(packet)
    gold = {trial.id: trial.gold for trial in read_key(study, private).trials}
    answers = [
        f"pid{form.id},{form.id},{trial.id},{(gold[trial.id] or trial.choices)[place % 2 - 1]},900,1024x768"
        for form in read_forms(packet, study)
        for place, trial in enumerate(form.trials)
    ]
    head = "participant,form_id,trial_id,answer,rt,screen"
    (tmp_path / "web.csv").write_text("\n".join([head, *answers[:-1]]))
    (tmp_path / "prolific.csv").write_text("Participant id,Status\npidF0001,OK\npidF0002,OK\n")
    here = ("--packet", packet, "--private", private)
    assert call("study", "import", *here, "--platform", "web", tmp_path / "web.csv").exit_code == 0
    options = ("--run", run, "--prolific", tmp_path / "prolific.csv", "--out", tmp_path / "found")
    done = call("study", "analyze", *here, *options, "--json")
    assert done.exit_code == 0
    assert {"shares", "differences", "correlations"} <= json.loads(done.stdout).keys()
    people = pd.read_csv(tmp_path / "found" / "participants.csv")
    assert set(people["screen"]) == {"1024x768"}
    linked = pd.read_csv(private / "linkage.csv", keep_default_na=False).set_index("platform_id")
    assert linked["excluded"].to_dict() == {"pidF0001": "", "pidF0002": "incomplete"}
    assert set(linked["participant"]) == set(people["participant"])


def test_what_a_run_lacks_is_said(run, tmp_path):
    refused("stargan", "study", "make", run, "--model", "stargan", "--out", tmp_path / "packet")
    refused("--model", "study", "make", run, "--out", tmp_path / "packet")
    refused("no finished run", "study", "make", tmp_path, "--out", tmp_path / "packet")
    refused("fax", "study", "make", run, *SMALL, "--output", "fax", "--out", tmp_path / "packet")
    assert not (tmp_path / "packet").exists()


def test_power_prints_numbers_and_draws(tmp_path):
    done = call(
        "study", "power", "--preference", 0.75, "--repetitions", 100, "--json", "--out", tmp_path / "p"
    )
    (row,) = json.loads(done.stdout)
    assert row["independent_answers"] == 35
    assert row["answers"] == row["participants"] * 40
    assert row["recruits"] > row["participants"]
    assert {path.name for path in (tmp_path / "p").iterdir()} == {"power.pdf", "power.png"}


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr("fesbench.cli.study.PACKAGES", ("choix", "no_such_package"))
    refused("need no_such_package; install with: pip install 'fesbench[study]'", "study", "power")
