"""How ``bench train`` shows the progress of trainings."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ..core.errors import BenchError
from ..runs.progress import PAUSE
from ..training.progress import StepReport, TrainingListener
from .console import make_console, say


@contextmanager
def shown_training() -> Iterator[TrainingListener]:
    """Show the progress of trainings while the block lasts."""
    progress = _TrainingProgress()
    try:
        yield progress
    finally:
        progress.stop()


class _TrainingProgress:
    """Shows a bar for each training on stderr, plain lines where that is no terminal; paths on stdout."""

    def __init__(self) -> None:
        self._console = make_console(stderr=True)
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}
        self._shown_at: dict[str, float] = {}

    def note(self, text: str) -> None:
        """Show a message."""
        say(text)

    def step(self, report: StepReport) -> None:
        """Update the training's bar, or print a line every ``PAUSE`` seconds."""
        losses = _totals(report.losses)
        name = f"{report.training}: " if report.training else ""
        if self._console.is_terminal:
            bars = self._bars or self._start()
            if report.training not in self._tasks:
                self._tasks[report.training] = bars.add_task(name, total=1.0, step=0, losses="")
            task = self._tasks[report.training]
            bars.update(task, completed=report.fraction, step=report.step, losses=losses)
        elif report.seconds - self._shown_at.setdefault(report.training, report.seconds) >= PAUSE:
            self._shown_at[report.training] = report.seconds
            left = report.seconds / report.fraction * (1 - report.fraction)
            say(f"{name}step {report.step}, {report.fraction:.1%}, about {left:.0f} s left, {losses}")

    def wrote(self, path: Path) -> None:
        """Print the path of a complete file."""
        self.stop()
        click.echo(path)

    def failed(self, model: str, error: Exception) -> None:
        """Show why a model is not trained, with the traceback of what no user can mend."""
        self.stop()
        if not isinstance(error, BenchError):
            say("".join(traceback.format_exception(error)))
        say(f"{model} failed: {error or type(error).__name__}")

    def stop(self) -> None:
        """Leave the bars as they are; the next step begins new ones."""
        if self._bars is not None:
            self._bars.stop()
        self._bars = None
        self._tasks.clear()
        self._shown_at.clear()

    def _start(self) -> Progress:
        columns = (
            TextColumn("{task.description}step {task.fields[step]}"),
            BarColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[losses]}"),
        )
        self._bars = bars = Progress(*columns, console=self._console)
        bars.start()
        return bars


def _totals(losses: Mapping[str, float]) -> str:
    """Return the sums that the discriminator and the generator minimise, for example ``D 1.4, G 5.9``."""
    sums = {
        side: sum(value for name, value in losses.items() if name.startswith(prefix))
        for side, prefix in (("D", "d_"), ("G", "g_"))
    }
    return ", ".join(f"{side} {total:.3f}" for side, total in sums.items())
