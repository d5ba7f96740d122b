"""Worker processes: how many there may be, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from threading import Thread
from typing import TypeVar

T = TypeVar("T")

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_cores() -> int:
    """Return how many cores this process may use, at least 1.

    Fewer than the machine has where a scheduler binds the process to some of them, or a container has a quota
    of processor time (cgroup v1 or v2); a quota of 2.5 cores counts as 2.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([cores, *_quotas()])))


def _quotas() -> Iterator[float]:
    """Yield the cores that each control group of this process and the groups above it allow."""
    try:
        lines = MEMBERSHIP.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, group = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            root = CGROUPS / controllers
            below = root / group.strip("/")
            for folder in (below, *below.parents):
                if folder.is_relative_to(root):
                    yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    """Yield the cores that a control group allows: ``cpu.max`` of version 2, two files of version 1."""
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quota, period = (int(word) for name in names for word in (folder / name).read_text().split())
            if quota > 0:
                yield quota / period


def serve_parent_only() -> None:
    """Make a worker ignore Ctrl-C, which its parent handles, and end when its parent does, even by a kill."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of so many new processes that serve this one only."""
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), serve_parent_only)


@contextmanager
def beside(call: Callable[[], T], parallel: bool = True) -> Iterator[Callable[[], T]]:
    """Make a call in another process meanwhile; yield what waits for its result.

    The call is made in this process, when its result is asked for, where it is not ``parallel``, cannot be
    sent to another process, or that one cannot be started or fails. The other process ends with the block at
    the latest.
    """
    try:
        content = pickle.dumps(call) if parallel else b""
        started = _started(content) if content else None
    except (pickle.PicklingError, AttributeError, TypeError, OSError, MemoryError):
        started = None
    if started is None:
        yield call
        return
    process, connection, sending = started
    try:
        yield partial(_received, connection, call)
    finally:
        process.kill()
        process.join()
        sending.join()
        connection.close()


def _started(content: bytes) -> tuple[BaseProcess, Connection, Thread]:
    """Start a process that makes a pickled call; return it, the connection to it, and what sends the call.

    The call is not an argument of the process: starting would wait forever for one that dies before it has
    read its arguments.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_make_call, args=(there,), daemon=True)
    try:
        process.start()
    except OSError:
        here.close()
        raise
    finally:
        there.close()
    sending = Thread(target=_send, args=(here, content), daemon=True)
    sending.start()
    return process, here, sending


def _send(connection: Connection, content: bytes) -> None:
    with suppress(OSError):  # the process has ended
        connection.send_bytes(content)


def _make_call(connection: Connection) -> None:
    serve_parent_only()
    with suppress(Exception):  # the parent makes the call itself, and sees the error
        connection.send(pickle.loads(connection.recv_bytes())())


def _received(connection: Connection, call: Callable[[], T]) -> T:
    try:
        result: T = connection.recv()
    except (EOFError, OSError):
        return call()
    return result


def picklable(task: object) -> bool:
    """Return whether a task can be sent to another process."""
    try:
        pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)
