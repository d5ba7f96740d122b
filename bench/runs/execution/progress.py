"""Progress of a run, and the time that each of its stages takes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from ..progress import Listener
from ..store.records import CountsRecord
from ..store.store import RunStore
from .executor import ShardDone

SYNTHESIZE = "synthesize: "
FIT = "fit: "
"""Prefixes of the stages in which a generator works and is prepared; its name follows."""


SECONDS = 3.0
"""The counts in the record are written at the end of a shard if they are older than this."""


@dataclass
class Stopwatch:
    """Seconds spent in each stage, and the number of outputs that each generator made."""

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

    def add(self, seconds: Mapping[str, float]) -> None:
        """Add times that were measured elsewhere."""
        for stage, time_taken in seconds.items():
            self.seconds[stage] += time_taken


class RecordedProgress(Listener):
    """A listener that passes progress on and keeps the counts in the run's record.

    ``counts`` there holds edits over all cells: ``asked``, ``done`` (with or without an output) and
    ``failed`` (done, without an output).

    Args:
        store: The run, which the caller holds.
        asked: The number of edits of all cells.
        listener: Receives the same progress.
    """

    def __init__(self, store: RunStore, asked: int, listener: Listener) -> None:
        self.store, self.asked, self.listener = store, asked, listener
        self.finished = self.failed = 0
        self.written = 0.0

    def begin(self, shards: int, edits: int) -> None:
        """Receive the number of tasks that are still to be done, and of edits in them."""
        self.finished = self.asked - edits
        self.write()
        self.listener.begin(shards, edits)

    def done(self, done: ShardDone) -> None:
        """Receive the result of a task, which is stored."""
        self.finished, self.failed = self.finished + done.edits, self.failed + done.failed
        if time.monotonic() - self.written > SECONDS:
            self.write()
        self.listener.done(done)

    def write(self) -> None:
        """Write the counts now."""
        counts = CountsRecord(asked=self.asked, done=self.finished, failed=self.failed)
        self.store.update_record(counts=counts)
        self.written = time.monotonic()
