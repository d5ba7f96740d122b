"""Where commands print to, and how a run shows its progress there.

A terminal gets its own width and a bar that moves; a file or a pipe gets lines of one fixed width and, now
and then, a plain line of progress.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from ..runs.execution.executor import ShardDone
    from ..runs.execution.progress import Listener

PLAIN_WIDTH = 110
"""Characters in a line where there is no terminal; ``COLUMNS`` in the environment wins."""
PAUSE = 20.0
"""Seconds between two plain lines of progress."""


def make_console(stderr: bool = False) -> Console:
    """A console on stdout or stderr."""
    console = Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


@contextmanager
def shown_progress(console: Console) -> Iterator[Listener]:
    """Show the progress of a run while the block lasts."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress)


def _lost(done: ShardDone) -> str:
    return f"{done.task.generator}: {done.failed} of {done.edits} edits have no output"


class _Bar:
    """One bar over all units."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("prepare models", total=None)

    def begin(self, shards: int, edits: int) -> None:
        """The number of units is known."""
        self._progress.reset(self._task, total=shards, description="shards of 32 edits")

    def done(self, done: ShardDone) -> None:
        """Advance the bar by one shard."""
        description = f"{done.task.generator} on {done.task.dataset}"
        self._progress.update(self._task, advance=1, description=description)
        if done.failed:
            self._progress.console.print(_lost(done), markup=False, highlight=False)


class _Lines:
    """A line at the beginning, every ``PAUSE`` seconds, and at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._finished = 0
        self._start = self._told = time.monotonic()

    def begin(self, shards: int, edits: int) -> None:
        """The number of units is known."""
        self._total, self._start = shards, time.monotonic()
        self._told = self._start
        self._print(f"{shards} shards to do, {edits} edits")

    def done(self, done: ShardDone) -> None:
        """Print a line where edits have no output, and one of progress where it is time for one."""
        self._finished += 1
        if done.failed:
            self._print(_lost(done))
        now = time.monotonic()
        if now - self._told >= PAUSE or self._finished == self._total:
            self._told = now
            left = (now - self._start) / self._finished * (self._total - self._finished)
            self._print(f"{self._finished} of {self._total} shards, about {left:.0f} s left")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)
