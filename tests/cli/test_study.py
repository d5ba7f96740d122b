"""The commands of ``bench study``, from a real run."""

import json
from itertools import cycle

import pandas as pd
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from fesbench.cli import cli
from fesbench.reports.study.storage import read_forms, read_key, read_study, stimulus_path


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], catch_exceptions=False)


def refused(message, *arguments):
    """Check that a command fails with a message and exit code 2."""
    done = call(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


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
    answers = []
    for form in read_forms(packet, study):
        slots = cycle((0, 1))  # alternating, so that nobody is excluded for one slot
        for trial in form.trials:
            choice = gold[trial.id][0] if gold[trial.id] else trial.choices[next(slots)]
            answers.append(f"pid{form.id},{form.id},{trial.id},{choice},900,1024x768")
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


@pytest.fixture(scope="module")
def packet(run, tmp_path_factory):
    """A packet for the lab, its key in the default place."""
    folder = tmp_path_factory.mktemp("lab") / "packet"
    made = ("--design", "2afc", "--questions", "realism", "--output", "lab")
    assert call("study", "make", run, *SMALL, *made, "--out", folder).exit_code == 0
    return folder


@pytest.fixture
def started(monkeypatch):
    """The arguments of every server that is started; none really is."""
    calls = []
    monkeypatch.setattr("fesbench.cli.study.serve.run_server", lambda *arguments: calls.append(arguments))
    return calls


def test_serve_offers_the_page_and_stores_answers(packet, started, tmp_path):
    answers = tmp_path / "answers.sqlite"
    done = call("study", "serve", packet, "--port", 0, "--answers", answers, "--completion-codes", "DONE")
    assert done.exit_code == 0
    assert done.stderr == f"answers are kept in {answers}\n"
    ((app, host, port, _),) = started
    assert (host, port) == ("127.0.0.1", 0)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert '"completed": "DONE"' in client.get("/config.js").text
        person = {"participant": "ann", "token": "a" * 32}
        form = client.post("/api/start", json=person).json()["form"]
        for trial in form["trials"]:
            given = {"token": "a" * 32, "trial_id": trial["id"], "answer": "A", "rt_ms": 900}
            assert client.post("/api/answer", json=given).json()["new"]
    out = ("--packet", packet, "--out", tmp_path)
    imported = call("study", "import", *out, "--platform", "server", answers)
    assert f"{len(form['trials'])} answers of 1 participant" in imported.stdout


def test_serve_warns_where_others_can_reach_it(packet, started, tmp_path):
    for host, warned in (("192.0.2.10", True), ("lab.example", True), ("localhost", False), ("::1", False)):
        done = call("study", "serve", packet, "--host", host, "--answers", tmp_path / "answers.sqlite")
        assert ("anyone in this network" in done.stderr) == warned
        with TestClient(started[-1][0], base_url="http://127.0.0.1") as client:  # closes the answers
            assert client.get("/").status_code == 200


def test_the_answers_may_not_lie_in_the_packet(packet, started):
    refused("lies in the packet", "study", "serve", packet, "--answers", packet / "public" / "x.sqlite")
    assert not started


def test_import_reports_what_fits_nothing(packet, tmp_path):
    trial = read_forms(packet, read_study(packet))[0].trials[0]
    lines = [f"Email,form_id,participant,{trial.id}", "x@y.z,,p,A", *[f",,q{n},Z" for n in range(25)]]
    (tmp_path / "q.csv").write_text("\n".join(lines))
    out = ("--packet", packet, "--out", tmp_path)
    done = call("study", "import", *out, "--platform", "qualtrics", tmp_path / "q.csv")
    assert done.exit_code == 0
    assert "1 answer of 1 participant" in done.stdout
    assert done.stderr.count("unmatched: q.csv") == 20
    assert "and 5 more: see import.json" in done.stderr
    assert "columns that were not read: Email" in done.stderr
    report = json.loads((tmp_path / "import.json").read_text())
    assert report["problems"] == {"unmatched": 25}
    assert "x@y.z" not in (tmp_path / "responses.csv").read_text()


@pytest.fixture
def typed(packet, tmp_path):
    """Write a data-entry table with one answer to every question of the first form; return its path."""

    def write(answer, separator=",", **names):
        head = [names.get(name, name) for name in ("form_id", "trial_id", "answer")]
        (form, *_) = read_forms(packet, read_study(packet))
        rows = [head, *([form.id, trial.id, answer] for trial in form.trials)]
        path = tmp_path / "typed.csv"
        path.write_text("\n".join(separator.join(row) for row in rows))
        return path

    return write


def test_an_import_that_read_nothing_writes_nothing_and_blocks_nothing(packet, typed, tmp_path):
    command = ("study", "import", "--packet", packet, "--out", tmp_path / "out", "--platform", "paper")
    refused("typed.csv has no column trial_id", *command, typed("A", trial_id="trial number"))
    refused("no answers of the platform paper fit this study", *command, typed(""))
    refused("row 2: 'Z' is none of the answers", *command, typed("Z"))
    assert not (tmp_path / "out").exists()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "responses.csv").write_text("study_id\n")
    done = call(*command, typed("A", separator=";"))
    assert (done.exit_code, "of 1 participant" in done.stdout) == (0, True)


def test_a_corrected_file_replaces_the_earlier_one(packet, typed, tmp_path):
    command = ("study", "import", "--packet", packet, "--out", tmp_path, "--platform", "paper")
    call(*command, typed("A"))
    kept = call(*command, typed("B"), "--json")
    assert json.loads(kept.stdout)["problems"].keys() == {"conflict"}
    assert "--replace" in kept.stdout
    done = call(*command, typed("B"), "--replace")
    assert "replaced: " in done.stderr
    assert set(pd.read_csv(tmp_path / "responses.csv")["answer"]) == {"B"}


def test_a_released_participant_goes_on_and_a_record_is_kept(packet, started, tmp_path):
    answers = tmp_path / "answers.sqlite"
    release = ("study", "release", packet, "ann", "--answers", answers)
    refused("answers.sqlite is missing", *release)
    assert call("study", "serve", packet, "--answers", answers).exit_code == 0
    with TestClient(started[0][0], base_url="http://127.0.0.1") as client:
        first, second = ({"participant": "ann", "token": letter * 32} for letter in "ab")
        trial = client.post("/api/start", json=first).json()["form"]["trials"][0]["id"]
        client.post("/api/answer", json={"token": "a" * 32, "trial_id": trial, "answer": "A", "rt_ms": 900})
        assert client.post("/api/start", json=second).status_code == 409
        done = call(*release, "--reason", "new computer")
        assert (
            "ann goes on with form F0001 after 1 answer: open the page with ?participant=ann" in done.stdout
        )
        assert client.post("/api/start", json=second).json()["answered"] == [trial]
    (row,) = pd.read_csv(tmp_path / "releases.csv").to_dict("records")
    assert (row["participant"], row["form"], row["answers"], row["reason"]) == (
        "ann",
        "F0001",
        1,
        "new computer",
    )


def test_analyze_needs_a_place_for_its_results(packet):
    refused("--run RUN or --out FOLDER", "study", "analyze", "--packet", packet)


def test_analyze_without_answers_says_what_to_run_first(packet, tmp_path):
    (tmp_path / "responses.csv").write_text("study_id\n")
    refused(
        "bench study import",
        "study",
        "analyze",
        "--packet",
        packet,
        "--out",
        tmp_path,
        tmp_path / "responses.csv",
    )


def test_what_a_run_lacks_is_said(run, tmp_path):
    refused("stargan", "study", "make", run, "--model", "stargan", "--out", tmp_path / "packet")
    refused("--model", "study", "make", run, "--out", tmp_path / "packet")
    refused("holds no run", "study", "make", tmp_path, "--out", tmp_path / "packet")
    refused("fax", "study", "make", run, *SMALL, "--output", "fax", "--out", tmp_path / "packet")
    assert not (tmp_path / "packet").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [(("--questions", "beauty"), "'beauty' is none of"), (("--questions", ","), "'' is none of")],
)
def test_questions_are_checked_before_anything_is_made(run, tmp_path, options, message):
    refused(message, "study", "make", run, *options, "--out", tmp_path / "packet")


def test_codes_without_an_address_are_refused(run, tmp_path):
    refused(
        "--post-url", "study", "make", run, *SMALL, "--completion-codes", "DONE", "--out", tmp_path / "packet"
    )


@pytest.mark.parametrize(("design", "question"), [("naming", "expression"), ("same-different", "identity")])
def test_a_design_of_one_question_needs_no_option(run, tmp_path, design, question):
    packet = tmp_path / "packet"
    made = ("--design", design, "--output", "lab", "--private", tmp_path / "key/x")
    assert call("study", "make", run, *SMALL, *made, "--out", packet).exit_code == 0
    assert read_study(packet).questions == (question,)


def test_power_shows_a_table_and_where_no_number_is_enough(tmp_path):
    options = ("--design", "best-of-n", "--models", 5, "--icc-items", 0.5, "--preference", 0.21)
    done = call("study", "power", *options, "--items", 6, "--repetitions", 100)
    assert done.exit_code == 0
    assert "chance 0.2, 6 answers each" in done.stdout
    assert "more than 512" in done.stdout
    assert "about these items" not in done.stdout
    assert "about these items" in call("study", "power", *options, "--items", 2).stdout


def test_correlations_above_one_are_refused():
    refused("their sum must be < 1", "study", "power", "--icc-people", 0.6, "--icc-items", 0.5)


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
