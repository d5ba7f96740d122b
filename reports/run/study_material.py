"""What a run holds for a human study: the edits that every model answered, and their pictures."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from fesbench.core.contracts import Dataset, Edit, Image, Sample
from fesbench.core.errors import BenchError, UnknownName
from fesbench.datasets.folders.folder import FolderDataset
from fesbench.datasets.images import resize
from fesbench.datasets.selection import Selection
from fesbench.runs.identities import check_unchanged
from fesbench.runs.plan import DatasetPlan, make_plan
from fesbench.runs.store.store import RunStore

from ..study.material import UNKNOWN, Candidate, Material


def _layout(dataset: Dataset) -> str:
    base = dataset.base if isinstance(dataset, Selection) else dataset
    return base.layout if isinstance(base, FolderDataset) else ""


class RunMaterial(Material):
    """The pictures of a run directory, at the size at which the run was scored.

    Args:
        store: The run.
        models: The models to compare, by name; none means all but the controls.

    Raises:
        BenchError: there is no run, it is not finished, or its data changed since.
        UnknownName: a model is not in the run.
    """

    def __init__(self, store: RunStore, models: Sequence[str] = ()) -> None:
        record: dict[str, Any] = store.record
        if not record.get("models") or not record.get("spec"):
            raise BenchError(
                f"{store.location} holds no finished run; give the folder that `bench run` wrote"
            )
        spec = store.recorded_spec()
        plan = make_plan(spec)
        check_unchanged(plan, store)
        cards = {name: next(iter(entry.values()))["card"] for name, entry in record["models"].items()}
        controls = [name for name, card in cards.items() if card["control"]]
        for name in models:
            if name not in cards:
                raise UnknownName("model of the run", name, cards)
        self.run, self.size, self._store = store.name, spec.resolution, store
        self.models = tuple(dict.fromkeys(models)) or tuple(n for n in cards if n not in controls)
        self.titles = {name: card["title"] or name for name, card in cards.items()}
        self._edits: dict[tuple[str, str], Edit] = {}
        self.left_out: dict[str, str] = {}
        self.layouts = {item.name: _layout(item.dataset) for item in plan.datasets}
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
        """A model's or an anchor's output."""
        return self._store.read_output(model, candidate.dataset, candidate.edit)

    def source(self, candidate: Candidate) -> Image:
        """The real input."""
        return self._load(self._edits[candidate.dataset, candidate.edit].source)

    def truth(self, candidate: Candidate) -> Image:
        """The real picture of the target expression."""
        truth = self._edits[candidate.dataset, candidate.edit].truth
        assert truth is not None
        return self._load(truth)

    @lru_cache(maxsize=256)  # noqa: B019 - lives as long as the command
    def _load(self, sample: Sample) -> Image:
        return resize(sample.load(), self.size)
