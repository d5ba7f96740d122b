"""Where the suite keeps what it remembers between runs: registered data sets, fetched weights, caches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from .errors import BenchError


def home() -> Path:
    """``FESBENCH_HOME``, or the user's data folder for this program; created when missing."""
    folder = Path(os.environ.get("FESBENCH_HOME") or platformdirs.user_data_dir("fesbench", appauthor=False))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def weights_folder() -> Path:
    """``FESBENCH_WEIGHTS``, or ``weights`` in ``home()``; not created."""
    return Path(os.environ.get("FESBENCH_WEIGHTS") or home() / "weights")


def cache_folder() -> Path:
    """``cache`` in ``home()``: what can be computed again; not created."""
    return home() / "cache"


def cache_limit() -> int:
    """Bytes to keep of features, and as many of rendered faces; 0 keeps none.

    They are ``FESBENCH_CACHE_GB`` gigabytes, 2 where it is not set.

    Raises:
        BenchError: the variable holds no such number.
    """
    text = os.environ.get("FESBENCH_CACHE_GB") or "2"
    try:
        return round(max(float(text), 0) * 10**9)
    except (ValueError, OverflowError) as error:
        raise BenchError(f"FESBENCH_CACHE_GB is {text!r}; give gigabytes as a number, 0 for none") from error


def other_weights_allowed() -> bool:
    """Return whether ``FESBENCH_OTHER_WEIGHTS`` is 1, which allows files other than the published ones."""
    return os.environ.get("FESBENCH_OTHER_WEIGHTS") == "1"
