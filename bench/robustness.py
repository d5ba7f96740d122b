"""What misaligned inputs do to the models of a finished run: some of its edits, moved and done again.

Everything lies in ``robustness/`` inside the run's folder, which is a run directory of its own: shards that
are there are not computed again. Reports of the run pick it up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from fesbench.baselines.external import FolderOutputs
from fesbench.datasets.moves import MOVES, moved_edit
from fesbench.datasets.splits import shuffled

from .contracts import Dataset, Edit, Sample
from .errors import BenchError
from .execute.cells import Roster, load_roster
from .execute.loading import ImageLoader
from .execute.local import Executor, Listener, Stopwatch
from .plan import DatasetPlan, Plan, dataset_records, make_plan
from .provenance import check_identities, identities, network_identities
from .reporting.publish import Published
from .reporting.robustness import FOLDER
from .results import collect_scores
from .runner import check_device, load_scorer, make_cells
from .session import check_unchanged
from .spec import RunSpec, validate
from .statistics.measures import OUTPUT
from .store import RunStore


class MovedDataset(Dataset):
    """A few edits of a data set, each under every move.

    Args:
        base: The data set.
        edits: Its edits that are to be moved.
        resolution: The run's resolution, whose pixels shifts are measured in.
    """

    def __init__(self, base: Dataset, edits: Sequence[Edit], resolution: int) -> None:
        self.base, self.resolution = base, resolution
        self.name, self.split, self.expressions = base.name, base.split, base.expressions
        self._moved = [moved_edit(edit, move, resolution) for edit in edits for move in MOVES]

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
    spec = validate(dict(published.record["spec"]), str(run.folder / "run.json"))
    plan = make_plan(spec)
    check_unchanged(plan, run)
    found = identities(spec)
    check_identities(found, run, spec.checkpoints)
    scorer = load_scorer(plan, device)[0].of_images
    found |= network_identities(scorer.networks)
    check_identities(found, run)
    moved = {item.name: _moved_plan(item, count, spec) for item in plan.datasets}
    store = RunStore(run.folder / FOLDER)
    with store.writing(), closing(ImageLoader(workers)) as loader:
        _claim(store, Plan(spec, list(moved.values())), count)
        check_identities(found, store, spec.checkpoints)
        store.update_identities(found)
        cells, _ = make_cells(plan, _answering(spec, device), loader, device)
        cells = [replace(cell, dataset=moved[cell.dataset.name]) for cell in cells]
        Executor(store, scorer, loader, Stopwatch(), listener).execute(cells)
        scores = collect_scores(store, cells)
        store.write_scores(scores)
        store.update_record(status="complete")
    lost = (scores["metric"] == OUTPUT) & (scores["value"] == 0) & (scores["generator"] != "truth")
    return int(lost.sum())


def _moved_plan(plan: DatasetPlan, count: int, spec: RunSpec) -> DatasetPlan:
    few = chosen(plan.edits, count, spec.seed)
    return replace(plan, dataset=MovedDataset(plan.dataset, few, spec.resolution))


def _answering(spec: RunSpec, device: str) -> Roster:
    """The models of a run but those whose answers are files."""
    roster = load_roster(spec, spec.models, device)
    models = {name: model for name, model in roster.models.items() if not isinstance(model, FolderOutputs)}
    return replace(roster, models=models)


def _claim(store: RunStore, plan: Plan, count: int) -> None:
    """Say what the folder is for.

    Raises:
        BenchError: it holds the results of other edits.
    """
    recorded = store.record.get("edits", count)
    if recorded != count:
        raise BenchError(
            f"{store.folder} was made with --edits {recorded}; give the same number, or remove that folder"
        )
    check_unchanged(plan, store)
    store.update_record(edits=count, datasets=dataset_records(plan))
