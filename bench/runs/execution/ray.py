"""Execution on a Ray cluster: actors load the models once, and their results stream back to the one writer.

No file system needs to be shared for what a run writes. Each node needs fesbench in the same version, and the
data sets and checkpoints under the same paths, as each actor loads them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from ...core.errors import BenchError
from ...core.version import __version__
from .executor import ShardDone, ShardTask, Worker

DEATHS = 3
"""A task whose worker died so often is reported as failed."""

RESULTS_AHEAD = 4
"""Results that a worker makes before the caller has taken one, so that the caller's memory stays flat."""

FEWEST_TASKS = 4
"""Tasks that a worker is given at a time, or all of a shard; it begins one while the last is scored."""

AT_A_TIME = 2
"""Tasks that a worker has begun and not finished; it may have died of either."""


@dataclass(frozen=True)
class RayExecutor:
    """An ``Executor`` on a Ray cluster.

    Attributes:
        address: Of the cluster, as ``ray.init`` takes it; None starts Ray on this machine.
        workers: The number of actors.
        cpus_per_worker: The processors that an actor reserves and PyTorch computes with there; 0.5 reserves
            half of one.
        gpus_per_worker: The share of GPUs that an actor reserves; 0.5 puts two on each.
    """

    address: str | None = None
    workers: int = 2
    cpus_per_worker: float = 1
    gpus_per_worker: float = 0

    def execute(self, tasks: Iterable[ShardTask], worker: Worker) -> Iterator[ShardDone]:
        """Return the result of each task, in the order in which they are done.

        A worker that dies, with its process or its node, is replaced, and its tasks are given to others. The
        tasks that it was at are tried again each for itself, three times in all.

        Raises:
            BenchError: there is no such cluster, or it has no room for a worker.
        """
        with _connected(self):
            pool = _Pool(self, worker)
            try:
                yield from pool.execute(tasks)
            finally:
                pool.close()


@contextmanager
def _connected(executor: RayExecutor) -> Iterator[None]:
    """Connect to the cluster, unless this process is connected to one already."""
    if ray.is_initialized():
        yield
        return
    processors = max(1, round(executor.workers * executor.cpus_per_worker))
    new = {} if executor.address else {"num_cpus": processors, "include_dashboard": False}
    try:
        ray.init(address=executor.address, log_to_driver=False, **new)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise BenchError(f"no Ray cluster at {executor.address or 'this machine'}: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


class _Host:
    """The actor: holds a worker, which was loaded when the actor received it."""

    def __init__(self, worker: Worker, version: str) -> None:
        if version != __version__:
            raise BenchError(f"this node has fesbench {__version__}, the caller {version}; install the same")
        self._worker = worker

    def ready(self) -> None:
        """Return once the worker is loaded."""

    def execute(self, tasks: list[ShardTask]) -> Iterator[ShardDone | None]:
        """Yield None once this has begun, then the result of each task, in order."""
        yield None
        yield from self._worker.execute(tasks)


@dataclass
class _Batch:
    """Tasks on whole shards that are still to be done, in order.

    Attributes:
        tasks: The tasks.
        deaths: How often a worker died at the only one of them; 0 where there are more.
        begun: Whether the worker that has them now has begun.
        refused: How often one was dead before it had begun, as those on a node that is lost are.
    """

    tasks: deque[ShardTask]
    deaths: int = 0
    begun: bool = False
    refused: int = 0


@dataclass
class _Pool:
    """The actors of one execution and what each is at."""

    executor: RayExecutor
    worker: Worker
    starting: dict[Any, Any] = field(default_factory=dict)
    idle: list[Any] = field(default_factory=list)
    busy: dict[Any, tuple[Any, _Batch]] = field(default_factory=dict)
    again: deque[_Batch] = field(default_factory=deque)
    failed_starts: int = 0

    def execute(self, tasks: Iterable[ShardTask]) -> Iterator[ShardDone]:
        """Return the result of each task; takes tasks only as workers become free."""
        _check_room(self.executor)
        batches = _batches(tasks)
        for _ in range(self.executor.workers):
            self._start_actor()
        while self._give_work(batches):
            (ready, *_), _ = ray.wait([*self.busy, *self.starting], num_returns=1, fetch_local=True)
            if ready in self.starting:
                self._welcome(ready)
            else:
                results = self._take(ready)
                try:
                    self._give_work(batches)  # first, so that no actor waits until the caller has stored them
                except Exception:
                    yield from results
                    raise
                yield from results

    def _start_actor(self) -> None:
        """Ask for an actor; it gets work once it is loaded, which may be never where no node has room."""
        options = {"num_cpus": self.executor.cpus_per_worker, "num_gpus": self.executor.gpus_per_worker}
        kind = ray.remote(_Host).options(**options, scheduling_strategy="SPREAD")
        actor = kind.remote(self.worker, __version__)
        self.starting[actor.ready.remote()] = actor

    def _welcome(self, ready: Any) -> None:
        """Count an actor that is loaded among the idle ones; start another where it died before.

        Raises:
            BenchError: actors cannot be loaded.
        """
        actor = self.starting.pop(ready)
        try:
            ray.get(ready)
        except RayActorError as error:
            self.failed_starts += 1
            if self.failed_starts == DEATHS:
                raise BenchError(f"{DEATHS} Ray workers could not be loaded: {error}") from error
            self._start_actor()
        else:
            self.failed_starts = 0
            self.idle.append(actor)

    def _give_work(self, batches: Iterator[_Batch]) -> bool:
        """Give idle actors something to do; return whether there is anything to wait for."""
        while self.idle:
            batch = self.again.popleft() if self.again else next(batches, None)
            if batch is None:
                return bool(self.busy)
            actor = self.idle.pop()
            stream = actor.execute.options(
                num_returns="streaming", _generator_backpressure_num_objects=RESULTS_AHEAD
            ).remote(list(batch.tasks))
            self.busy[stream] = actor, batch
        return True

    def _take(self, stream: Any) -> list[ShardDone]:
        """Return the next result of a stream; none, or that of a task that failed, where its actor died."""
        actor, batch = self.busy[stream]
        try:
            done: ShardDone | None = ray.get(next(stream))
        except RayTaskError as error:
            raise error.as_instanceof_cause() from None
        except RayActorError as error:
            del self.busy[stream]
            self._start_actor()
            return self._after_death(batch, error)
        if done is None:
            batch.begun = True
            return []
        batch.tasks.popleft()
        batch.deaths = 0
        if not batch.tasks:
            del self.busy[stream]
            self.idle.append(actor)
        return [done]

    def _after_death(self, batch: _Batch, error: RayActorError) -> list[ShardDone]:
        """Queue the rest of a batch; each task that the worker was at goes alone, and at last fails.

        A worker that had not begun did not die of the task, unless that happens more often than there are
        other workers to be lost.
        """
        if not batch.begun and batch.refused < self.executor.workers + DEATHS:
            batch.refused += 1
            self.again.append(batch)
            return []
        batch.begun = False
        suspects = [batch.tasks.popleft() for _ in range(min(AT_A_TIME, len(batch.tasks)))]
        if batch.tasks:
            self.again.append(_Batch(batch.tasks))
        deaths = batch.deaths + 1
        if deaths == DEATHS:
            return [self.worker.failed(task, f"its worker died {DEATHS} times: {error}") for task in suspects]
        self.again.extend(_Batch(deque([task]), deaths) for task in suspects)
        return []

    def close(self) -> None:
        """Stop all actors."""
        for actor in (*self.idle, *self.starting.values(), *(actor for actor, _ in self.busy.values())):
            ray.kill(actor)


def _batches(tasks: Iterable[ShardTask]) -> Iterator[_Batch]:
    """Yield tasks in order, those on a shard together, ``FEWEST_TASKS`` at least but for the last."""
    batch = _Batch(deque())
    for _, of_shard in groupby(tasks, key=lambda task: (task.dataset, task.shard)):
        batch.tasks.extend(of_shard)
        if len(batch.tasks) >= FEWEST_TASKS:
            yield batch
            batch = _Batch(deque())
    if batch.tasks:
        yield batch


def _check_room(executor: RayExecutor) -> None:
    """Check that some node has room for a worker.

    Raises:
        BenchError: none has.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    wanted = {"CPU": executor.cpus_per_worker, "GPU": executor.gpus_per_worker}
    if not any(all(node.get(kind, 0) >= count for kind, count in wanted.items()) for node in nodes):
        raise BenchError(
            f"no node of the Ray cluster has {wanted['CPU']:g} processors and {wanted['GPU']:g} GPUs for a "
            "worker; ask for less with --cpus-per-worker or --gpus-per-worker"
        )
