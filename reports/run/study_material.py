"""The material and the scores that a run provides for a study."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import lru_cache

from fesbench.core.contracts import Dataset, Edit, Image, Sample
from fesbench.core.errors import UnknownName
from fesbench.datasets.folders.folder import FolderDataset
from fesbench.datasets.images import resize
from fesbench.datasets.selection import Selection
from fesbench.runs.identities import check_unchanged
from fesbench.runs.plan import DatasetPlan, make_plan
from fesbench.runs.results import RunResults
from fesbench.statistics.comparisons import ALL, OOD

from ..study.analysis.results import Metric, RunScores
from ..study.material import UNKNOWN, Candidate, Material


def _layout(dataset: Dataset) -> str:
    base = dataset.base if isinstance(dataset, Selection) else dataset
    return base.layout if isinstance(base, FolderDataset) else ""


def _licence(dataset: Dataset) -> str:
    base = dataset.base if isinstance(dataset, Selection) else dataset
    return base.spec.licence if isinstance(base, FolderDataset) else ""


class RunMaterial(Material):
    """The images of a run, at the size at which the run was scored.

    Args:
        run: The finished run.
        models: The names of the models to compare; empty for all except controls.

    Attributes:
        notes: What is to be known of the data sets and of models whose outputs are files.

    Raises:
        BenchError: the data of the run changed since.
        UnknownName: a model is not in the run.
    """

    def __init__(self, run: RunResults, models: Sequence[str] = ()) -> None:
        plan = make_plan(run.spec)
        check_unchanged(plan, run.store)
        cards = {name: next(iter(entries.values())).card for name, entries in run.record.models.items()}
        controls = [name for name, card in cards.items() if card.control]
        for name in models:
            if name not in cards:
                raise UnknownName("model of the run", name, cards)
        self.run, self.size, self._store = run.name, run.spec.resolution, run.store
        self.models = tuple(dict.fromkeys(models)) or tuple(n for n in cards if n not in controls)
        self.titles = {name: card.title or name for name, card in cards.items()}
        self.notes = [f"{item.name}: {note}" for item in plan.datasets for note in item.dataset.notes]
        self.notes += [f"{name}: {note}" for name in self.models for note in cards[name].assumed]
        self._edits: dict[tuple[str, str], Edit] = {}
        self.left_out: dict[str, str] = {}
        self.layouts = {item.name: _layout(item.dataset) for item in plan.datasets}
        self.licences = {item.name: _licence(item.dataset) for item in plan.datasets}
        self.candidates = [found for item in plan.datasets for found in self._eligible(item)]
        self.anchors = tuple(n for n in controls if n not in self.models and self._answered_all(n))

    def _eligible(self, plan: DatasetPlan) -> list[Candidate]:
        found = []
        for edit in plan.edits:
            missing = [name for name in self.models if not self._has_output(name, plan.name, edit.id)]
            if missing:
                self.left_out[f"{plan.name}/{edit.id}"] = f"no output of {', '.join(missing)}"
                continue
            self._edits[plan.name, edit.id] = edit
            found.append(
                Candidate(
                    dataset=plan.name,
                    domain=edit.source.domain,
                    subject=edit.source.subject,
                    expression=edit.target,
                    edit=edit.id,
                    source=edit.source.id,
                    source_expression=edit.source.expression or UNKNOWN,
                    has_truth=edit.truth is not None,
                )
            )
        return found

    def _has_output(self, model: str, dataset: str, edit: str) -> bool:
        return self._store.has_output(model, dataset, edit)

    def _answered_all(self, control: str) -> bool:
        return all(self._has_output(control, found.dataset, found.edit) for found in self.candidates)

    def output(self, candidate: Candidate, model: str) -> Image:
        """Return the output of a model or an anchor."""
        return self._store.read_output(model, candidate.dataset, candidate.edit)

    def source(self, candidate: Candidate) -> Image:
        """Return the real input."""
        return self._load(self._edits[candidate.dataset, candidate.edit].source)

    def truth(self, candidate: Candidate) -> Image:
        """Return the real photo of the target expression."""
        truth = self._edits[candidate.dataset, candidate.edit].truth
        assert truth is not None
        return self._load(truth)

    @lru_cache(maxsize=256)  # noqa: B019 - the material lives as long as the command
    def _load(self, sample: Sample) -> Image:
        return resize(sample.load(), self.size)


def run_scores(run: RunResults, datasets: Collection[str]) -> RunScores:
    """Return the scores of the headline metrics of a run on some data sets.

    The score of a model is the plain mean over domains, because set metrics have no mean over all domains.

    Args:
        run: A finished run.
        datasets: The names of the data sets.
    """
    measures = run.summary.measures
    shown = measures[measures["headline"]]
    metrics = tuple(
        Metric(str(column), direction == "higher")
        for column, direction in zip(shown["column"], shown["direction"], strict=True)
    )
    rows, cells = run.scores, run.cells
    complete = cells[cells["dataset"].isin(list(datasets)) & cells["complete"].astype(bool)]
    domains = complete[~complete["domain"].isin([ALL, OOD])]
    models = domains.groupby(["generator", "metric"], sort=False)["value"].mean().reset_index()
    return RunScores(metrics, rows[rows["dataset"].isin(list(datasets))], models)
