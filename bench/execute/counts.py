"""Keeps ``run.json`` telling how far a run is, while it runs."""

from __future__ import annotations

import time

from ..store import RunStore
from .cells import Cell
from .local import Listener

SECONDS = 3.0
"""The record is written again after this many seconds, at the end of a shard."""


class Counts:
    """Passes progress on to a listener and keeps count of it in the run's record.

    ``counts`` there holds edits over all cells: ``asked``, ``done`` (with or without an output) and
    ``failed`` (done, without an output).

    Args:
        store: The run, which the caller holds.
        asked: Edits of all cells.
        listener: Hears what this hears.
    """

    def __init__(self, store: RunStore, asked: int, listener: Listener) -> None:
        self.store, self.asked, self.listener = store, asked, listener
        self.finished = self.failed = 0
        self.written = 0.0

    def begin(self, shards: int, edits: int) -> None:
        """So many units, and edits in them, are still to be done."""
        self.finished = self.asked - edits
        self.write()
        self.listener.begin(shards, edits)

    def done(self, cell: Cell, edits: int, failed: int) -> None:
        """One unit is stored."""
        self.finished, self.failed = self.finished + edits, self.failed + failed
        if time.monotonic() - self.written > SECONDS:
            self.write()
        self.listener.done(cell, edits, failed)

    def write(self) -> None:
        """Write the counts now."""
        counts = {"asked": self.asked, "done": self.finished, "failed": self.failed}
        self.store.update_record(counts=counts)
        self.written = time.monotonic()
