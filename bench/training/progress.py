"""Progress of trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

Note = Callable[[str], None]
"""Receives a message, one line."""


class StepReport(NamedTuple):
    """The state of a training after a step.

    Attributes:
        step: Steps so far, those before a resume included.
        fraction: The part of the training that is done, 0 to 1; above 1 where a budget was exceeded.
        seconds: Time so far, that before a resume included.
        losses: The weighted losses of the step by name; the discriminator's begin with ``d_``.
        training: Which of several trainings side by side it is of; else empty.
    """

    step: int
    fraction: float
    seconds: float
    losses: Mapping[str, float]
    training: str = ""


class TrainingListener(Protocol):
    """Receives the progress of ``train``. With several processes, only that of the first is called."""

    def note(self, text: str) -> None:
        """Receive a message, one line."""

    def step(self, report: StepReport) -> None:
        """Receive the state after a step of the current training, or of one of those side by side."""

    def wrote(self, path: Path) -> None:
        """Receive the path of a file that is complete: a checkpoint, an official file, a list of folds."""

    def failed(self, model: str, error: Exception) -> None:
        """Receive the error that ended the training of one of several models."""


class NoListener:
    """Ignores all progress."""

    def note(self, text: str) -> None:
        """Do nothing."""

    def step(self, report: StepReport) -> None:
        """Do nothing."""

    def wrote(self, path: Path) -> None:
        """Do nothing."""

    def failed(self, model: str, error: Exception) -> None:
        """Do nothing."""
