"""Runs a plan from its first image to its report."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

import pandas as pd
import torch

from fesbench.datasets.loading import ImageLoader

from ..core.contracts import FAILED
from ..core.device import check_device, device_description
from ..core.environment import commit, versions
from ..generators.controls import Truth
from ..generators.registry import CHECKPOINT
from ..metrics.registry import load_metrics
from ..scoring.feature_cache import default_cache
from ..scoring.scorer import Scorer
from .execution.local import Executor
from .execution.progress import SYNTHESIZE, Counts, Listener, Stopwatch
from .identities import check_identities, network_identities
from .independence import refuse_guides, refuse_known_subjects, unknown_independence
from .models import Cell, Roster, explain, load_roster, make_cell
from .plan import DatasetPlan, Plan, dataset_records
from .scores.references import DomainReferences, domain_references
from .scores.rows import calibrations, ceilings, collect_scores, face_levels
from .scores.sets import SetResults, set_results
from .store.store import RunStore

log = logging.getLogger(__name__)


CONTROLS = ("truth", "copy")
"""References of the suite's own controls."""


@dataclass(frozen=True)
class Finished:
    """What a run came to.

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


def run_plan(plan: Plan, store: RunStore, device: str, workers: int, listener: Listener) -> Finished:
    """Do everything that the run directory does not hold yet, and gather the results.

    The caller holds the store. Raises BenchError for what concerns the whole run; a failing model, metric
    or image is recorded and stops nothing else.
    """
    check_device(device)
    torch.manual_seed(plan.spec.seed)
    stopwatch = Stopwatch()
    with stopwatch("load models"):
        scorer, unavailable = load_scorer(plan, device)
        scorer = replace(scorer, cache=default_cache(device))
        refuse_known_subjects(scorer, plan.datasets)
        roster = load_roster(plan.spec, plan.spec.models, device)
        refuse_guides(scorer, [model.card for model in roster.models.values()])
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
        names=_names(store, roster),
        checkpoints=_checkpoints(store),
    )
    with closing(ImageLoader(workers)) as loader:
        with stopwatch("fit"):
            cells, unfitted = make_cells(plan, roster, loader, device)
        counts = Counts(store, sum(len(cell.dataset.edits) for cell in cells), listener)
        Executor(store, scorer, loader, stopwatch, counts).execute(cells)
        counts.write()
        with stopwatch("set metrics"):
            plans = {cell.dataset.name: cell.dataset for cell in cells}
            references = _references(plans.values(), scorer, loader)
            sets, fit = set_results(store, cells, scorer, references), calibrations(scorer, references)
    scores = collect_scores(store, cells)
    store.write_scores(scores)
    failed = store.write_failures(_of_models(scores, roster))
    reasons = unavailable | roster.unavailable | unfitted
    tested = list(plans.values())
    return Finished(
        cells=cells,
        scores=scores,
        sets=sets,
        calibrations=fit,
        levels=face_levels(store, tested, scorer),
        ceilings=ceilings(store, tested, scorer),
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
    """The references of every data set, by name and domain; none where no metric asks for them."""
    return {
        plan.name: domain_references(plan, scorer, loader) if scorer.set_metrics else {} for plan in plans
    }


def _synthesis(stopwatch: Stopwatch) -> dict[str, dict[str, float]]:
    return {
        name: {"seconds": stopwatch.seconds[f"{SYNTHESIZE}{name}"], "outputs": count}
        for name, count in stopwatch.outputs.items()
        if count
    }


def _names(store: RunStore, roster: Roster) -> dict[str, str]:
    """Model reference to the name under which its results lie, of models loaded now or before."""
    earlier = store.record.get("names", {})
    assert isinstance(earlier, dict)
    return earlier | {reference: name for name, reference in roster.references.items()}


def _checkpoints(store: RunStore) -> dict[str, str]:
    """Model reference to the sha256 of the checkpoint that was given for it."""
    models = store.identities.get("models", {})
    return {name: parts[CHECKPOINT] for name, parts in models.items() if CHECKPOINT in parts}


def _of_models(scores: pd.DataFrame, roster: Roster) -> pd.DataFrame:
    """All rows but gaps in the outputs of the suite's own controls, which are the data set's."""
    controls = [name for name, reference in roster.references.items() if reference in CONTROLS]
    gaps = scores["reason"].str.startswith(FAILED, na=False)
    return scores[~(scores["generator"].isin(controls) & gaps)]


def load_scorer(plan: Plan, device: str) -> tuple[Scorer, dict[str, str]]:
    """The metrics of a run that can be computed here, and why the others cannot."""
    metrics, unavailable = load_metrics(plan.spec.metrics, plan.spec.backend)
    return Scorer.of(metrics, plan.spec.resolution, device), dict(unavailable)


def make_cells(
    plan: Plan, roster: Roster, loader: ImageLoader, device: str
) -> tuple[list[Cell], dict[str, str]]:
    """Every generator on every data set, and why some could not be prepared."""
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
