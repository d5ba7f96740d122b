"""The work on shards: ask generators for outputs and score them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby, tee
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from fesbench.datasets.loading import ImageLoader, LoadedEdits, load_ahead

from ...core.allocator import keep_freed_memory, return_freed_memory
from ...core.contracts import Edit, Failure, Image
from ...core.host_process import TIMEOUT
from ...generators.synthesis import at_size
from ...metrics.ecs import ExpressionConsistency
from ...metrics.fss import FaceSimilarity
from ...scoring.scorer import Scorer
from ...scoring.shards import References, ShardScores, score_shard, shard_references
from ..models import Cell, load_models, load_scorer, make_cells
from ..plan import Plan, make_plan
from ..spec import RunSpec
from .executor import ShardDone, ShardTask
from .progress import SYNTHESIZE, Stopwatch

T = TypeVar("T")

Result = Callable[[], T]
"""Waits for something that is computed elsewhere, and returns it; each call returns the same."""

Submit = Callable[[Callable[[], Any]], Callable[[], Any]]
"""Takes a computation, has it computed elsewhere, and returns its result."""


@dataclass(frozen=True)
class WorkerDescription:
    """All that a process needs to know to make a worker of its own; it can be pickled.

    Attributes:
        spec: The specification of the run.
        device: The torch device that generators and metric networks compute on.
        loaders: Processes that load images; 0 loads in the worker's own.
        timeout: Seconds that models and metrics with a process of their own may take for a batch.
        make_plan: Makes the plan of the run from its specification.
    """

    spec: RunSpec
    device: str
    loaders: int = 0
    timeout: float = TIMEOUT
    make_plan: Callable[[RunSpec], Plan] = make_plan


class ShardWorker:
    """A ``Worker`` that holds the generators and metric networks of a run.

    Pickling keeps the description alone; unpickling loads everything else again, see ``load``.

    Args:
        description: What the worker was made from.
        cells: The generators, each prepared for a data set.
        scorer: The metrics.
        loader: Loads the images of edits.
    """

    def __init__(
        self, description: WorkerDescription, cells: Iterable[Cell], scorer: Scorer, loader: ImageLoader
    ) -> None:
        self.description, self.scorer, self.loader = description, scorer, loader
        self.cells = {(cell.card.name, cell.dataset.name): cell for cell in cells}

    @classmethod
    def load(cls, description: WorkerDescription) -> ShardWorker:
        """Load the data sets, generators and metric networks of a run.

        What cannot be loaded is left out: the caller has tried it too, and sends no task that needs it.
        """
        keep_freed_memory()
        spec, device = description.spec, description.device
        torch.manual_seed(spec.seed)
        plan, loader = description.make_plan(spec), ImageLoader(description.loaders)
        scorer, _ = load_scorer(spec, device, description.timeout)
        cells, _ = make_cells(plan, load_models(spec, device, description.timeout), loader, device)
        return cls(description, cells, scorer, loader)

    def __reduce__(self) -> tuple[Callable[[WorkerDescription], ShardWorker], tuple[WorkerDescription]]:
        return type(self).load, (self.description,)

    def execute(self, tasks: Iterable[ShardTask]) -> Iterator[ShardDone]:
        """Return the result of each task, in order; images of the next shards are loaded meanwhile.

        A thread scores a task while the generator of the next one answers. The two share the cores: with all
        of them for each, they would wait for each other.
        """
        with _threads_of_each(2), ThreadPoolExecutor(1, "score") as thread:
            try:
                yield from _one_behind(self._begun(tasks, lambda call: thread.submit(call).result))
            finally:
                thread.shutdown(wait=False, cancel_futures=True)

    def _begun(self, tasks: Iterable[ShardTask], submit: Submit) -> Iterator[Result[ShardDone]]:
        """Yield the result of each task once its generator has answered, whether it is scored or not."""
        by_shard = groupby(tasks, key=lambda task: (task.dataset, task.shard))
        groups, ahead = tee(list(group) for _, group in by_shard)
        loaded_shards = load_ahead((self._edits(group[0]) for group in ahead), self.loader)
        for group in groups:
            stopwatch = Stopwatch()
            with stopwatch("load images"):
                loaded = next(loaded_shards)
            references = submit(partial(shard_references, loaded.edits, loaded.failures, self.scorer))
            for task in group:
                outputs = task.outputs or self._synthesize(task, loaded, stopwatch)
                scores = submit(partial(self._scores, task, outputs, references))
                yield partial(self._done, task, loaded, outputs, references, scores, stopwatch)
                stopwatch = Stopwatch()
            return_freed_memory()

    def failed(self, task: ShardTask, reason: str) -> ShardDone:
        """Return the result of a task that no worker can execute: each of its edits fails with the reason."""
        outputs = [Failure(reason) for _ in self._edits(task)]
        (done,) = self.execute([task._replace(outputs=outputs)])
        return done

    def _edits(self, task: ShardTask) -> Sequence[Edit]:
        return self._cell(task).dataset.shards[task.shard]

    def _scores(
        self, task: ShardTask, outputs: Sequence[Image | Failure], references: Result[References]
    ) -> ShardScores:
        return score_shard(outputs, references(), self.scorer.only(task.metrics))

    def _done(
        self,
        task: ShardTask,
        loaded: LoadedEdits,
        outputs: Sequence[Image | Failure],
        references: Result[References],
        scores: Result[ShardScores],
        stopwatch: Stopwatch,
    ) -> ShardDone:
        with stopwatch("score"):  # of scoring beside a generator only what is waited for
            scored = scores()
        return ShardDone(
            task=task._replace(outputs=None),
            outputs=None if task.outputs else outputs,
            answered=0 if task.outputs else len(outputs) - len(loaded.failures),
            rows=scored.rows.assign(generator=task.generator, dataset=task.dataset),
            features=scored.features,
            unscored=scored.unscored,
            reference_features=self._stored_features(references()),
            seconds=dict(stopwatch.seconds),
        )

    def _cell(self, task: ShardTask) -> Cell:
        return self.cells[task.generator, task.dataset]

    def _synthesize(
        self, task: ShardTask, loaded: LoadedEdits, stopwatch: Stopwatch
    ) -> list[Image | Failure]:
        """Return the output of each edit at the run's resolution; edits of unreadable sources fail."""
        usable = [edit for i, edit in enumerate(loaded.edits) if i not in loaded.failures]
        with stopwatch(f"{SYNTHESIZE}{task.generator}"):
            answers = iter(self._cell(task).synthesizer.answer(usable))
            outputs = [loaded.failures.get(i) or next(answers) for i in range(len(loaded.edits))]
            return at_size(loaded.edits, outputs, self.scorer.resolution, self.description.spec.upscale)

    def _stored_features(self, references: References) -> Mapping[str, NDArray[np.float32]]:
        """Return the features of real photos that levels of similarity and accuracies of judges rest on."""
        metrics = [
            m for m in self.scorer.image_metrics if isinstance(m, FaceSimilarity | ExpressionConsistency)
        ]
        return {
            f"{network.card.name}/{role}": references.features[network.card.name][role]
            for metric in metrics
            for network in metric.networks
            for role in metric.compared_with
            if network.card.name not in references.lost
        }


@contextmanager
def _threads_of_each(workers: int) -> Iterator[None]:
    """Divide the threads of PyTorch among ``workers`` threads that compute at the same time."""
    all_threads = torch.get_num_threads()
    torch.set_num_threads(max(1, all_threads // workers))
    try:
        yield
    finally:
        torch.set_num_threads(all_threads)


def _one_behind(results: Iterable[Result[T]]) -> Iterator[T]:
    """Yield each result after the next one was begun."""
    before: Result[T] | None = None
    for result in results:
        if before is not None:
            yield before()
        before = result
    if before is not None:
        yield before()
