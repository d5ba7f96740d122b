"""Executes a plan on this machine, shard by shard, skipping what the run directory already holds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from fesbench.datasets.loading import ImageLoader, load_ahead

from ...core.contracts import FAILED, Edit, Failure, Image
from ...core.errors import ImageError
from ...generators.synthesis import at_size
from ...metrics.ecs import ExpressionConsistency
from ...metrics.fss import FaceSimilarity
from ...scoring.scorer import Scorer
from ...scoring.shards import References, ShardScores, concatenate, score_shard, shard_references
from ..models import Cell
from ..plan import DatasetPlan
from ..store.store import RunStore
from .progress import SYNTHESIZE, Listener, Stopwatch

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Executor:
    """Where the outputs of a run are made, scored and stored."""

    store: RunStore
    scorer: Scorer
    loader: ImageLoader
    stopwatch: Stopwatch
    listener: Listener

    def execute(self, cells: Sequence[Cell]) -> None:
        """Do what is missing of every cell; cells of one data set share the loading of its images."""
        missing = {id(cell): self._missing(cell) for cell in cells}
        sizes = [len(cell.dataset.shards[i]) for cell in cells for i in missing[id(cell)]]
        self.listener.begin(len(sizes), sum(sizes))
        for plan in {id(cell.dataset): cell.dataset for cell in cells}.values():
            own = [cell for cell in cells if cell.dataset is plan]
            self._execute_dataset(plan, {id(cell): missing[id(cell)] for cell in own}, own)

    def _missing(self, cell: Cell) -> dict[int, frozenset[str]]:
        """Shards of a cell with the metrics that each still needs."""
        wanted = self.scorer.metric_ids
        name = cell.dataset.name
        scored = (
            self.store.scored_metrics(cell.card.name, name, i)
            if self.store.has_reference_features(name, i)
            else frozenset()
            for i in range(len(cell.dataset.shards))
        )
        return {i: wanted - present for i, present in enumerate(scored) if wanted - present}

    def _execute_dataset(
        self, plan: DatasetPlan, missing: dict[int, dict[int, frozenset[str]]], cells: Sequence[Cell]
    ) -> None:
        numbers = [i for i in range(len(plan.shards)) if any(i in shards for shards in missing.values())]
        loaded_shards = load_ahead([plan.shards[i] for i in numbers], self.loader)
        for number in numbers:
            with self.stopwatch("load images"):
                loaded = next(loaded_shards)
            with self.stopwatch("score"):
                references = shard_references(loaded.edits, loaded.failures, self.scorer)
            with self.stopwatch("store"):
                self._write_references(plan, number, references)
            for cell in cells:
                metrics = missing[id(cell)].get(number)
                if metrics:
                    self._do(cell, number, references, loaded.failures, metrics)

    def _write_references(self, plan: DatasetPlan, number: int, references: References) -> None:
        """Keep what face similarities and judges of expression make of real photos: levels and ceilings."""
        told = [m for m in self.scorer.image_metrics if isinstance(m, FaceSimilarity | ExpressionConsistency)]
        features = {
            f"{network.card.name}/{role}": references.features[network.card.name][role]
            for metric in told
            for network in metric.networks
            for role in metric.beside
        }
        self.store.write_reference_features(plan.name, number, features)

    def _do(
        self,
        cell: Cell,
        number: int,
        references: References,
        broken: dict[int, Failure],
        metrics: frozenset[str],
    ) -> None:
        name, dataset = cell.card.name, cell.dataset.name
        present = self.store.scored_metrics(name, dataset, number)
        if present:
            outputs = self._stored_outputs(cell, references.edits, number)
        else:
            with self.stopwatch(f"{SYNTHESIZE}{name}"):
                outputs = self._synthesize(cell, references.edits, broken)
            self.stopwatch.outputs[name] += len(outputs) - len(broken)
            with self.stopwatch("store"):
                self._write_outputs(cell, references.edits, outputs)
        with self.stopwatch("score"):
            scored = score_shard(outputs, references, self.scorer.only(metrics))
        with self.stopwatch("store"):
            self._write_scores(cell, number, scored, metrics - scored.unscored, present)
        failed = sum(isinstance(output, Failure) for output in outputs)
        log.info("%s on %s, shard %d: %d edits, %d failed", name, dataset, number, len(outputs), failed)
        self.listener.done(cell, len(outputs), failed)

    def _synthesize(
        self, cell: Cell, edits: Sequence[Edit], broken: dict[int, Failure]
    ) -> list[Image | Failure]:
        usable = [edit for i, edit in enumerate(edits) if i not in broken]
        answers = iter(_answers(cell, usable))
        outputs = [broken.get(i) or next(answers) for i in range(len(edits))]
        return at_size(outputs, self.scorer.resolution)

    def _write_outputs(self, cell: Cell, edits: Sequence[Edit], outputs: Sequence[Image | Failure]) -> None:
        for edit, output in zip(edits, outputs, strict=True):
            if not isinstance(output, Failure):
                self.store.write_output(cell.card.name, cell.dataset.name, edit.id, output)

    def _stored_outputs(self, cell: Cell, edits: Sequence[Edit], number: int) -> list[Image | Failure]:
        rows = self.store.read_part(cell.card.name, cell.dataset.name, number)
        failed = rows[rows["reason"].str.startswith(FAILED, na=False)]
        reasons = dict(zip(failed["edit"], failed["reason"].str.removeprefix(FAILED), strict=True))
        return [self._stored_output(cell, edit, reasons.get(edit.id)) for edit in edits]

    def _stored_output(self, cell: Cell, edit: Edit, reason: str | None) -> Image | Failure:
        if reason is not None:
            return Failure(reason)
        try:
            return self.store.read_output(cell.card.name, cell.dataset.name, edit.id)
        except ImageError as error:
            return Failure(f"its stored image cannot be read: {error}")

    def _write_scores(
        self,
        cell: Cell,
        number: int,
        scored: ShardScores,
        metrics: frozenset[str],
        present: frozenset[str],
    ) -> None:
        name, dataset = cell.card.name, cell.dataset.name
        rows = scored.rows.assign(generator=name, dataset=dataset)
        features = self.store.read_features(name, dataset, number) | scored.features
        if features:
            self.store.write_features(name, dataset, number, features)
        earlier = self.store.read_part(name, dataset, number) if present else rows[:0]
        self.store.write_part(name, dataset, number, self._in_order(earlier, rows), metrics | present)

    def _in_order(self, earlier: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
        """All rows of a shard, the later of two alike, in the order that one run for everything gives."""
        together = concatenate([earlier, rows]).drop_duplicates(["edit", "metric"], keep="last")
        place = {column: number for number, column in enumerate(self.scorer.columns)}
        return together.sort_values("metric", key=lambda names: names.map(place), kind="stable")


def _answers(cell: Cell, edits: Sequence[Edit]) -> list[Image | Failure]:
    try:
        return cell.synthesizer.answer(edits)
    except (KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        log.exception("%s failed on a whole shard", cell.card.name)
        return [Failure(f"{type(error).__name__}: {error}")] * len(edits)
