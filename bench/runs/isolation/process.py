"""A process for code of others: it is called with a time limit, and may end at any moment."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any
from weakref import finalize

from ...core.errors import BenchError

START_SECONDS = 600.0
"""How long a process may take until it can be called; it only imports the suite."""

HOST = f"{__package__}.host"


class CallFailed(BenchError):
    """The code of others raised something."""


class ProcessEnded(BenchError):
    """The process ended before it answered."""


class TimedOut(BenchError):
    """The process gave no answer in time, and was ended."""


class HostProcess:
    """A process that runs ``host.ModelHost``; close it after use.

    What the code of others prints arrives on stderr. The process ends with this one, even by a kill.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE
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
            raise ProcessEnded(f"its process ended {_how_ended(self._process.wait())}")
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


def _how_ended(code: int) -> str:
    """Describe the exit code of a process."""
    if code >= 0:
        return f"with exit code {code}"
    try:
        return f"by {signal.Signals(-code).name}"
    except ValueError:
        return f"by signal {-code}"
