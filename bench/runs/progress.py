"""Progress of a run: what a listener receives, and how it is shown on a terminal, in a file or a pipe."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ..core.plurals import counted

if TYPE_CHECKING:
    from .execution.executor import ShardDone

PAUSE = 20.0
"""Seconds between two plain lines of progress."""


class Listener:
    """Receives the progress of a run. Every method does nothing; a subclass overrides those it needs."""

    def begin(self, shards: int, edits: int) -> None:
        """Receive the number of shards that are still to be done, and of edits in them."""

    def done(self, done: ShardDone) -> None:
        """Receive the result of a shard, which is stored."""

    def stage(self, name: str, steps: int = 0) -> None:
        """Receive the name of another stage when it begins, and its number of steps; 0 if it has none."""

    def step(self, name: str) -> None:
        """Receive the name of the next step of the stage when it begins."""


SILENT = Listener()
"""Shows nothing."""


@contextmanager
def shown_progress(console: Console) -> Iterator[Listener]:
    """Yield a listener that shows the progress of a run on ``console``.

    On a terminal, progress is a bar; elsewhere it is a plain line every ``PAUSE`` seconds.
    """
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress)


def _failure_line(done: ShardDone) -> str:
    return f"{done.task.generator}: {done.failed} of {counted(done.edits, 'edit')} have no output"


class _Bar(Listener):
    """A progress bar over the shards of a run, and over the steps of each other stage."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("prepare", total=None)
        self._begun = 0

    def begin(self, shards: int, edits: int) -> None:
        self._progress.reset(self._task, total=shards, description="shards of 32 edits")

    def done(self, done: ShardDone) -> None:
        description = f"{done.task.generator} on {done.task.dataset}"
        self._progress.update(self._task, advance=1, description=description)
        if done.failed:
            self._progress.console.print(_failure_line(done), markup=False, highlight=False)

    def stage(self, name: str, steps: int = 0) -> None:
        self._begun = 0
        self._progress.reset(self._task, total=steps or None, description=f"{name} …")

    def step(self, name: str) -> None:
        self._progress.update(self._task, completed=self._begun, description=name)
        self._begun += 1


class _Lines(Listener):
    """Plain lines: when a stage begins, then every ``PAUSE`` seconds, and after the last shard."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._stage = ""
        self._total = self._finished = 0
        self._start = self._printed = time.monotonic()

    def begin(self, shards: int, edits: int) -> None:
        self._begin(f"{counted(shards, 'shard')} to do, {counted(edits, 'edit')}", shards)

    def done(self, done: ShardDone) -> None:
        self._finished += 1
        if done.failed:
            self._print(_failure_line(done))
        now = time.monotonic()
        if self._is_time(now) or self._finished == self._total:
            self._printed = now
            left = (now - self._start) / self._finished * (self._total - self._finished)
            self._print(f"{self._finished} of {counted(self._total, 'shard')}, about {left:.0f} s left")

    def stage(self, name: str, steps: int = 0) -> None:
        self._stage = name
        self._begin(f"{name} …", steps)

    def step(self, name: str) -> None:
        self._finished += 1
        now = time.monotonic()
        if self._is_time(now):
            self._printed = now
            place = f"{self._finished} of {self._total}" if self._total else str(self._finished)
            self._print(f"{self._stage}: {place}, {name}")

    def _begin(self, line: str, total: int) -> None:
        self._total, self._finished = total, 0
        self._start = self._printed = time.monotonic()
        self._print(line)

    def _is_time(self, now: float) -> bool:
        return now - self._printed >= PAUSE

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)
