"""The execution of a plan: load models and metrics, complete all shards, and gather the results."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial

import pandas as pd
import torch

from fesbench.datasets.loading import ImageLoader
from fesbench.datasets.workers import beside

from ..core.allocator import keep_freed_memory
from ..core.device import check_device, device_description
from ..core.environment import commit, versions
from ..core.errors import BenchError, SpecError, WeightsMissing
from ..core.host_process import TIMEOUT
from ..core.reasons import WITHOUT_OUTPUT, Reason, have_reason
from ..generators.registry import CHECKPOINT
from ..scoring.feature_cache import default_cache
from ..scoring.score_tables import MOST_ROWS
from ..scoring.scorer import Scorer
from ..statistics.measures import OUTPUT
from ..statistics.summary import image_results
from .execution.executor import Executor
from .execution.local import LocalExecutor
from .execution.progress import FIT, SYNTHESIZE, RecordedProgress, Stopwatch
from .execution.worker import ShardWorker, WorkerDescription
from .execution.writer import RunWriter
from .identities import check_identities, network_identities
from .independence import refuse_training_networks, refuse_training_subjects, unknown_independence
from .models import Cell, LoadedModels, load_models, load_scorer, make_cells
from .plan import Plan, dataset_records
from .progress import Listener
from .repeatability import repeatability
from .scores.rows import calibrations, ceilings, collect_scores, face_levels
from .scores.sets import set_results
from .scores.summary import references_of, summary_of
from .store.records import (
    CodeRecord,
    DeviceRecord,
    MetricRecord,
    ModelRecord,
    NetworkRecord,
    OutputForm,
    OutputsRecord,
    RunRecord,
    SynthesisRecord,
)
from .store.store import RunStore

log = logging.getLogger(__name__)

MOST_FILES = 50_000
"""A run of more outputs keeps them in shards, unless it is told otherwise."""

MOST_COPIED = 2_000_000
"""Rows of scores that a process beside this one may sum; it needs a copy of them, of 200 bytes each."""


@dataclass(frozen=True)
class Loaded:
    """The metrics and models of a run that can be used, and why other metrics cannot.

    ``stopwatch`` is that of the run; it counts the loading already.
    """

    scorer: Scorer
    models: LoadedModels
    unavailable: dict[str, str]
    stopwatch: Stopwatch


def load(plan: Plan, device: str, timeout: float = TIMEOUT) -> Loaded:
    """Load what a run computes with, before anything is written. Close its models after use.

    Raises:
        WeightsMissing: no metric can be computed here.
        BenchError: the device cannot be used, no model can be loaded, a metric is not independent of a
            model or a test subject, or there would be more scores than can be summed.
    """
    check_device(device)
    torch.manual_seed(plan.spec.seed)
    stopwatch = Stopwatch()
    with stopwatch("load models"):
        scorer, unavailable = load_scorer(plan.spec, device, timeout)
        if not scorer.cards:
            raise WeightsMissing(f"no metric can be computed here: {'; '.join(unavailable.values())}")
        scorer = replace(scorer, cache=default_cache(device))
        _check_rows(plan, scorer)
        refuse_training_subjects(scorer, plan.datasets)
        models = load_models(plan.spec, device, timeout)
        if not models.models:
            reasons = (f"{name}: {reason}" for name, reason in models.unavailable.items())
            raise BenchError(f"no model can be used: {'; '.join(reasons)}")
        try:
            refuse_training_networks(scorer, [model.card for model in models.models.values()])
        except SpecError:
            models.close()
            raise
    return Loaded(scorer, models, unavailable, stopwatch)


def _check_rows(plan: Plan, scorer: Scorer) -> None:
    """Check, before anything is computed, that the scores of the whole run can be summed at its end.

    Raises:
        SpecError: they cannot.
    """
    models, edits = len(plan.spec.models), sum(len(item.edits) for item in plan.datasets)
    columns = 1 + sum(len(metric.card.column_names) for metric in scorer.image_metrics)
    if models * edits * columns > MOST_ROWS:
        raise SpecError(
            f"{models:,} models, {edits:,} edits and {columns} scores of each output are "
            f"{models * edits * columns:,} scores, and a run can sum {MOST_ROWS:,}; make several runs, each "
            "of some of the models, data sets or metrics, or ask for fewer edits with --limit"
        )


def run_plan(
    plan: Plan,
    store: RunStore,
    device: str,
    workers: int,
    listener: Listener,
    executor: Executor | None = None,
    loaded: Loaded | None = None,
    timeout: float = TIMEOUT,
    output_form: OutputForm | None = None,
) -> None:
    """Compute everything that the run does not hold yet, and write scores, summary and record.

    A model, metric or image that fails is recorded and stops nothing else. The caller calls ``finish`` when
    everything that is made of the results is written.

    Args:
        plan: The work.
        store: The run, which the caller holds.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Receives progress.
        executor: Executes the tasks; None does so in this process.
        loaded: What ``load`` returned; None loads it now. Its models are closed at the end.
        timeout: Seconds that a model or metric with a process of its own may take for a batch.
        output_form: How to keep outputs; None as ``chosen_form`` says.

    Raises:
        BenchError: as for ``load``, or for ``chosen_form``.
    """
    keep_freed_memory()
    form = chosen_form(plan, store.record, output_form)
    loaded = loaded or load(plan, device, timeout)
    for name, error in loaded.models.errors.items():
        log.warning("%s cannot be loaded", name, exc_info=error)
    with closing(loaded.models):
        _begin(plan, store, loaded, device, form)
        _run(plan, store, loaded, device, workers, listener, executor or LocalExecutor(), timeout)


def chosen_form(plan: Plan, record: RunRecord, asked: OutputForm | None) -> OutputForm:
    """Return how a run keeps its outputs: as it began, else as asked, else in shards where there are many.

    Raises:
        SpecError: it began in another form than is asked for.
    """
    begun = bool(record.models) or record.counts is not None
    if begun and asked not in (None, record.output_form):
        raise SpecError(
            f"this run keeps its outputs in {record.output_form}; leave --outputs out, or choose another "
            "folder with --out"
        )
    if begun:
        return record.output_form
    outputs = len(plan.spec.models) * sum(len(item.edits) for item in plan.datasets)
    return asked or ("shards" if outputs > MOST_FILES else "files")


def _run(
    plan: Plan,
    store: RunStore,
    loaded: Loaded,
    device: str,
    workers: int,
    listener: Listener,
    executor: Executor,
    timeout: float,
) -> None:
    """Compute and write with loaded metrics and models; see ``run_plan``."""
    stopwatch = loaded.stopwatch
    scorer = loaded.scorer
    with closing(ImageLoader(workers)) as loader:
        listener.stage("prepare models", len(plan.datasets) * len(loaded.models.models))
        preparing = partial(_preparing, listener, stopwatch)
        cells, unfitted = make_cells(plan, loaded.models, loader, device, preparing)
        _record_fits(plan, store, cells)
        progress = RecordedProgress(store, sum(cell.dataset.own_edits for cell in cells), listener)
        worker = ShardWorker(WorkerDescription(plan.spec, device, timeout=timeout), cells, scorer, loader)
        in_shards = store.record.output_form == "shards"
        RunWriter(store, scorer, stopwatch, progress, in_shards).complete(cells, executor, worker)
        progress.write()
        unavailable = loaded.unavailable | loaded.models.unavailable | unfitted
        varying = repeatability(store, cells, loader)
        store.update_record(unavailable=unavailable, **({"varying": varying} if varying else {}))
        if plan.spec.part:
            conclude_part(store, scorer, cells, stopwatch)
        else:
            conclude_run(store, scorer, cells, loader, listener, stopwatch)


def conclude_run(
    store: RunStore,
    scorer: Scorer,
    cells: Sequence[Cell],
    loader: ImageLoader,
    listener: Listener,
    stopwatch: Stopwatch,
) -> None:
    """Write scores, summary and record of a run whose shards are complete.

    Args:
        store: The run, which the caller holds.
        scorer: The metrics of the run.
        cells: The generators on their data sets; they are asked for nothing more.
        loader: Loads the reference images of set metrics.
        listener: Receives progress.
        stopwatch: Receives the time of each stage, and holds that of earlier ones.

    Raises:
        BenchError: the rows of a shard are missing or damaged.
    """
    scores = collect_scores(store.parts, cells)
    parallel = loader.parallel and len(scores) <= MOST_COPIED
    with beside(partial(image_results, scores, scorer.cards), parallel) as images:
        with stopwatch("set metrics"):
            plans = {cell.dataset.name: cell.dataset for cell in cells}
            references = references_of(plans.values(), scorer, loader, listener)
            sets = set_results(store.parts, cells, scorer, references, listener)
            calibrated = calibrations(scorer, references, listener)
        listener.stage("intervals and comparisons")
        summary = summary_of(images(), scores, sets, calibrated, cells)
    store.write_scores(scores)
    store.write_summary(summary.to_json())
    store.update_record(
        calibrations=calibrated,
        unscored=_unscored(scores, sets.scores),
        **_counts(store, scores, stopwatch),
        **_cards(scorer, cells),
        **_of_real_images(store, scorer, cells),
    )


def conclude_part(store: RunStore, scorer: Scorer, cells: Sequence[Cell], stopwatch: Stopwatch) -> None:
    """Write the record of a part of a run; scores and a summary exist once all parts are merged.

    Arguments and errors are those of ``conclude_run``.
    """
    scores = collect_scores(store.parts, cells)
    store.update_record(
        unscored=_unscored(scores),
        **_counts(store, scores, stopwatch),
        **_cards(scorer, cells),
    )


@contextmanager
def _preparing(listener: Listener, stopwatch: Stopwatch, cell: str) -> Iterator[None]:
    """Tell the listener what is prepared, and measure how long that takes."""
    listener.step(cell)
    with stopwatch(f"{FIT}{cell}"):
        yield


def _begin(plan: Plan, store: RunStore, loaded: Loaded, device: str, form: OutputForm) -> None:
    """Check the networks against earlier results, and record what the run is made with."""
    networks = network_identities(loaded.scorer.networks)
    check_identities(networks, store)
    store.update_identities(networks)
    names = {model_spec: name for name, model_spec in loaded.models.specs.items()}
    store.update_record(
        status="started",
        spec=plan.spec,
        versions=versions(),
        code=CodeRecord.model_validate(commit()),
        device=DeviceRecord.model_validate(device_description(device)),
        datasets=dataset_records(plan),
        names=store.record.names | names,
        checkpoints=_checkpoints(store),
        **({"output_form": form} if form != "files" else {}),
    )


def _counts(store: RunStore, scores: pd.DataFrame, stopwatch: Stopwatch) -> dict[str, object]:
    """Return what is recorded of outputs and of the time that they took, and list the missing ones."""
    return {
        "failed": store.write_failures(_of_models(scores, store.record.controls)),
        "outputs": _output_records(scores),
        "seconds": dict(stopwatch.seconds),
        "synthesis": store.record.synthesis | _synthesis(stopwatch),
    }


def _cards(scorer: Scorer, cells: Sequence[Cell]) -> dict[str, object]:
    """Return what is recorded of models, metrics and networks."""
    return {
        "models": _model_records(cells),
        "metrics": {card.id: MetricRecord.of(card) for card in scorer.cards},
        "networks": {name: NetworkRecord(**card) for name, card in scorer.network_records().items()},
    }


def _of_real_images(store: RunStore, scorer: Scorer, cells: Sequence[Cell]) -> dict[str, object]:
    """Return what is recorded of what the metrics make of real images."""
    tested = list({cell.dataset.name: cell.dataset for cell in cells}.values())
    return {
        "face_levels": face_levels(store.parts, tested, scorer),
        "ceilings": ceilings(store.parts, tested, scorer),
        "independence": list(unknown_independence(scorer, tested, [cell.card for cell in cells])),
    }


def finish(store: RunStore) -> None:
    """Mark a run whose results are written as finished, and list the digests of its files."""
    store.update_record(status="complete" if store.record.went_well else "partial")
    store.write_digests()


def _model_records(cells: Sequence[Cell]) -> dict[str, dict[str, ModelRecord]]:
    """Return generator to data set to record: a card can differ by what was fitted on."""
    records: dict[str, dict[str, ModelRecord]] = {}
    for cell in cells:
        entry = ModelRecord(card=cell.card, block=cell.block)
        records.setdefault(cell.card.name, {})[cell.dataset.name] = entry
    return records


def _record_fits(plan: Plan, store: RunStore, cells: Sequence[Cell]) -> None:
    """Record the sha256 of the fits of closed-form models.

    Raises:
        BenchError: a part of a run has scores of another fit.
    """
    earlier, found = store.record.fits, {name: dict(of) for name, of in store.record.fits.items()}
    for cell in cells:
        name, dataset = cell.card.name, cell.dataset.name
        before = earlier.get(name, {}).get(dataset, cell.fits)
        if plan.spec.part and before != cell.fits and store.parts.any_scored(generator=name):
            raise BenchError(
                f"the fit of {name} on {dataset} is another one than that of the scores in {store.location}; "
                "restore the cache in FESBENCH_HOME, or choose another folder with --out"
            )
        if cell.fits:
            found.setdefault(name, {})[dataset] = cell.fits
    if found != earlier:
        store.update_record(fits=found)


def _unscored(scores: pd.DataFrame, *set_scores: pd.DataFrame) -> int:
    """Return how many scores are missing because a metric failed: of outputs, and of sets."""
    keys = ["generator", "dataset", "edit", "reason"]
    frames = scores[keys].drop_duplicates(), *set_scores
    return sum(int(have_reason(frame["reason"], Reason.UNSCORED).sum()) for frame in frames)


def _output_records(scores: pd.DataFrame) -> dict[str, dict[str, OutputsRecord]]:
    """Return data set to generator to how many edits it was asked for, and how many it answered."""
    records: dict[str, dict[str, OutputsRecord]] = {}
    rows = scores[scores["metric"] == OUTPUT]
    for (dataset, generator), answered in rows.groupby(["dataset", "generator"])["value"]:
        entry = OutputsRecord(asked=len(answered), answered=int(answered.sum()))
        records.setdefault(str(dataset), {})[str(generator)] = entry
    return records


def _synthesis(stopwatch: Stopwatch) -> dict[str, SynthesisRecord]:
    return {
        name: SynthesisRecord(seconds=stopwatch.seconds[f"{SYNTHESIZE}{name}"], outputs=count)
        for name, count in stopwatch.outputs.items()
        if count
    }


def _checkpoints(store: RunStore) -> dict[str, str]:
    """Return how each model was asked for to the sha256 of the checkpoint that was given for it."""
    models = store.identities.models
    return {name: parts[CHECKPOINT] for name, parts in models.items() if CHECKPOINT in parts}


def _of_models(scores: pd.DataFrame, controls: Collection[str]) -> pd.DataFrame:
    """Return all rows except missing outputs of the controls, which are due to the data set."""
    gaps = have_reason(scores["reason"], *WITHOUT_OUTPUT)
    return scores[~(scores["generator"].isin(controls) & gaps)]
