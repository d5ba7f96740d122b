"""Execution in this process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from .executor import ShardDone, ShardTask, Worker


class LocalExecutor:
    """An ``Executor`` that works in this process."""

    def execute(self, tasks: Iterable[ShardTask], worker: Worker) -> Iterator[ShardDone]:
        """Return the result of each task, in order."""
        return worker.execute(tasks)
