"""Other executors than the local one: the same scores, by workers in processes of their own."""

import importlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import ray
import torch
from ray import cloudpickle
from ray.cluster_utils import Cluster

from fesbench.core.contracts import Failure
from fesbench.core.errors import BenchError
from fesbench.runs.execution.executor import ShardTask
from fesbench.runs.execution.local import LocalExecutor
from fesbench.runs.execution.ray import DEATHS, FEWEST_TASKS, RESULTS_AHEAD, RayExecutor
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.progress import Listener
from fesbench.runs.run import run_plan
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore


class Counting(Listener):
    def __init__(self):
        self.begun, self.finished = None, []

    def begin(self, shards, edits):
        self.begun = (shards, edits)

    def done(self, done):
        self.finished.append(done)


PEOPLE, SHARDS = 40, 2


@pytest.fixture(scope="module")
def faces(tmp_path_factory, random_faces):
    """Forty people, neutral and happy: two shards."""
    names = [f"{person:02d}" for person in range(PEOPLE)]
    return random_faces(tmp_path_factory.mktemp("data") / "faces", neutral=names, happy=names)


def run(folder, faces, executor, *metrics):
    spec = resolve(RunSpec(models=("copy", "truth"), data=(str(faces),), metrics=metrics, resolution=32))
    store, listener = RunStore(folder), Counting()
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


def test_a_generator_and_the_metrics_beside_it_share_the_cores(faces, tmp_path, monkeypatch):
    seen = set()
    monkeypatch.setattr(Counting, "done", lambda self, done: seen.add(torch.get_num_threads()))
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        run(tmp_path / "run", faces, LocalExecutor(), "ecs")
        assert 2 in seen  # the last result is reported when the thread of the metrics has ended
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)


def test_stored_outputs_travel_with_a_task():
    outputs = [np.zeros((8, 8, 3), np.uint8), Failure("out of luck")]
    task = pickle.loads(pickle.dumps(ShardTask("copy", "faces", 1, frozenset({"ecs@x"}), outputs)))
    assert (task.outputs[0] == outputs[0]).all()
    assert task.outputs[1] == outputs[1]
    assert task[:4] == ("copy", "faces", 1, frozenset({"ecs@x"}))


@pytest.fixture(scope="module")
def nodes():
    """A Ray cluster of two nodes on this machine, with one processor each; the second may be removed."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


class Interrupted:
    """A Ray executor to which something happens after the first result."""

    def __init__(self, happen):
        self.happen = happen

    def execute(self, tasks, worker):
        for number, done in enumerate(RayExecutor(workers=2).execute(tasks, worker)):
            if number == 0:
                self.happen()
            yield done


def kill_a_worker():
    found = subprocess.run(["pgrep", "-f", "ray::_Host"], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout.split()[0]), signal.SIGKILL)


class Deadly:
    """A worker whose process dies at one task, while the result of the one before is still awaited."""

    def __init__(self, fatal):
        self.fatal = fatal

    def execute(self, tasks):
        before = None
        for task in tasks:
            if task[1:3] == self.fatal:
                os._exit(1)
            if before:
                yield before
            before = task
        yield before

    def failed(self, task, reason):
        return task, reason


def test_a_task_that_kills_its_worker_three_times_fails_and_the_others_are_done(nodes):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    tasks = [ShardTask("copy", name, shard, frozenset()) for name in ("a", "b") for shard in range(3)]
    results = list(RayExecutor(workers=2).execute(tasks, Deadly(("a", 1))))
    ((failed, reason),) = [item for item in results if not isinstance(item, ShardTask)]
    assert failed[1:3] == ("a", 1)
    assert "died 3 times" in reason
    done = [item[1:3] for item in results if isinstance(item, ShardTask)]
    assert sorted(done) == [("a", 0), ("a", 2), ("b", 0), ("b", 1), ("b", 2)]


class Stuck:
    """A worker that never answers the first time that anyone is asked, and notes where it was loaded."""

    def __init__(self, folder):
        self.folder = folder

    def __setstate__(self, state):
        self.__dict__ = state
        (self.folder / f"loaded-{os.getpid()}").touch()

    def execute(self, tasks):
        for task in tasks:
            if not (self.folder / "asked").exists():
                (self.folder / "asked").touch()
                time.sleep(600)
            yield task

    def failed(self, task, reason):
        return task, reason


def test_workers_that_are_lost_before_they_have_begun_did_not_die_of_a_task(nodes, tmp_path):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    task, workers = ShardTask("copy", "a", 0, frozenset()), DEATHS + 1

    def kill_all():
        while len(loaded := [path.name for path in tmp_path.glob("loaded-*")]) < workers:
            time.sleep(0.2)
        time.sleep(3)  # the caller is told that they are loaded
        for name in loaded:
            os.kill(int(name.partition("-")[2]), signal.SIGKILL)

    killing = threading.Thread(target=kill_all)
    killing.start()
    executor = RayExecutor(workers=workers, cpus_per_worker=0.2)
    assert list(executor.execute([task], Stuck(tmp_path))) == [task]
    killing.join()


class Counted:
    """A worker of tiny tasks, which notes each in a file."""

    def __init__(self, path):
        self.path = path

    def execute(self, tasks):
        for task in tasks:
            with self.path.open("ab") as file:
                file.write(b".")
            yield task


@pytest.mark.parametrize("of_shard", [1, 200])
def test_only_a_few_results_wait_to_be_taken(of_shard, nodes, tmp_path):
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    made, asked, taken, count, workers = tmp_path / "made", [], 0, 400, 2
    made.touch()

    def tasks():
        for number in range(count):
            asked.append(number)
            yield ShardTask("copy", "faces", number // of_shard, frozenset())

    for taken, _ in enumerate(RayExecutor(workers=workers).execute(tasks(), Counted(made)), 1):
        if taken == 1:
            time.sleep(1)  # time for a worker that does not wait to run ahead
        assert made.stat().st_size - taken <= workers * (RESULTS_AHEAD + 1)
        assert len(asked) - taken <= (workers + 1) * max(of_shard, FEWEST_TASKS)
    assert taken == made.stat().st_size == count


def test_ray_gives_the_same_bytes_though_a_worker_and_a_node_are_lost(local, faces, tmp_path, nodes):
    run(tmp_path / "run", faces, Interrupted(kill_a_worker), "ecs", "fid")
    cluster, second = nodes
    run(tmp_path / "run", faces, Interrupted(lambda: cluster.remove_node(second, allow_graceful=False)),
        "ecs", "fid", "fidelity")  # fmt: skip
    assert files(tmp_path / "run") == files(local)


def test_the_command_gives_the_work_to_ray(call_bench, faces, nodes, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        RayExecutor, "execute", lambda self, tasks, worker: asked.append(self) or worker.execute(tasks)
    )
    models = ("--model", "copy", "--data", faces, "--metric", "ecs", "--resolution", 32)
    ray_options = ("--executor", "ray", "--workers", 3, "--gpus-per-worker", 0.5, "--address", "auto")
    call_bench("run", *models, *ray_options, "--backend", "embedded", "--out", tmp_path / "run")
    assert asked.pop() == RayExecutor("auto", 3, gpus_per_worker=0.5)

    monkeypatch.setattr("fesbench.cli.run.available_cores", lambda: 8)
    for given, share in ([], 2), (["--cpus-per-worker", 0.5], 0.5):
        ray_options = ("--executor", "ray", "--workers", 3, *given)
        call_bench("run", *models, *ray_options, "--backend", "embedded", "--out", tmp_path / f"run-{share}")
        assert asked.pop() == RayExecutor(None, 3, cpus_per_worker=share)


def test_what_no_node_has_room_for_is_refused(nodes):
    with pytest.raises(BenchError, match="no node of the Ray cluster has 64 processors"):
        list(RayExecutor(cpus_per_worker=64).execute([], Deadly(("a", 0))))
