"""Decides which shards a run still lacks, has them executed, and stores the results."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import pandas as pd

from ...core.contracts import Edit, Failure, Image
from ...core.errors import ImageError
from ...core.reasons import FAILED, WITHOUT_OUTPUT, have_reason
from ...scoring.score_rows import concatenate
from ...scoring.scorer import Scorer
from ..models import Cell
from ..plan import DatasetPlan
from ..progress import Listener
from ..store.store import RunStore
from .executor import Executor, ShardDone, ShardTask, Worker
from .progress import Stopwatch

log = logging.getLogger(__name__)

Missing = Mapping[tuple[str, str, int], frozenset[str]]
"""Generator, data set and shard to the ids of the metrics that are missing; complete shards are left out."""


@dataclass(frozen=True)
class RunWriter:
    """The only writer of a run's shards.

    Attributes:
        store: The run, which the caller holds.
        scorer: The metrics of the run.
        stopwatch: Receives the time that each stage takes; of storing only what was waited for.
        listener: Receives progress.
        in_shards: Whether to keep the outputs of a shard in one archive, rather than in a file for each.
    """

    store: RunStore
    scorer: Scorer
    stopwatch: Stopwatch
    listener: Listener
    in_shards: bool = False
    _with_references: set[tuple[str, int]] = field(default_factory=set)

    def complete(self, cells: Sequence[Cell], executor: Executor, worker: Worker) -> None:
        """Have the missing shards of all cells executed; each result is stored while the next is made."""
        plans = list({cell.dataset.name: cell.dataset for cell in cells}.values())
        missing = self._missing(cells)
        sizes = [len(plan.shards[shard]) for plan in plans for _, name, shard in missing if name == plan.name]
        self.listener.begin(len(sizes), sum(sizes))
        results = executor.execute(self._tasks(plans, cells, missing), worker)
        with ThreadPoolExecutor(1, "store") as storing:
            being_stored: tuple[ShardDone, Future[None]] | None = None
            for done in results:
                self._await(being_stored)
                being_stored = done, storing.submit(self._write, done)
            self._await(being_stored)

    def _await(self, being_stored: tuple[ShardDone, Future[None]] | None) -> None:
        """Wait until a result is stored, raise what storing it raised, and report it."""
        if being_stored is None:
            return
        done, stored = being_stored
        with self.stopwatch("store"):
            stored.result()
        self._report(done)

    def _missing(self, cells: Sequence[Cell]) -> Missing:
        wanted = self.scorer.metric_ids
        lacking = {
            (cell.card.name, cell.dataset.name, shard): wanted - self._scored(cell, shard)
            for cell in cells
            for shard in cell.dataset.own_shards
        }
        return {place: metrics for place, metrics in lacking.items() if metrics}

    def _scored(self, cell: Cell, shard: int) -> frozenset[str]:
        """Return the metrics that a shard needs no more; none where features of its photos are missing."""
        parts, dataset = self.store.parts, cell.dataset.name
        if not parts.has_reference_features(dataset, shard):
            return frozenset()
        return parts.scored_metrics(cell.card.name, dataset, shard)

    def _tasks(
        self, plans: Sequence[DatasetPlan], cells: Sequence[Cell], missing: Missing
    ) -> Iterator[ShardTask]:
        """Yield the missing tasks by data set, shard and generator: shards share their sources and truths."""
        for plan in plans:
            names = [cell.card.name for cell in cells if cell.dataset.name == plan.name]
            for shard in plan.own_shards:
                for name in names:
                    metrics = missing.get((name, plan.name, shard))
                    if metrics:
                        outputs = self._stored_outputs(name, plan.name, shard, plan.shards[shard])
                        yield ShardTask(name, plan.name, shard, metrics, outputs)

    def _stored_outputs(
        self, generator: str, dataset: str, shard: int, edits: Sequence[Edit]
    ) -> list[Image | Failure] | None:
        """Return the outputs of a shard that has been scored before; None where it must be answered again."""
        if not self.store.parts.scored_metrics(generator, dataset, shard):
            return None
        rows = self.store.parts.read_rows(generator, dataset, shard)
        failed = rows[have_reason(rows["reason"], *WITHOUT_OUTPUT)]
        reasons = dict(zip(failed["edit"], failed["reason"].str.removeprefix(FAILED), strict=True))
        try:
            return [
                Failure(reasons[edit.id])
                if edit.id in reasons
                else self.store.read_output(generator, dataset, edit.id, shard)
                for edit in edits
            ]
        except ImageError as error:
            log.warning("outputs of %s on %s are made again: %s", generator, dataset, error)
            return None

    def _write(self, done: ShardDone) -> None:
        """Store outputs, features and rows, the rows last: they mark the shard as finished."""
        generator, dataset, shard = done.task[:3]
        parts = self.store.parts
        if (dataset, shard) not in self._with_references:
            parts.write_reference_features(dataset, shard, dict(done.reference_features))
            self._with_references.add((dataset, shard))
        if done.outputs is not None:
            self._write_outputs(done.task, done.rows["edit"].drop_duplicates(), done.outputs)
        features = parts.read_features(generator, dataset, shard) | dict(done.features)
        if features:
            parts.write_features(generator, dataset, shard, features)
        present = parts.scored_metrics(generator, dataset, shard)
        earlier = parts.read_rows(generator, dataset, shard) if present else done.rows[:0]
        scored = done.task.metrics - done.unscored
        parts.write_rows(generator, dataset, shard, self._in_order(earlier, done.rows), scored | present)

    def _write_outputs(
        self, task: ShardTask, edits: Iterable[str], outputs: Sequence[Image | Failure]
    ) -> None:
        pairs = zip(edits, outputs, strict=True)
        answered = {edit: output for edit, output in pairs if not isinstance(output, Failure)}
        if self.in_shards:
            self.store.outputs.write_shard(task.generator, task.dataset, task.shard, answered)
            return
        for edit, output in answered.items():
            self.store.write_output(task.generator, task.dataset, edit, output)

    def _in_order(self, earlier: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
        """Return all rows of a shard, in the order in which a single run of all metrics has them."""
        together = concatenate([earlier, rows]).drop_duplicates(["edit", "metric"], keep="last")
        position = {column: number for number, column in enumerate(self.scorer.columns)}
        return together.sort_values("metric", key=lambda names: names.map(position), kind="stable")

    def _report(self, done: ShardDone) -> None:
        self.stopwatch.add(done.seconds)
        self.stopwatch.outputs[done.task.generator] += done.answered
        log.info("%s on %s, shard %d: %d edits, %d failed", *done.task[:3], done.edits, done.failed)
        self.listener.done(done)
