"""Reports the progress of a run and the time that each stage takes."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from ..models import Cell
from ..store.records import CountsRecord
from ..store.store import RunStore

log = logging.getLogger(__name__)


SYNTHESIZE = "synthesize: "
"""How the name of the stage begins in which a generator works."""


class Listener(Protocol):
    """Hears of progress."""

    def begin(self, shards: int, edits: int) -> None:
        """So many (generator, shard) units are still to be done, and so many edits in them."""

    def done(self, cell: Cell, edits: int, failed: int) -> None:
        """One unit is stored."""


@dataclass
class Stopwatch:
    """Seconds spent in each stage, and the outputs that each generator made in its own."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    outputs: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] += time.perf_counter() - start


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
        counts = CountsRecord(asked=self.asked, done=self.finished, failed=self.failed)
        self.store.update_record(counts=counts)
        self.written = time.monotonic()
