"""The execution of a plan: load models and metrics, complete all shards, and gather the results."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fesbench.datasets.loading import ImageLoader

from ..core.device import check_device, device_description
from ..core.environment import commit, versions
from ..core.reasons import WITHOUT_OUTPUT, have_reason
from ..generators.registry import CHECKPOINT
from ..scoring.feature_cache import default_cache
from ..scoring.scorer import Scorer
from .execution.executor import Executor
from .execution.local import LocalExecutor
from .execution.progress import SYNTHESIZE, Listener, RecordedProgress, Stopwatch
from .execution.worker import ShardWorker, WorkerDescription
from .execution.writer import RunWriter
from .identities import check_identities, network_identities
from .independence import refuse_training_networks, refuse_training_subjects, unknown_independence
from .models import Cell, LoadedModels, load_models, load_scorer, make_cells
from .plan import DatasetPlan, Plan, dataset_records
from .scores.references import DomainReferences, domain_references
from .scores.rows import calibrations, ceilings, collect_scores, face_levels
from .scores.sets import SetResults, set_results
from .store.store import RunStore

log = logging.getLogger(__name__)


CONTROLS = ("truth", "copy")
"""Names of the suite's own controls."""


@dataclass(frozen=True)
class Finished:
    """The results of a run.

    ``unavailable`` names models and metrics that could not be used, and why; ``synthesis`` the ``seconds``
    and ``outputs`` of each generator that made any in this visit.
    """

    cells: Sequence[Cell]
    scores: pd.DataFrame
    sets: SetResults
    calibrations: list[dict[str, object]]
    levels: list[dict[str, object]]
    ceilings: list[dict[str, object]]
    independence: list[str]
    scorer: Scorer
    failed: int
    unavailable: dict[str, str]
    seconds: dict[str, float]
    synthesis: dict[str, dict[str, float]]


def run_plan(
    plan: Plan,
    store: RunStore,
    device: str,
    workers: int,
    listener: Listener,
    executor: Executor | None = None,
) -> Finished:
    """Do everything that the run does not hold yet, and gather the results.

    A model, metric or image that fails is recorded and stops nothing else.

    Args:
        plan: The work.
        store: The run, which the caller holds.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Receives progress.
        executor: Executes the tasks; None does so in this process.

    Raises:
        BenchError: the device cannot be used, or a metric is not independent of a model or a test subject.
    """
    check_device(device)
    torch.manual_seed(plan.spec.seed)
    stopwatch = Stopwatch()
    with stopwatch("load models"):
        scorer, unavailable = load_scorer(plan.spec, device)
        scorer = replace(scorer, cache=default_cache(device))
        refuse_training_subjects(scorer, plan.datasets)
        loaded = load_models(plan.spec, device)
        refuse_training_networks(scorer, [model.card for model in loaded.models.values()])
    networks = network_identities(scorer.networks)
    check_identities(networks, store)
    store.update_identities(networks)
    store.update_record(
        status="started",
        spec=plan.spec.model_dump(mode="json"),
        versions=versions(),
        code=commit(),
        device=device_description(device),
        datasets=dataset_records(plan),
        names=_names(store, loaded),
        checkpoints=_checkpoints(store),
    )
    with closing(ImageLoader(workers)) as loader:
        with stopwatch("fit"):
            cells, unfitted = make_cells(plan, loaded, loader, device)
        counts = RecordedProgress(store, sum(len(cell.dataset.edits) for cell in cells), listener)
        worker = ShardWorker(WorkerDescription(plan.spec, device), cells, scorer, loader)
        RunWriter(store, scorer, stopwatch, counts).complete(cells, executor or LocalExecutor(), worker)
        counts.write()
        with stopwatch("set metrics"):
            plans = {cell.dataset.name: cell.dataset for cell in cells}
            references = _references(plans.values(), scorer, loader)
            sets, fit = set_results(store.parts, cells, scorer, references), calibrations(scorer, references)
    scores = collect_scores(store.parts, cells)
    store.write_scores(scores)
    failed = store.write_failures(_of_models(scores, loaded))
    reasons = unavailable | loaded.unavailable | unfitted
    tested = list(plans.values())
    return Finished(
        cells=cells,
        scores=scores,
        sets=sets,
        calibrations=fit,
        levels=face_levels(store.parts, tested, scorer),
        ceilings=ceilings(store.parts, tested, scorer),
        independence=list(unknown_independence(scorer, tested, [cell.card for cell in cells])),
        scorer=scorer,
        failed=failed,
        unavailable=reasons,
        seconds=dict(stopwatch.seconds),
        synthesis=_synthesis(stopwatch),
    )


def _references(
    plans: Iterable[DatasetPlan], scorer: Scorer, loader: ImageLoader
) -> dict[str, dict[str, DomainReferences]]:
    """Return the reference images of each data set by name and domain; none without set metrics."""
    return {
        plan.name: domain_references(plan, scorer, loader) if scorer.set_metrics else {} for plan in plans
    }


def _synthesis(stopwatch: Stopwatch) -> dict[str, dict[str, float]]:
    return {
        name: {"seconds": stopwatch.seconds[f"{SYNTHESIZE}{name}"], "outputs": count}
        for name, count in stopwatch.outputs.items()
        if count
    }


def _names(store: RunStore, loaded: LoadedModels) -> dict[str, str]:
    """Return how each model was asked for to the name of its results, of models loaded now or before."""
    earlier = store.record.get("names", {})
    assert isinstance(earlier, dict)
    return earlier | {model_spec: name for name, model_spec in loaded.specs.items()}


def _checkpoints(store: RunStore) -> dict[str, str]:
    """Return how each model was asked for to the sha256 of the checkpoint that was given for it."""
    models = store.identities.get("models", {})
    return {name: parts[CHECKPOINT] for name, parts in models.items() if CHECKPOINT in parts}


def _of_models(scores: pd.DataFrame, loaded: LoadedModels) -> pd.DataFrame:
    """Return all rows except missing outputs of the controls, which are due to the data set."""
    controls = [name for name, model_spec in loaded.specs.items() if model_spec in CONTROLS]
    gaps = have_reason(scores["reason"], *WITHOUT_OUTPUT)
    return scores[~(scores["generator"].isin(controls) & gaps)]
