"""Where the suite keeps what it remembers between runs: registered data sets, fetched weights, caches."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """``FESBENCH_HOME``, or the user's data folder for this program; created when missing."""
    folder = Path(os.environ.get("FESBENCH_HOME") or platformdirs.user_data_dir("fesbench", appauthor=False))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def weights_folder() -> Path:
    """``FESBENCH_WEIGHTS``, or ``weights`` in ``home()``; not created."""
    return Path(os.environ.get("FESBENCH_WEIGHTS") or home() / "weights")


def other_weights_allowed() -> bool:
    """Whether ``FESBENCH_OTHER_WEIGHTS`` is 1: files of other content than the published are then used."""
    return os.environ.get("FESBENCH_OTHER_WEIGHTS") == "1"
