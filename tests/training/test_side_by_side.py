"""Trainings in processes of their own: the same weights, and one that ends takes no other with it."""

import os
import signal
import subprocess
import sys
import time
from multiprocessing import active_children
from pathlib import Path

import pytest

import fesbench
from fesbench.core.errors import SpecError

TINY = {"width": 4, "discriminator_width": 4, "batch_size": 4, "precision": "float32"}
OPTIONS = {"config": TINY, "resolution": 32, "seed": (4, 5), "save_every": 1, "threads": 1}


class Recorder:
    """A listener that keeps what it receives; ``victim`` is killed at its first step."""

    def __init__(self, victim=""):
        self.notes, self.steps, self.paths, self.failures, self.victim = [], [], [], {}, victim
        self.note, self.wrote = self.notes.append, self.paths.append

    def step(self, report):
        self.steps.append(report)
        if self.victim and report.training == self.victim:
            (process,) = [child for child in active_children() if child.name == self.victim]
            process.kill()
            self.victim = ""

    def failed(self, model, error):
        self.failures[model] = str(error)


def test_a_killed_one_ends_no_other_and_goes_on_to_the_same_weights(faces, tmp_path):
    alone, apart = tmp_path / "alone", tmp_path / "apart"
    expected = fesbench.train("stargan", str(faces), steps=3, out=alone, **OPTIONS)
    first, second = (training.folder.name for training in expected.trainings)
    listener = Recorder(victim=first)
    partial = fesbench.train(
        "stargan", str(faces), steps=3, out=apart, workers=2, listener=listener, **OPTIONS
    )
    assert (
        partial.failures
        == {first: "its process ended by SIGKILL; --resume goes on from its last save"}
        == listener.failures
    )
    assert [training.folder.name for training in partial.trainings] == [second]
    assert {report.training for report in listener.steps} == {first, second}
    whole = fesbench.train("stargan", str(faces), steps=3, out=apart, workers=2, resume=True, **OPTIONS)
    assert [training.steps for training in whole.trainings] == [3, 3]
    for one, other in zip(expected.trainings, whole.trainings, strict=True):
        assert one.checkpoint.read_bytes() == other.checkpoint.read_bytes()


def test_what_one_refuses_is_its_failure(faces, tmp_path, monkeypatch):
    monkeypatch.chdir(faces.parent)
    taken = tmp_path / "out" / "train-stargan-faces-seed-4" / "state.pt"
    taken.parent.mkdir(parents=True)
    taken.touch()
    result = fesbench.train("stargan", "faces", steps=1, out=tmp_path / "out", workers=2, **OPTIONS)
    (reason,) = result.failures.values()
    assert "already holds a training; pass --resume to go on" in reason
    assert [training.folder.name for training in result.trainings] == ["train-stargan-faces-seed-5"]


def test_turns_and_processes_are_not_both(faces, tmp_path):
    with pytest.raises(SpecError, match="leave it or --workers out"):
        fesbench.train("stargan", str(faces), steps=2, turn=1, workers=2, out=tmp_path)


def test_ctrl_c_ends_every_process(faces, tmp_path):
    words = [
        "train",
        "--model",
        "stargan",
        "--data",
        faces,
        "--size",
        32,
        "--steps",
        10**6,
        "--save-every",
        1,
    ]
    command = [sys.executable, "-m", "fesbench", *words, "--seed", 4, "--seed", 5, "--workers", 2]
    process = subprocess.Popen(
        [*map(str, command), "--out", str(tmp_path)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    with process:
        _wait_for(lambda: len(list(tmp_path.glob("*/state.pt"))) == 2)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode != 0
    assert len(children) >= 2
    _wait_for(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def _wait_for(condition, seconds=300):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.1)
