"""Trainings side by side, each in a process of its own."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

from fesbench.datasets.workers import picklable, serve_parent_only

from ..core.errors import BenchError, explain
from ..core.host_process import how_ended
from .progress import StepReport, TrainingListener

RETURNED, RAISED = "returned", "raised"
"""What a process says at its end, beside the names of the methods of a listener."""


class Call(NamedTuple):
    """A call of ``train``: what to call the training in messages, and the arguments."""

    label: str
    arguments: Mapping[str, Any]


class _Sender:
    """A listener in the process of a training, which hands on all that it receives."""

    def __init__(self, label: str, connection: Connection) -> None:
        self._label, self._connection = label, connection

    def note(self, text: str) -> None:
        self._connection.send(("note", text))

    def step(self, report: StepReport) -> None:
        self._connection.send(("step", report._replace(training=self._label)))

    def wrote(self, path: Path) -> None:
        self._connection.send(("wrote", path))

    def failed(self, model: str, error: Exception) -> None:
        self._connection.send(("failed", model, _sendable(error)))


def train_side_by_side(
    train: Callable[..., Any], calls: Sequence[Call], workers: int, listener: TrainingListener
) -> dict[str, Any]:
    """Make several trainings at once; one that fails, or whose process ends, ends no other.

    The processes end with this one, even by a kill, and when it is interrupted.

    Args:
        train: What is called, with a ``listener`` besides the arguments; a function of a module.
        calls: The calls, in the order in which they are begun.
        workers: How many are made at a time.
        listener: Receives the progress of all of them.

    Returns:
        Label to what the call returned, or to the exception that it raised; in the order of the calls.
    """
    waiting, outcomes = deque(calls), dict[str, Any]()
    running: dict[Connection, BaseProcess] = {}
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                connection, process = _start(train, waiting.popleft())
                running[connection] = process
            ready = wait(list(running))
            for connection in [one for one in running if one in ready]:
                label = running[connection].name
                try:
                    event, *content = connection.recv()
                except EOFError:
                    outcomes.setdefault(label, _ended(running.pop(connection)))
                    continue
                if event in (RETURNED, RAISED):
                    (outcomes[label],) = content
                else:
                    getattr(listener, event)(*content)
    finally:
        for process in running.values():
            process.kill()
    return {call.label: outcomes[call.label] for call in calls}


def _start(train: Callable[..., Any], call: Call) -> tuple[Connection, BaseProcess]:
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(there, train, call), name=call.label)
    process.start()
    there.close()
    return here, process


def _serve(connection: Connection, train: Callable[..., Any], call: Call) -> None:
    serve_parent_only()
    try:
        connection.send((RETURNED, train(**call.arguments, listener=_Sender(call.label, connection))))
    except Exception as error:
        connection.send((RAISED, _sendable(error)))


def _sendable(error: Exception) -> Exception:
    return error if picklable(error) else BenchError(explain(error))


def _ended(process: BaseProcess) -> BenchError:
    """Return the error of a process that has closed its connection without an outcome."""
    process.join()
    how = how_ended(process.exitcode or 0)
    return BenchError(f"its process ended {how}; --resume goes on from its last save")
