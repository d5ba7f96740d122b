"""Measures how misaligned inputs change the scores of a finished run: some of its edits, perturbed.

The results lie in ``robustness/`` inside the run's folder, a run directory of its own; reports of the run
show them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial

import pandas as pd

from fesbench.datasets.loading import ImageLoader
from fesbench.datasets.perturbations import (
    ALIGNED,
    PERTURBATIONS,
    UNCHANGED,
    Kind,
    perturbation_of,
    perturbed_edit,
)
from fesbench.datasets.splits import shuffled

from ..core.contracts import Dataset, Edit, Sample
from ..core.device import check_device
from ..core.errors import BenchError
from ..generators.registry import OUTPUTS
from ..runs.execution.local import LocalExecutor
from ..runs.execution.progress import Stopwatch
from ..runs.execution.worker import ShardWorker, WorkerDescription
from ..runs.execution.writer import RunWriter
from ..runs.identities import check_identities, check_unchanged, identities, network_identities
from ..runs.models import load_models, load_scorer, make_cells
from ..runs.plan import DatasetPlan, Plan, dataset_records, make_plan
from ..runs.progress import Listener
from ..runs.results import RunResults
from ..runs.scores.rows import collect_scores
from ..runs.spec import RunSpec
from ..runs.store.store import RunStore
from ..scoring.score_rows import concatenate
from ..statistics.breakdown import cells_by
from ..statistics.measures import OUTPUT, Measure


class PerturbedDataset(Dataset):
    """A few edits of a data set, each under every perturbation.

    Args:
        base: The data set.
        edits: Its edits to perturb.
        resolution: The run's resolution, whose pixels shifts are measured in.
    """

    def __init__(self, base: Dataset, edits: Sequence[Edit], resolution: int) -> None:
        self.base, self.resolution = base, resolution
        self.name, self.split, self.expressions = base.name, base.split, base.expressions
        self._perturbed = [
            perturbed_edit(edit, perturbation, resolution) for edit in edits for perturbation in PERTURBATIONS
        ]

    def samples(self) -> Sequence[Sample]:
        """Return the perturbed sources."""
        return list({edit.source.id: edit.source for edit in self._perturbed}.values())

    def edits(self) -> Sequence[Edit]:
        """Return all perturbations of one edit after the other."""
        return self._perturbed

    @property
    def digest(self) -> str:
        """sha256 of the digest of the base, the edits and their perturbations."""
        content = repr((self.base.digest, self.resolution, [edit.id for edit in self._perturbed]))
        return hashlib.sha256(content.encode()).hexdigest()


def chosen(edits: Sequence[Edit], count: int, seed: int) -> list[Edit]:
    """Return about ``count`` edits in their order, as many of each domain, as many subjects as possible.

    The same at every call with this seed; every domain gives one at least.
    """
    domains = list(dict.fromkeys(edit.source.domain for edit in edits))
    share = -(-count // len(domains))
    picked = {edit.id for domain in domains for edit in _spread(edits, domain, share, seed)}
    return [edit for edit in edits if edit.id in picked]


def _spread(edits: Sequence[Edit], domain: str, count: int, seed: int) -> list[Edit]:
    """Return edits of a domain, one of each subject before any gives a second."""
    own = {edit.id: edit for edit in edits if edit.source.domain == domain}
    taken: dict[str, int] = {}
    turns = {}
    for name in shuffled(own, seed):
        subject = own[name].source.subject
        turns[name] = taken[subject] = taken.get(subject, -1) + 1
    return [own[name] for name in sorted(turns, key=turns.__getitem__)[:count]]


def refused_models(spec: RunSpec, allowed: Collection[str]) -> list[str]:
    """Return the models of a run whose files of code nobody allowed to run here."""
    return [name for name in spec.models if ".py:" in name and name not in allowed]


def measure_robustness(
    results: RunResults,
    count: int,
    device: str,
    workers: int,
    listener: Listener,
    allowed: Collection[str] = (),
) -> int:
    """Answer and score perturbed edits with every model of a run that computes its outputs.

    Shards that are stored are not computed again.

    Args:
        results: The finished run.
        count: Edits of each data set, spread over its domains.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Is told of each shard that is done.
        allowed: The models in files of code, as the run names them, that may be run: a run may come from
            anyone. Others take no part.

    Returns:
        How many perturbed edits have no output; gaps of the suite's own controls are the data set's and are
        not counted.

    Raises:
        BenchError: the run's data or models changed, or its robustness was measured on other edits before.
    """
    check_device(device)
    run, spec = results.store, results.spec
    check_unchanged(make_plan(spec), run)
    found = identities(spec)
    check_identities(found, run, spec.checkpoints)
    scorer = load_scorer(spec, device)[0].of_images
    found = found.updated(network_identities(scorer.networks))
    check_identities(found, run)
    perturbed = _perturbed_plan(spec, count)
    store = run.inside(FOLDER)
    with store.writing(), closing(ImageLoader(workers)) as loader:
        _claim(store, perturbed, count)
        check_identities(found, store, spec.checkpoints)
        store.update_identities(found)
        computing = _computing(spec, allowed)
        with closing(load_models(computing, device)) as loaded:
            cells, _ = make_cells(perturbed, loaded, loader, device)
            description = WorkerDescription(
                computing, device, make_plan=partial(_perturbed_plan, count=count)
            )
            worker = ShardWorker(description, cells, scorer, loader)
            RunWriter(store, scorer, Stopwatch(), listener).complete(cells, LocalExecutor(), worker)
        scores = collect_scores(store.parts, cells)
        store.write_scores(scores)
        store.update_record(status="complete")
    lost = (scores["metric"] == OUTPUT) & (scores["value"] == 0) & ~scores["generator"].isin(loaded.controls)
    return int(lost.sum())


def _perturbed_plan(spec: RunSpec, count: int) -> Plan:
    """Return the plan of a run with a few of its edits, perturbed, instead of all."""
    return Plan(spec, [_perturbed(item, count, spec) for item in make_plan(spec).datasets])


def _perturbed(plan: DatasetPlan, count: int, spec: RunSpec) -> DatasetPlan:
    few = chosen(plan.edits, count, spec.seed)
    return replace(plan, dataset=PerturbedDataset(plan.dataset, few, spec.resolution))


def _computing(spec: RunSpec, allowed: Collection[str]) -> RunSpec:
    """Return the specification of a run without models whose outputs are files, and without refused ones.

    Raises:
        BenchError: no other model is left.
    """
    refused = refused_models(spec, allowed)
    models = tuple(n for n in spec.models if not n.startswith(OUTPUTS) and n not in refused)
    if not models:
        raise BenchError(
            "no model of this run may answer perturbed inputs: its outputs are files, or it is code that "
            "must be allowed by --model"
        )
    return spec.model_copy(update={"models": models})


def _claim(store: RunStore, plan: Plan, count: int) -> None:
    """Record what the folder is for.

    Raises:
        BenchError: it holds the results of other edits.
    """
    recorded = store.record.edits
    if recorded not in (None, count):
        raise BenchError(
            f"{store.location} was made with --edits {recorded}; give the same number, or remove that folder"
        )
    check_unchanged(plan, store)
    store.update_record(edits=count, datasets=dataset_records(plan))


FOLDER = "robustness"
"""The folder of perturbed edits inside a run's folder."""


KINDS: Mapping[Kind, str] = {"shift": "shift", "scale": "size", "turn": "rotation"}
"""The kinds of perturbations, in words."""


def read_robustness(run: RunStore, dataset: str) -> pd.DataFrame:
    """Return the rows of perturbed edits of one data set; none where they were not measured to the end."""
    store = run.inside(FOLDER)
    if store.record.status != "complete":
        return concatenate([])
    rows = store.read_scores()
    return rows[rows["dataset"] == dataset]


def cells_by_perturbation(rows: pd.DataFrame, measures: Mapping[str, Measure]) -> dict[Kind, pd.DataFrame]:
    """Return for each kind of perturbation ``CELL_COLUMNS``, its label in the place of the domain.

    The smallest comes first, the aligned input among them; ``amount`` is the number in the label. Columns
    without any score are left out.

    Args:
        rows: The return value of ``read_robustness``.
        measures: Column id to measure, of the columns to summarise.
    """
    if rows.empty:
        return {}
    scored = set(rows.loc[rows["value"].notna(), "metric"])
    known = {name: measure for name, measure in measures.items() if name in scored}
    return {kind: _cells(rows, known, kind) for kind in KINDS}


def _cells(rows: pd.DataFrame, measures: Mapping[str, Measure], kind: Kind) -> pd.DataFrame:
    amounts = {item.label: item.amount for item in PERTURBATIONS if item.kind == kind}
    amounts |= {ALIGNED.label: UNCHANGED[kind]}
    labels = rows["edit"].map(lambda edit: perturbation_of(edit).label)
    labelled = rows.assign(perturbation=labels.where(labels.isin(list(amounts))))
    cells = cells_by(labelled, measures, "perturbation")
    return cells.assign(amount=cells["domain"].map(amounts)).sort_values("amount", kind="stable")
