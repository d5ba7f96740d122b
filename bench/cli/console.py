"""Output of commands: consoles, messages and the progress of runs.

On a terminal, tables take its width and progress is a bar; in a file or a pipe, tables have a fixed width and
progress is a plain line every ``PAUSE`` seconds.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from ..core.plurals import counted

if TYPE_CHECKING:
    from ..runs.execution.executor import ShardDone
    from ..runs.execution.progress import Listener

PLAIN_WIDTH = 110
"""Characters in a line of a file or a pipe, unless ``COLUMNS`` is set in the environment."""
_LONGEST = 24
"""Characters of the longest name in a list."""
PAUSE = 20.0
"""Seconds between two plain lines of progress."""


def make_console(stderr: bool = False) -> Console:
    """Return a console on stdout or stderr."""
    console = Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


def make_list(name: str, *columns: str, long: bool) -> Table:
    """Return a table whose first column is never cut; the others are, to one line a row, if not ``long``."""
    rest = (Column(column, no_wrap=not long, overflow="fold" if long else "ellipsis") for column in columns)
    return Table(Column(name, no_wrap=True, min_width=_LONGEST), *rest, box=SIMPLE_HEAD)


def say(message: str) -> None:
    """Print a message on stderr."""
    click.echo(message, err=True)


@contextmanager
def shown_progress(console: Console) -> Iterator[Listener]:
    """Yield a listener that shows the progress of a run on ``console``."""
    if not console.is_terminal:
        yield _Lines(console)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        yield _Bar(progress)


def _failure_line(done: ShardDone) -> str:
    return f"{done.task.generator}: {done.failed} of {counted(done.edits, 'edit')} have no output"


class _Bar:
    """A progress bar over all shards of a run."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task("prepare models", total=None)

    def begin(self, shards: int, edits: int) -> None:
        """Set the length of the bar."""
        self._progress.reset(self._task, total=shards, description="shards of 32 edits")

    def done(self, done: ShardDone) -> None:
        """Advance the bar by one shard."""
        description = f"{done.task.generator} on {done.task.dataset}"
        self._progress.update(self._task, advance=1, description=description)
        if done.failed:
            self._progress.console.print(_failure_line(done), markup=False, highlight=False)

    def stage(self, name: str) -> None:
        """Show what the run is at."""
        self._progress.update(self._task, description=f"{name} …")


class _Lines:
    """Plain lines of progress: the first at once, then one every ``PAUSE`` seconds, and one at the end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._total = self._finished = 0
        self._start = self._printed = time.monotonic()

    def begin(self, shards: int, edits: int) -> None:
        """Print how much there is to do, and start the clock."""
        self._total, self._start = shards, time.monotonic()
        self._printed = self._start
        self._print(f"{counted(shards, 'shard')} to do, {counted(edits, 'edit')}")

    def done(self, done: ShardDone) -> None:
        """Print a line where edits have no output, and one of progress where it is time for one."""
        self._finished += 1
        if done.failed:
            self._print(_failure_line(done))
        now = time.monotonic()
        if now - self._printed >= PAUSE or self._finished == self._total:
            self._printed = now
            left = (now - self._start) / self._finished * (self._total - self._finished)
            self._print(f"{self._finished} of {counted(self._total, 'shard')}, about {left:.0f} s left")

    def stage(self, name: str) -> None:
        """Print what the run is at."""
        self._print(f"{name} …")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False)
