"""Processes that load images for another one: how many there may be, and how they end."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
from threading import Thread


def available_cores() -> int:
    """Return the number of cores this process may use, which may be fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def serve_parent_only() -> None:
    """Make a worker leave Ctrl-C to its parent, and end with it even where that is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()


def picklable(task: object) -> bool:
    """Return whether a task can travel to another process."""
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
