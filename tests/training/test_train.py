"""Training from Python and by the command: the same options, exact resumption, clear refusals."""

import inspect
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from PIL import Image

import fesbench
from fesbench.baselines.stargan import StarGAN
from fesbench.cli import cli
from fesbench.cli.train import train as train_command
from fesbench.core.errors import BenchError, SpecError
from fesbench.datasets.action_units import COLUMNS
from fesbench.generators.registry import GENERATORS
from fesbench.runs.store.storage import storage_at

TINY = {"width": 4, "discriminator_width": 4, "batch_size": 4, "precision": "float32"}


class Recorder:
    """A listener that keeps what it receives."""

    def __init__(self):
        self.notes, self.steps, self.paths, self.failures = [], [], [], []
        self.note, self.step, self.wrote = self.notes.append, self.steps.append, self.paths.append

    def failed(self, model, error):
        self.failures.append((model, error))


def test_the_command_has_the_options_and_defaults_of_the_function():
    parameters = inspect.signature(fesbench.train).parameters.values()
    defaults = {one.name: one.default for one in parameters if one.name != "listener"}
    assert train_command.make_context("train", ["--model", "x"]).params == defaults | {"model": "x"}


def test_training_from_python_returns_what_was_trained_and_prints_nothing(faces, tmp_path, capfd):
    out, listener = tmp_path / "out", Recorder()
    result = fesbench.train(
        "stargan", str(faces), config=TINY, resolution=32, steps=3, out=out, listener=listener
    )
    (training,) = result.trainings
    assert (training.model, training.steps, training.kept, training.folder) == ("stargan", 3, 3, out)
    assert training.seconds > 0
    assert StarGAN.from_checkpoint(training.checkpoint).card.trained_on == "faces (train, studio)"
    assert (result.folds, result.failures, training.official) == ({}, {}, None)
    assert [report.step for report in listener.steps] == [1, 2, 3]
    assert [report.fraction for report in listener.steps] == pytest.approx([1 / 3, 2 / 3, 1])
    assert listener.steps[-1].losses.keys() >= {"d_real", "g_fake"}
    assert listener.paths == [training.checkpoint]
    assert any(note.startswith("stargan: 12 images, 2 expressions") for note in listener.notes)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


@pytest.mark.parametrize("model", ["stargan", "all"])
def test_folds_are_trained_on_all_others_and_listed(model, faces, tmp_path, monkeypatch):
    monkeypatch.setattr(GENERATORS, "builtin", {"stargan": GENERATORS.builtin["stargan"]})
    options = {"config": TINY, "resolution": 32, "steps": 1, "folds": 2, "out": tmp_path / "out"}
    result = fesbench.train(model, str(faces), **options)
    path = result.folds["stargan"]
    listed = json.loads(path.read_text())
    assert path.name == "stargan.folds.json"
    assert [fold["data_digest"] for fold in listed["folds"]] == [one.data_digest for one in result.trainings]
    held_out = []
    for training in result.trainings:
        held_out += json.loads(training.checkpoint.with_suffix(".json").read_text())["training"]["held_out"]
    assert sorted(held_out) == [f"s{number}" for number in range(7)]
    listener = Recorder()
    again = fesbench.train(model, str(faces), resume=True, listener=listener, **options)
    assert [one.checkpoint for one in again.trainings] == [one.checkpoint for one in result.trainings]
    assert listener.steps == []
    assert "stargan: was trained before, 1 step" in listener.notes


def test_conflicting_options_are_refused(faces):
    with pytest.raises(SpecError, match="either --budget or --steps"):
        fesbench.train("stargan", str(faces), steps=1, budget=60.0)
    with pytest.raises(SpecError, match="leaves no subjects for --judge"):
        fesbench.train("stargan", str(faces), folds=2, judge="ecs@fer")


def command(data, out, *more):
    """The arguments of ``bench train`` for a tiny network, unless ``more`` says otherwise."""
    config = data.parent / "tiny.yaml"
    config.write_text(json.dumps(TINY))
    defaults = {"--model": "stargan", "--config": config, "--data": data, "--out": out, "--size": 32}
    chosen = [(name, value) for name, value in defaults.items() if name not in more]
    return ["train", *(str(part) for pair in chosen for part in pair), *map(str, more)]


def lines(out):
    log = out / "losses.jsonl"
    return log.read_text().splitlines() if log.exists() else []


def kill_after(process, out, count):
    """Kill -9 as soon as a save was made and at least ``count`` losses were written after the start."""
    while process.poll() is None and not ((out / "state.pt").exists() and len(lines(out)) >= count):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_and_resumed_run_equals_an_uninterrupted_one(faces, tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    endless = command(faces, killed, "--steps", 10**6, "--save-every", 4)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen([sys.executable, "-m", "fesbench", *endless], env=environment, **quiet) as victim:
        kill_after(victim, killed, 4)
    steps = len(lines(killed)) + 6
    for out, more in ((killed, ["--resume"]), (whole, [])):
        result = in_process(faces, out, "--steps", steps, "--save-every", 4, "--threads", 1, *more)
        assert result.stdout.strip() == str(out / "stargan.safetensors")
    assert lines(killed) == lines(whole)
    assert len(lines(whole)) == steps
    assert (killed / "stargan.safetensors").read_bytes() == (whole / "stargan.safetensors").read_bytes()


def in_process(data, out, *more):
    return CliRunner().invoke(cli, command(data, out, *more))


def test_the_same_command_gives_the_same_bytes(faces, tmp_path):
    for out in ("once", "again"):
        result = in_process(faces, tmp_path / out, "--steps", "3", "--threads", "1")
        assert result.exit_code == 0, result.output
    once, again = (tmp_path / out / "stargan.safetensors" for out in ("once", "again"))
    assert once.read_bytes() == again.read_bytes()


def test_the_card_records_protocol_and_what_departs_from_it(faces, tmp_path):
    config = tmp_path / "mine.toml"
    config.write_text("n_critic = 2\nseed = 5\nweights = { g_cycle = 3 }\nsteps = 900\n")
    more = ["--config", str(config), "--steps", "2", "--trials", "4", "--threads", "1"]
    result = in_process(faces, tmp_path / "out", *more)
    assert result.exit_code == 0, result.output
    record = json.loads((tmp_path / "out" / "stargan.json").read_text())["training"]
    assert record["protocol"] == "embedded-v1"
    changes = {"resolution": 32, "n_critic": 2, "steps": 2, "weights": {"g_cycle": 3.0}}
    assert record["departures"] == changes
    assert record["settings"].items() >= {**changes, "seed": 5, "width": 16}.items()
    assert (record["trials"], record["steps"], record["data"]) == (StarGAN.trials + 4, 2, "faces")
    assert record["processor_seconds"] > 0
    assert record["device"] == {"name": "cpu", "count": 1, "threads": 1}
    assert {"commit", "dirty", "versions", "data_digest"} <= record.keys()


def test_a_judge_chooses_by_the_validation_subjects(faces, tmp_path):
    judge = "ecs@embedded-judge1"
    config = tmp_path / "mine.yaml"
    config.write_text("candidates: [1]\n")
    more = ["--config", str(config), "--steps", "2", "--judge", judge, "--threads", "1"]
    result = in_process(faces, tmp_path / "out", *more)
    assert result.exit_code == 0, result.output
    content = json.loads((tmp_path / "out" / "stargan.json").read_text())
    assert content["card"]["guided_by"] == ["embedded-judge1"]
    selection = content["training"]["selection"]
    assert selection["by"] == f"{judge}, nearest face, texture and error, 1 edit of faces (val, studio)"
    assert selection["candidates"].keys() == {"1 steps", "2 steps"}
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(tmp_path / "out" / "curves")).Reload()
    errors = [event.value for event in events.Scalars("validation/error")]
    assert errors == pytest.approx([scores["error"] for scores in selection["candidates"].values()])


def test_export_official_is_a_file_of_the_official_code(faces, tmp_path):
    result = in_process(faces, tmp_path, "--steps", "2", "--export", "official")
    ours, official = (Path(line) for line in result.stdout.split())
    expected = StarGAN.from_checkpoint(ours).network.state_dict()
    found = StarGAN.from_checkpoint(official, ("happy", "neutral")).network.state_dict()
    assert found.keys() == expected.keys()
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], atol=1e-3, rtol=1e-3)


def test_curves_of_a_resumed_training_hold_every_step_once(faces, tmp_path):
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    for more in (["--steps", "2"], ["--steps", "4", "--resume"]):
        assert in_process(faces, tmp_path, *more).exit_code == 0
        time.sleep(1.1)  # TensorBoard reads files in the order of the seconds in their names
    events = reader.EventAccumulator(str(tmp_path / "curves")).Reload()
    assert [event.step for event in events.Scalars("g_cycle")] == [1, 2, 3, 4]
    grids = events.Images("samples")
    assert [grid.step for grid in grids] == [2, 4]
    with Image.open(tmp_path / "samples" / "000004.png") as saved:
        assert (grids[1].width, grids[1].height) == saved.size


def test_all_trains_what_can_be_trained_and_goes_on_after_a_failure(faces, tmp_path, monkeypatch):
    names = {
        "broken": "fesbench.generators.neural:NeuralGenerator",
        "stargan": GENERATORS.builtin["stargan"],
        "copy": GENERATORS.builtin["copy"],
    }
    monkeypatch.setattr(GENERATORS, "builtin", names)
    result = in_process(faces, tmp_path, "--model", "all", "--steps", "2")
    folder = next(tmp_path.glob("train-stargan-*"))
    assert result.exit_code == 1
    assert result.stdout.strip() == str(folder / "stargan.safetensors")
    assert "not trained: broken" in result.stderr
    assert "1 of 2 models trained" in result.stderr
    del names["broken"]
    result = in_process(faces, tmp_path, "--model", "all", "--steps", "2", "--resume")
    assert result.exit_code == 0
    assert "stargan: was trained before, 2 steps" in result.stderr


def test_trainings_with_several_seeds_take_turns(faces, tmp_path):
    listener, options = Recorder(), {"config": TINY, "resolution": 32, "seed": (4, 5)}
    result = fesbench.train(
        "stargan", str(faces), steps=3, turn=2, out=tmp_path, listener=listener, **options
    )
    assert [report.step for report in listener.steps] == [1, 2, 1, 2, 3, 3]
    assert [one.folder.name[-7:] for one in result.trainings] == ["-seed-4", "-seed-5"]
    assert all((one.steps, one.finished) == (3, True) for one in result.trainings)
    again = fesbench.train("stargan", str(faces), steps=3, turn=2, out=tmp_path, resume=True, **options)
    assert [one.seconds for one in again.trainings] == [one.seconds for one in result.trainings]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "stargan", "--protocol", "oficial"], "Did you mean official"),
        (["--model", "stargan", "--folds", "2", "--judge", "ecs@fer"], "leaves no subjects for --judge"),
        (["--model", "degan", "--protocol", "official"], "either --budget or --steps"),
        (["--model", "stargan", "--steps", "1", "--size", "50"], "take 48 or 52"),
        (["--model", "stargan", "--steps", "1", "--size", "8"], "resolution: Input should be greater"),
        (["--model", "stargan", "--steps", "1", "--budget", "5m"], "either --budget or --steps"),
        (["--model", "stargan", "--budget", "soon"], "no length of time"),
        (["--model", "copy", "--steps", "1"], "not trained by 'bench train'"),
        (["--model", "stargn", "--steps", "1"], "Did you mean stargan"),
        (["--model", "stargan", "--steps", "1", "--resume", "--out", "nowhere"], "nothing to resume"),
    ],
)
def test_usage_errors_say_what_to_do(arguments, message):
    result = CliRunner().invoke(cli, ["train", *arguments])
    assert result.exit_code != 0
    assert message in result.stderr


def test_a_finished_training_is_not_overwritten(tmp_path):
    (tmp_path / "state.pt").touch()
    result = CliRunner().invoke(cli, ["train", "--model", "stargan", "--steps", "1", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "already holds a training" in result.stderr


def test_a_folder_that_another_training_holds_is_refused(faces, tmp_path):
    out = tmp_path / "out"
    with storage_at(out).lock(), pytest.raises(BenchError, match="another process is writing"):
        fesbench.train("stargan", str(faces), config=TINY, steps=1, out=out)
    assert not list(out.glob("*.safetensors"))


def test_a_training_that_does_not_begin_leaves_no_folder(faces, tmp_path):
    with pytest.raises(BenchError, match="nothing to resume"):
        fesbench.train("stargan", str(faces), config=TINY, steps=1, out=tmp_path / "out", resume=True)
    assert not (tmp_path / "out").exists()


def openface(folder, count=14):
    """Files of OpenFace for the images of ``faces``, of which one was not seen."""
    folder.mkdir()
    header = ",".join(("face", "confidence", "success", *COLUMNS))
    for index in range(count):
        name, value = f"s{index // 2}-{('neutral', 'happy')[index % 2]}", 2.5 * (index % 2)
        rows = [",".join(["0", "0.9", "1", *[str(value)] * 17])] if index != 3 else []
        (folder / f"{name}.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def test_action_units_of_a_user_train_ganimation_and_stay_with_it(faces, tmp_path):
    units = openface(tmp_path / "units")
    options = ["--model", "ganimation", "--export", "official", "--action-units", str(units)]
    result = in_process(faces, tmp_path, *options, "--steps", "1")
    assert result.exit_code == 0, result.output
    assert "action units of 11 of 12 images, 1 left out" in result.stderr
    for name in ("ganimation.safetensors", "ganimation-official.ckpt"):
        generator = fesbench.load_generator("ganimation", tmp_path / name)
        assert generator.card.driven_by == "action units"
        asked = dict(zip(generator.card.expressions, generator.conditions[:, 0].tolist(), strict=True))
        assert asked == pytest.approx({"neutral": 0, "happy": 0.5})
    record = json.loads((tmp_path / "ganimation.json").read_text())["training"]
    assert (len(record["action_units"]), record["action_units_left_out"]) == (64, 1)
    again = in_process(faces, tmp_path, "--model", "ganimation", "--steps", "2", "--resume")
    assert again.exit_code == 2
    assert "action_units was" in again.stderr


def test_action_units_are_for_models_that_learn_from_them(faces, tmp_path):
    with pytest.raises(SpecError, match="stargan does not learn from action units"):
        fesbench.train("stargan", str(faces), steps=1, action_units=openface(tmp_path / "units"))
