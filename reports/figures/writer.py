"""Figures are written by worker processes, while the next ones are drawn."""

from __future__ import annotations

from collections import deque
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from fesbench.datasets.workers import picklable, worker_pool

from .canvas import save

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Write = partial[list[str]]


class FigureWriter:
    """Writes figures into a folder; they are all there when its context ends.

    Figures are written in this process where there are no workers, if they cannot be pickled, or once a
    worker died.

    Args:
        folder: Where the files go.
        workers: How many processes write. Starting one takes as long as writing two figures.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.workers = folder, workers
        self._pool = worker_pool(workers) if workers else None
        self._waiting: deque[tuple[Future[list[str]], Write]] = deque()

    def write(self, figure: Figure, stem: str) -> Path:
        """Write ``stem.pdf`` and ``stem.png``, or have a worker do so; returns the path of the PNG.

        Raises:
            BenchError: a file, of this figure or of an earlier one, cannot be written.
        """
        task: Write = partial(save, figure, self.folder, stem)
        if self._pool is None or not picklable(task):
            task()
        else:
            self._submit(self._pool, task)
        while len(self._waiting) > 2 * self.workers:
            self._finish_first()
        return self.folder / f"{stem}.png"

    def _submit(self, pool: ProcessPoolExecutor, task: Write) -> None:
        try:
            self._waiting.append((pool.submit(task), task))
        except BrokenExecutor:
            task()

    def _finish_first(self) -> None:
        future, task = self._waiting.popleft()
        try:
            future.result()
        except BrokenExecutor:
            task()

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait until all figures are written; after an error those that nobody began are dropped."""
        try:
            while self._waiting and kind is None:
                self._finish_first()
        finally:
            if self._pool:
                self._pool.shutdown(wait=False, cancel_futures=True)
