"""Group the writes of concurrent requests into one transaction, which waits for the disk once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .collection import Collection, Refused

T = TypeVar("T")
Job = Callable[[], Any]


class Commits:
    """A queue of jobs for a collection. The result of a job is returned only after its commit."""

    def __init__(self, collection: Collection) -> None:
        self.collection = collection
        self._waiting: list[tuple[Job, asyncio.Future[Any]]] = []
        self._pool = ThreadPoolExecutor(1, "commits")
        self._task: asyncio.Task[None] | None = None

    async def do(self, job: Callable[[], T]) -> T:
        """Run a job in a transaction and return its result, once it is on the disk.

        Raises:
            Refused: the job raised it; nothing of it is written.
        """
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((job, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await asyncio.shield(future)

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await loop.run_in_executor(self._pool, self._run, [job for job, _ in batch])
            except Exception as error:
                results = [error] * len(batch)
            for (_, future), result in zip(batch, results, strict=True):
                if isinstance(result, Exception):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _run(self, jobs: Sequence[Job]) -> list[Any]:
        results: list[Any] = []
        with self.collection.transaction():
            for job in jobs:
                try:
                    results.append(job())
                except Refused as refusal:
                    results.append(refusal)
        return results

    async def close(self) -> None:
        """Wait for the queued jobs, then close the collection."""
        if self._task:
            await self._task
        self._pool.shutdown()
        self.collection.close()
