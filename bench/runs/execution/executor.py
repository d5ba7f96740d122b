"""The interface between a run and whatever executes it: tasks, workers and their results.

A run asks for one task per shard of edits and generator. An executor hands the tasks to a worker, in this
process or in others, and returns the results; only the caller writes them to the run's folder. A further
executor is one class beside ``local.LocalExecutor``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.contracts import Failure, Image
from ...statistics.measures import OUTPUT


class ShardTask(NamedTuple):
    """One shard of edits of a data set, to be answered by one generator and scored.

    Attributes:
        generator: The name of the generator.
        dataset: The name of the data set.
        shard: The number of the shard in the plan of the data set.
        metrics: The ids of the metrics to score by.
        outputs: The stored output of each edit, (R, R, 3) uint8, where the generator has answered before;
            None asks the generator.
    """

    generator: str
    dataset: str
    shard: int
    metrics: frozenset[str]
    outputs: Sequence[Image | Failure] | None = None


@dataclass(frozen=True)
class ShardDone:
    """The result of a task; it can be pickled.

    Attributes:
        task: The task, without its stored outputs.
        outputs: The new output of each edit, (R, R, 3) uint8; None where the task came with stored ones.
        answered: How many of the edits the generator was asked to answer.
        rows: The rows of scores, with the columns of ``scoring.score_rows.SCORES``.
        features: The outputs' features that set metrics need, (N, d) by network.
        unscored: The ids of metrics that failed on an output.
        reference_features: The features of the sources and truths, (N, d) by ``network/role``.
        seconds: The time that each stage took.
    """

    task: ShardTask
    outputs: Sequence[Image | Failure] | None
    answered: int
    rows: pd.DataFrame
    features: Mapping[str, NDArray[np.float32]]
    unscored: frozenset[str]
    reference_features: Mapping[str, NDArray[np.float32]]
    seconds: Mapping[str, float]

    @property
    def edits(self) -> int:
        """The number of edits in the shard."""
        return int((self.rows["metric"] == OUTPUT).sum())

    @property
    def failed(self) -> int:
        """The number of edits without an output."""
        return int(((self.rows["metric"] == OUTPUT) & (self.rows["value"] == 0)).sum())


class Worker(Protocol):
    """Executes tasks in one process.

    A worker can be pickled: that takes its description along, not the models that it holds. The process that
    unpickles it loads them, so a worker is sent to a process once, not with each task.
    """

    def execute(self, tasks: Iterable[ShardTask]) -> Iterator[ShardDone]:
        """Return the result of each task, in order; the next task may have begun when a result is returned.

        Tasks on the same shard share the images and features of its sources and truths where they follow one
        another.
        """

    def failed(self, task: ShardTask, reason: str) -> ShardDone:
        """Return the result of a task that no worker can execute: each of its edits fails with the reason."""


class Executor(Protocol):
    """Distributes tasks to workers."""

    def execute(self, tasks: Iterable[ShardTask], worker: Worker) -> Iterator[ShardDone]:
        """Return the result of each task, in any order.

        Args:
            tasks: The tasks. Taking one may read stored outputs, so an executor takes few of them ahead.
            worker: The worker to execute them by, or by copies of it in other processes.
        """
