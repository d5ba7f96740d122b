"""A process for code of others: it is called with a time limit, and may end at any moment.

``HostProcess`` starts a module, whose ``main`` calls ``serve`` with the object that answers the calls.
``RestartedProcess`` starts it again where it ended.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any
from weakref import finalize

from .errors import BenchError, explain

TIMEOUT = 300.0
"""Seconds that code of others may take for a call, where the user states no other."""

START_SECONDS = 600.0
"""How long a process may take until it can be called; it only imports the suite."""

PATIENCE = 6
"""After so many ends and time-outs without a single answer, code of others is asked no more."""

FIRST_TO_END = "1000"
"""Value of ``oom_score_adj``: where memory runs out, Linux ends this process before that of the run."""


class HostError(BenchError):
    """A call gave no result."""


class CallFailed(HostError):
    """The code of others raised something."""


class ProcessEnded(HostError):
    """The process ended before it answered."""


class TimedOut(HostError):
    """The process gave no answer in time, and was ended."""


class HostProcess:
    """A process that runs a module with a ``main`` that serves calls; close it after use.

    What the code of others prints arrives on stderr. The process ends with this one, even by a kill.

    Args:
        module: The full name of the module.
    """

    def __init__(self, module: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._end = finalize(self, _end, self._process)
        self._replies: SimpleQueue[tuple[bool, Any] | None] = SimpleQueue()
        assert self._process.stdout is not None
        Thread(target=_receive, args=(self._process.stdout, self._replies.put), daemon=True).start()
        self._reply(START_SECONDS)

    def call(self, method: str, *arguments: object, seconds: float) -> Any:
        """Return what a method of the host returns.

        Raises:
            CallFailed: it raised something; the process can be called again.
            ProcessEnded: the process ended.
            TimedOut: it took longer; the process is ended.
        """
        assert self._process.stdin is not None
        with suppress(OSError):  # the process has ended, which the reply tells
            self._process.stdin.write(pickle.dumps((method, arguments)))
            self._process.stdin.flush()
        return self._reply(seconds)

    def close(self) -> None:
        """End the process."""
        self._end()

    def _reply(self, seconds: float) -> Any:
        try:
            reply = self._replies.get(timeout=seconds)
        except Empty:
            self.close()
            raise TimedOut(f"no answer within {seconds:g} s (see --timeout)") from None
        if reply is None:
            raise ProcessEnded(f"its process ended {how_ended(self._process.wait())}")
        succeeded, content = reply
        if not succeeded:
            raise CallFailed(content)
        return content


def receive(stream: IO[bytes], take: Callable[[Any], None]) -> None:
    """Hand on each object that arrives on a stream, and None at its end."""
    with suppress(Exception):  # the process at the other end may stop in the midst of an object
        while True:
            take(pickle.load(stream))
    take(None)


def _receive(stream: IO[bytes], take: Callable[[Any], None]) -> None:
    with stream:
        receive(stream, take)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    if process.stdin is not None:
        with suppress(OSError):
            process.stdin.close()


def how_ended(code: int) -> str:
    """Describe the exit code of a process."""
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"


class RestartedProcess:
    """A ``HostProcess`` that can be started again after it ended; its host has a method ``load``.

    Args:
        module: See ``HostProcess``.
        request: What ``load`` is given at each start.
        timeout: Seconds that a call may take.

    Attributes:
        answered: Whether anything was ever answered, as the caller states; see ``refuse_if_hopeless``.
    """

    def __init__(self, module: str, request: object, timeout: float) -> None:
        self.answered = False
        self._module, self._request, self._timeout = module, request, timeout
        self._process: HostProcess | None = None
        self._losses = 0

    @property
    def running(self) -> bool:
        """Whether there is a process that can be called."""
        return self._process is not None

    def start(self) -> Any:
        """Start the process, and return what ``load`` returns there.

        Raises:
            HostError: there is no result; the process is ended.
        """
        self._process = HostProcess(self._module)
        try:
            return self.call("load", self._request)
        except HostError:
            self.close()
            raise

    def call(self, method: str, *arguments: object, patience: int = 1) -> Any:
        """Return what a method of the host returns, within ``patience`` times the time-out.

        Raises:
            HostError: it raised something, its process ended, or it took longer.
        """
        assert self._process is not None
        try:
            return self._process.call(method, *arguments, seconds=patience * self._timeout)
        except (ProcessEnded, TimedOut):
            self._losses += 1
            self.close()
            raise

    def refuse_if_hopeless(self, name: str) -> None:
        """Refuse to ask code that was lost ``PATIENCE`` times without any answer.

        Raises:
            HostError: that is so.
        """
        if self._losses >= PATIENCE and not self.answered:
            raise HostError(f"not asked: {name} ended or hung {PATIENCE} times and never answered")

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.close()
        self._process = None


def serve(host: object) -> None:
    """Answer calls of the methods of an object until stdin ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the caller handles Ctrl-C
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(FIRST_TO_END)
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)  # stdout carries replies; what the code of others prints goes to stderr
    calls: SimpleQueue[tuple[str, tuple[Any, ...]]] = SimpleQueue()

    def take(call: tuple[str, tuple[Any, ...]] | None) -> None:
        if call is None:
            os._exit(0)  # the caller has ended, however busy the code of others is
        calls.put(call)

    Thread(target=receive, args=(requests, take), daemon=True).start()
    reply = pickle.dumps((True, None))
    while True:
        replies.write(reply)
        replies.flush()
        method, arguments = calls.get()
        reply = _answer(host, method, arguments)


def _answer(host: object, method: str, arguments: tuple[Any, ...]) -> bytes:
    """Call a method; whatever the code of others raises is an answer."""
    try:
        return pickle.dumps((True, getattr(host, method)(*arguments)))
    except BaseException as error:
        return pickle.dumps((False, explain(error)))
