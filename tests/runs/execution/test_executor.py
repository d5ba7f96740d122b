"""Other executors than the local one: the same scores, by workers in processes of their own."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

import pandas as pd
import pytest

from fesbench.runs.execution.local import LocalExecutor
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.run import run_plan
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore

_worker = None


def _keep(worker) -> None:
    global _worker
    _worker = worker


def _execute(task):
    return os.getpid(), *_worker.execute([task])


class InProcesses:
    """Every task in one of two processes, each of which loads the models itself."""

    def __init__(self):
        self.processes = set()

    def execute(self, tasks, worker):
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(2, context, initializer=_keep, initargs=(worker,)) as pool:
            for process, done in pool.map(_execute, tasks):
                self.processes.add(process)
                yield done


class Listener:
    def __init__(self):
        self.begun, self.finished = None, []

    def begin(self, shards, edits):
        self.begun = (shards, edits)

    def done(self, done):
        self.finished.append(done)


def run(folder, executor, *metrics):
    spec = resolve(RunSpec(models=("copy", "truth"), metrics=metrics, limit=2))
    store, listener = RunStore(folder), Listener()
    with store.writing():
        run_plan(make_plan(spec), store, "cpu", 0, listener, executor)
    return store, listener


def files(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.glob("[os]*/**/*.*"))}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs")
    remote = InProcesses()
    for folder, executor in (("local", LocalExecutor()), ("remote", remote)):
        for metrics in (("ecs", "fid"), ("ecs", "fid", "fidelity")):
            run(root / folder, executor, *metrics)
    return root, remote


def test_workers_in_other_processes_give_the_same_bytes(runs):
    root, remote = runs
    assert os.getpid() not in remote.processes
    assert files(root / "local") == files(root / "remote")
    scores = [pd.read_parquet(root / name / "scores.parquet") for name in ("local", "remote")]
    pd.testing.assert_frame_equal(*scores, check_exact=True)
    assert set(scores[0]["generator"]) == {"copy", "truth"}
    assert scores[0]["value"].notna().any()


def test_progress_counts_every_task_and_nothing_is_done_twice(tmp_path):
    _, first = run(tmp_path / "run", LocalExecutor(), "ecs")
    assert first.begun == (4, 120)
    assert len(first.finished) == 4
    assert sum(done.edits for done in first.finished) == 120
    _, second = run(tmp_path / "run", LocalExecutor(), "ecs")
    assert second.begun == (0, 0)


class Backwards:
    """Results in another order than that of the tasks."""

    def execute(self, tasks, worker):
        return reversed(list(worker.execute(tasks)))


def test_the_order_of_results_does_not_matter(runs, tmp_path):
    run(tmp_path / "run", Backwards(), "ecs", "fid")
    run(tmp_path / "run", Backwards(), "ecs", "fid", "fidelity")
    local = files(runs[0] / "local")
    assert files(tmp_path / "run") == local
