"""Runs a plan from its first image to its report."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fesbench.datasets.loading import ImageLoader

from ..core.contracts import FAILED, MetricCard
from ..core.device import check_device, device_description
from ..core.environment import commit, versions
from ..core.files import write_text
from ..generators.controls import Truth
from ..generators.registry import CHECKPOINT
from ..metrics.registry import load_metrics
from ..scoring.feature_cache import default_cache
from ..scoring.scorer import Scorer
from ..statistics.measures import OUTPUT, UNSCORED
from ..statistics.summary import summarise
from .execution.local import Executor
from .execution.progress import SYNTHESIZE, Counts, Listener, Stopwatch
from .identities import check_identities, network_identities
from .independence import refuse_guides, refuse_known_subjects, unknown_independence
from .models import Cell, Roster, explain, load_roster, make_cell
from .plan import DatasetPlan, Plan, dataset_records
from .scores.references import DomainReferences, domain_references
from .scores.rows import calibrations, ceilings, collect_scores, face_levels
from .scores.sets import SetResults, set_results
from .store.records import (
    CalibrationRecord,
    CodeRecord,
    DeviceRecord,
    MetricRecord,
    ModelRecord,
    NetworkRecord,
    OutputsRecord,
    SynthesisRecord,
)
from .store.store import RunStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Loaded:
    """The metrics and models of a run that can be used, and why others cannot."""

    scorer: Scorer
    roster: Roster
    unavailable: dict[str, str]


def run_plan(plan: Plan, store: RunStore, device: str, workers: int, listener: Listener) -> None:
    """Do everything that the run directory does not hold yet, and write scores, summary and record.

    The caller holds the store, and calls ``finish`` when everything that is made of the results is written.

    Raises:
        BenchError: something that concerns the whole run; a failing model, metric or image is recorded and
            stops nothing else.
    """
    check_device(device)
    torch.manual_seed(plan.spec.seed)
    stopwatch = Stopwatch()
    with stopwatch("load models"):
        loaded = _load(plan, device)
    _begin(plan, store, loaded, device)
    with closing(ImageLoader(workers)) as loader:
        with stopwatch("fit"):
            cells, unfitted = make_cells(plan, loaded.roster, loader, device)
        counts = Counts(store, sum(len(cell.dataset.edits) for cell in cells), listener)
        Executor(store, loaded.scorer, loader, stopwatch, counts).execute(cells)
        counts.write()
        with stopwatch("set metrics"):
            plans = {cell.dataset.name: cell.dataset for cell in cells}
            references = _references(plans.values(), loaded.scorer, loader)
            sets = set_results(store, cells, loaded.scorer, references)
            calibrated = calibrations(loaded.scorer, references)
    scores = collect_scores(store, cells)
    store.write_scores(scores)
    _write_summary(store, scores, sets, calibrated, loaded.scorer.cards, cells)
    store.update_record(
        calibrations=calibrated,
        failed=store.write_failures(_of_models(scores, loaded.roster)),
        unscored=_unscored(scores, sets.scores),
        outputs=_output_records(scores),
        unavailable=loaded.unavailable | loaded.roster.unavailable | unfitted,
        seconds=dict(stopwatch.seconds),
        synthesis=store.record.synthesis | _synthesis(stopwatch),
        **_cards(store, loaded.scorer, cells),
    )


def _load(plan: Plan, device: str) -> _Loaded:
    """Load metrics and models; refuse networks that learned from test subjects or that guided a model."""
    scorer, unavailable = load_scorer(plan, device)
    scorer = replace(scorer, cache=default_cache(device))
    refuse_known_subjects(scorer, plan.datasets)
    roster = load_roster(plan.spec, plan.spec.models, device)
    refuse_guides(scorer, [model.card for model in roster.models.values()])
    return _Loaded(scorer, roster, unavailable)


def _begin(plan: Plan, store: RunStore, loaded: _Loaded, device: str) -> None:
    """Check the networks against earlier results, and record what the run is made with."""
    networks = network_identities(loaded.scorer.networks)
    check_identities(networks, store)
    store.update_identities(networks)
    names = {reference: name for name, reference in loaded.roster.references.items()}
    store.update_record(
        status="started",
        spec=plan.spec,
        versions=versions(),
        code=CodeRecord.model_validate(commit()),
        device=DeviceRecord.model_validate(device_description(device)),
        datasets=dataset_records(plan),
        names=store.record.names | names,
        checkpoints=_checkpoints(store),
    )


def _cards(store: RunStore, scorer: Scorer, cells: Sequence[Cell]) -> dict[str, object]:
    """Return what is recorded of models, metrics and networks, and of what they make of real images."""
    tested = list({cell.dataset.name: cell.dataset for cell in cells}.values())
    return {
        "models": _model_records(cells),
        "metrics": {card.id: MetricRecord.of(card) for card in scorer.cards},
        "networks": {name: NetworkRecord(**card) for name, card in scorer.network_records().items()},
        "face_levels": face_levels(store, tested, scorer),
        "ceilings": ceilings(store, tested, scorer),
        "independence": list(unknown_independence(scorer, tested, [cell.card for cell in cells])),
    }


def finish(store: RunStore) -> None:
    """Mark a run whose results are written as finished, and list the digests of its files."""
    store.update_record(status="complete" if store.record.went_well else "partial")
    store.write_digests()


def _write_summary(
    store: RunStore,
    scores: pd.DataFrame,
    sets: SetResults,
    calibrated: Sequence[CalibrationRecord],
    cards: Sequence[MetricCard],
    cells: Sequence[Cell],
) -> None:
    blocks = {(cell.card.name, cell.dataset.name): cell.block for cell in cells}
    unfit = [(item.dataset, item.domain, item.metric) for item in calibrated if not item.fit_to_rank]
    summary = summarise(scores, sets.scores, cards, blocks, unfit=unfit, set_differences=sets.differences)
    write_text(store.folder / "summary.json", summary.to_json())


def _model_records(cells: Sequence[Cell]) -> dict[str, dict[str, ModelRecord]]:
    """Return generator to data set to record: a card can differ by what was fitted on."""
    records: dict[str, dict[str, ModelRecord]] = {}
    for cell in cells:
        entry = ModelRecord(card=cell.card, block=cell.block)
        records.setdefault(cell.card.name, {})[cell.dataset.name] = entry
    return records


def _unscored(scores: pd.DataFrame, set_scores: pd.DataFrame) -> int:
    """Return how many scores are missing because a metric failed: of outputs, and of sets."""
    keys = ["generator", "dataset", "edit", "reason"]
    frames = scores[keys].drop_duplicates(), set_scores
    return sum(int(frame["reason"].str.startswith(UNSCORED, na=False).sum()) for frame in frames)


def _output_records(scores: pd.DataFrame) -> dict[str, dict[str, OutputsRecord]]:
    """Return data set to generator to how many edits it was asked for, and how many it answered."""
    records: dict[str, dict[str, OutputsRecord]] = {}
    rows = scores[scores["metric"] == OUTPUT]
    for (dataset, generator), answered in rows.groupby(["dataset", "generator"])["value"]:
        entry = OutputsRecord(asked=len(answered), answered=int(answered.sum()))
        records.setdefault(str(dataset), {})[str(generator)] = entry
    return records


def _references(
    plans: Iterable[DatasetPlan], scorer: Scorer, loader: ImageLoader
) -> dict[str, dict[str, DomainReferences]]:
    """The references of every data set, by name and domain; none where no metric asks for them."""
    return {
        plan.name: domain_references(plan, scorer, loader) if scorer.set_metrics else {} for plan in plans
    }


def _synthesis(stopwatch: Stopwatch) -> dict[str, SynthesisRecord]:
    return {
        name: SynthesisRecord(seconds=stopwatch.seconds[f"{SYNTHESIZE}{name}"], outputs=count)
        for name, count in stopwatch.outputs.items()
        if count
    }


def _checkpoints(store: RunStore) -> dict[str, str]:
    """Return model reference to the sha256 of the checkpoint that was given for it."""
    models = store.identities.models
    return {name: parts[CHECKPOINT] for name, parts in models.items() if CHECKPOINT in parts}


def _of_models(scores: pd.DataFrame, roster: Roster) -> pd.DataFrame:
    """Return all rows but gaps in the outputs of the suite's own controls, which are the data set's."""
    gaps = scores["reason"].str.startswith(FAILED, na=False)
    return scores[~(scores["generator"].isin(roster.controls) & gaps)]


def load_scorer(plan: Plan, device: str) -> tuple[Scorer, dict[str, str]]:
    """Return the metrics of a run that can be computed here, and why the others cannot."""
    metrics, unavailable = load_metrics(plan.spec.metrics, plan.spec.backend)
    return Scorer.of(metrics, plan.spec.resolution, device), dict(unavailable)


def make_cells(
    plan: Plan, roster: Roster, loader: ImageLoader, device: str
) -> tuple[list[Cell], dict[str, str]]:
    """Return every generator on every data set, and why some could not be prepared."""
    cells: list[Cell] = []
    unfitted: dict[str, str] = {}
    for item in plan.datasets:
        for name, model in roster.models.items():
            if isinstance(model, Truth) and not any(edit.truth for edit in item.edits):
                continue
            try:
                cells.append(make_cell(model, roster.references[name], item, plan.spec, loader, device))
            except Exception as error:
                unfitted[f"{name} on {item.name}"] = explain(error)
                log.warning("%s on %s", name, item.name, exc_info=error)
    return cells, unfitted
