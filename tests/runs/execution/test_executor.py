"""Other executors than the local one: the same scores, by workers in processes of their own."""

import importlib
import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fesbench.core.contracts import Failure
from fesbench.runs.execution.executor import ShardTask
from fesbench.runs.execution.local import LocalExecutor
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.run import run_plan
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore


class Listener:
    def __init__(self):
        self.begun, self.finished = None, []

    def begin(self, shards, edits):
        self.begun = (shards, edits)

    def done(self, done):
        self.finished.append(done)


PEOPLE, SHARDS = 40, 2


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """Forty people, neutral and happy: two shards."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    random = np.random.default_rng(0)
    for expression in ("neutral", "happy"):
        (folder / expression).mkdir(parents=True)
        for person in range(PEOPLE):
            pixels = random.integers(0, 255, (32, 32, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / expression / f"{person:02d}.png")
    return folder


def run(folder, faces, executor, *metrics):
    spec = resolve(RunSpec(models=("copy", "truth"), data=(str(faces),), metrics=metrics, resolution=32))
    store, listener = RunStore(folder), Listener()
    with store.writing():
        run_plan(make_plan(spec), store, "cpu", 0, listener, executor)
    return store, listener


def grow(folder, faces, executor):
    """Two calls, the second of which adds a metric to stored outputs."""
    run(folder, faces, executor, "ecs", "fid")
    run(folder, faces, executor, "ecs", "fid", "fidelity")


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob("[os]*/**/*.*"))}


@pytest.fixture(scope="module")
def local(faces, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "local"
    grow(folder, faces, LocalExecutor())
    return folder


def test_workers_in_other_processes_give_the_same_bytes(local, faces, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(Path(__file__).parent)
    remote = importlib.import_module("in_processes").InProcesses()
    run(tmp_path / "run", faces, remote, "ecs", "fid", "fidelity")
    assert remote.processes
    assert os.getpid() not in remote.processes
    assert files(tmp_path / "run") == files(local)
    scores = pd.read_parquet(local / "scores.parquet")
    assert set(scores["generator"]) == {"copy", "truth"}
    assert scores["value"].notna().any()


class Backwards:
    """Results in another order than that of the tasks."""

    def execute(self, tasks, worker):
        return reversed(list(worker.execute(tasks)))


def test_the_order_of_results_does_not_matter(local, faces, tmp_path):
    grow(tmp_path / "run", faces, Backwards())
    assert files(tmp_path / "run") == files(local)


def test_progress_counts_every_task_and_nothing_is_done_twice(faces, tmp_path):
    _, first = run(tmp_path / "run", faces, LocalExecutor(), "ecs")
    assert first.begun == (2 * SHARDS, 2 * PEOPLE)
    assert len(first.finished) == 2 * SHARDS
    assert sum(done.edits for done in first.finished) == 2 * PEOPLE
    _, second = run(tmp_path / "run", faces, LocalExecutor(), "ecs")
    assert second.begun == (0, 0)


def test_stored_outputs_travel_with_a_task():
    outputs = [np.zeros((8, 8, 3), np.uint8), Failure("out of luck")]
    task = pickle.loads(pickle.dumps(ShardTask("copy", "faces", 1, frozenset({"ecs@x"}), outputs)))
    assert (task.outputs[0] == outputs[0]).all()
    assert task.outputs[1] == outputs[1]
    assert task[:4] == ("copy", "faces", 1, frozenset({"ecs@x"}))
