"""What misaligned inputs do to the models of a finished run: some of its edits, moved and done again.

Everything lies in ``robustness/`` inside the run's folder, which is a run directory of its own: shards that
are there are not computed again. Reports of the run pick it up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
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
from fesbench.reports.run.publish import Published

from ..core.contracts import Dataset, Edit, Sample
from ..core.device import check_device
from ..core.errors import BenchError
from ..generators.external import FolderOutputs
from ..runs.execution.local import LocalExecutor
from ..runs.execution.progress import Listener, Stopwatch
from ..runs.execution.worker import ShardWorker, WorkerDescription
from ..runs.execution.writer import RunWriter
from ..runs.identities import check_identities, check_unchanged, identities, network_identities
from ..runs.models import LoadedModels, load_models, load_scorer, make_cells
from ..runs.plan import DatasetPlan, Plan, dataset_records, make_plan
from ..runs.scores.rows import collect_scores
from ..runs.spec import RunSpec
from ..runs.store.store import RunStore
from ..scoring.shards import concatenate
from ..statistics.breakdown import cells_by
from ..statistics.measures import OUTPUT, Measure


class PerturbedDataset(Dataset):
    """A few edits of a data set, each under every move.

    Args:
        base: The data set.
        edits: Its edits that are to be moved.
        resolution: The run's resolution, whose pixels shifts are measured in.
    """

    def __init__(self, base: Dataset, edits: Sequence[Edit], resolution: int) -> None:
        self.base, self.resolution = base, resolution
        self.name, self.split, self.expressions = base.name, base.split, base.expressions
        self._moved = [perturbed_edit(edit, move, resolution) for edit in edits for move in PERTURBATIONS]

    def samples(self) -> Sequence[Sample]:
        """The moved sources."""
        return list({edit.source.id: edit.source for edit in self._moved}.values())

    def edits(self) -> Sequence[Edit]:
        """All moves of one edit after the other."""
        return self._moved

    @property
    def digest(self) -> str:
        """sha256 of the digest of the base and of what was chosen and how it was moved."""
        content = repr((self.base.digest, self.resolution, [edit.id for edit in self._moved]))
        return hashlib.sha256(content.encode()).hexdigest()


def chosen(edits: Sequence[Edit], count: int, seed: int) -> list[Edit]:
    """About ``count`` edits in their order, as many of each domain, as many subjects as possible.

    The same at every call with this seed; every domain gives one at least.
    """
    domains = list(dict.fromkeys(edit.source.domain for edit in edits))
    share = -(-count // len(domains))
    picked = {edit.id for domain in domains for edit in _spread(edits, domain, share, seed)}
    return [edit for edit in edits if edit.id in picked]


def _spread(edits: Sequence[Edit], domain: str, count: int, seed: int) -> list[Edit]:
    """Edits of a domain, one of each subject before any gives a second."""
    own = {edit.id: edit for edit in edits if edit.source.domain == domain}
    taken: dict[str, int] = {}
    turns = {}
    for name in shuffled(own, seed):
        subject = own[name].source.subject
        turns[name] = taken[subject] = taken.get(subject, -1) + 1
    return [own[name] for name in sorted(turns, key=turns.__getitem__)[:count]]


def measure_robustness(
    published: Published, count: int, device: str, workers: int, listener: Listener
) -> int:
    """Answer and score moved edits with every model of a run that can answer anew; what is stored stays.

    Args:
        published: The finished run.
        count: Edits of each data set, spread over its domains.
        device: A torch device.
        workers: Processes that load images; 0 loads in this one.
        listener: Hears of progress.

    Returns:
        How many moved edits have no output.

    Raises:
        BenchError: the run's data or models changed, or its robustness was measured on other edits before.
    """
    check_device(device)
    run = published.store
    spec = run.recorded_spec()
    plan = make_plan(spec)
    check_unchanged(plan, run)
    found = identities(spec)
    check_identities(found, run, spec.checkpoints)
    scorer = load_scorer(spec, device)[0].of_images
    found |= network_identities(scorer.networks)
    check_identities(found, run)
    perturbed = _perturbed_plan(spec, count)
    store = run.inside(FOLDER)
    with store.writing(), closing(ImageLoader(workers)) as loader:
        _claim(store, perturbed, count)
        check_identities(found, store, spec.checkpoints)
        store.update_identities(found)
        cells, _ = make_cells(perturbed, _answering(spec, device), loader, device)
        description = WorkerDescription(spec, device, make_plan=partial(_perturbed_plan, count=count))
        worker = ShardWorker(description, cells, scorer, loader)
        RunWriter(store, scorer, Stopwatch(), listener).complete(cells, LocalExecutor(), worker)
        scores = collect_scores(store.parts, cells)
        store.write_scores(scores)
        store.update_record(status="complete")
    lost = (scores["metric"] == OUTPUT) & (scores["value"] == 0) & (scores["generator"] != "truth")
    return int(lost.sum())


def _perturbed_plan(spec: RunSpec, count: int) -> Plan:
    """The plan of a run with a few of its edits, perturbed, instead of all."""
    return Plan(spec, [_perturbed(item, count, spec) for item in make_plan(spec).datasets])


def _perturbed(plan: DatasetPlan, count: int, spec: RunSpec) -> DatasetPlan:
    few = chosen(plan.edits, count, spec.seed)
    return replace(plan, dataset=PerturbedDataset(plan.dataset, few, spec.resolution))


def _answering(spec: RunSpec, device: str) -> LoadedModels:
    """The models of a run but those whose answers are files."""
    loaded = load_models(spec, device)
    models = {name: model for name, model in loaded.models.items() if not isinstance(model, FolderOutputs)}
    return replace(loaded, models=models)


def _claim(store: RunStore, plan: Plan, count: int) -> None:
    """Say what the folder is for.

    Raises:
        BenchError: it holds the results of other edits.
    """
    recorded = store.record.get("edits", count)
    if recorded != count:
        raise BenchError(
            f"{store.location} was made with --edits {recorded}; give the same number, or remove that folder"
        )
    check_unchanged(plan, store)
    store.update_record(edits=count, datasets=dataset_records(plan))


FOLDER = "robustness"
"""Where it lies in a run's folder."""


KINDS: Mapping[Kind, str] = {"shift": "shift", "scale": "size", "turn": "rotation"}
"""The kinds of moves, in words."""


def read_robustness(run: RunStore, dataset: str) -> pd.DataFrame:
    """The rows of moved edits of one data set; none where they were not measured, or not to the end."""
    store = run.inside(FOLDER)
    if store.record.get("status") != "complete":
        return concatenate([])
    rows = store.read_scores()
    return rows[rows["dataset"] == dataset]


def cells_by_perturbation(rows: pd.DataFrame, measures: Mapping[str, Measure]) -> dict[Kind, pd.DataFrame]:
    """For each kind of move ``CELL_COLUMNS``, the move's label in the place of the domain.

    The least comes first, the aligned input among them; ``amount`` holds what the label says. Columns
    without any score are left out.

    Args:
        rows: What ``read_robustness`` gave.
        measures: Column id to measure, of the columns to summarise.
    """
    if rows.empty:
        return {}
    scored = set(rows.loc[rows["value"].notna(), "metric"])
    known = {name: measure for name, measure in measures.items() if name in scored}
    moves = rows["edit"].map(perturbation_of)
    return {kind: _cells(rows, moves, known, kind) for kind in KINDS}


def _cells(rows: pd.DataFrame, moves: pd.Series, known: Mapping[str, Measure], kind: Kind) -> pd.DataFrame:
    none = UNCHANGED[kind]
    amounts = {
        move.label: none if move == ALIGNED else move.amount for move in PERTURBATIONS if move.kind == kind
    }
    amounts |= {ALIGNED.label: none}
    labels = moves.map(lambda move: move.label)
    labelled = rows.assign(move=labels.where(labels.isin(list(amounts))))
    cells = cells_by(labelled, known, "move")
    return cells.assign(amount=cells["domain"].map(amounts)).sort_values("amount", kind="stable")
