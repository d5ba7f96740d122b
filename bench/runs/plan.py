"""Turns a specification into the work to be done: data sets, edits, shards, and who is fitted on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from fesbench.datasets.edits import safe_edits
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.selection import limit_subjects

from ..core.contracts import SHARD, Dataset, Edit, Sample
from ..core.errors import DatasetError, SpecError
from ..core.names import safe_name
from ..generators.registry import check_model_spec, expand
from ..metrics.registry import metric_id, served_metrics
from .spec import RunSpec
from .store.records import DatasetRecord, ProblemRecord, ReferenceRecord, TrainingSetRecord

ENOUGH_TEST_SUBJECTS = 30
"""Fewer subjects than this in a test split make it too small; the data set is cross-fitted instead."""


DEFAULT_HOME = "rendered"


INPUTS_TOO = "images of the domain without the target expressions, the inputs among them; copy stands apart"
"""What references are where no real image shows a target expression."""


Protocol = Literal["split", "cross-fit", "transfer"]


class ReferenceSet(NamedTuple):
    """Real images of a domain, for set metrics, and what they are.

    ``held_out`` are others, as many as there are outputs at most, which a metric has to recognise as real:
    true targets, where the references are of other subjects; else none.
    """

    label: str
    samples: Sequence[Sample]
    held_out: Sequence[Sample] = ()


@dataclass(frozen=True)
class DatasetPlan:
    """How one data set is used.

    ``protocol`` says where closed-form models are fitted: on the train split, on subject-disjoint folds of
    the data set itself, or on another data set, ``home``. Models trained on ``home`` are ranked with each
    other; all others stand in a transfer block.
    """

    name: str
    dataset: Dataset
    protocol: Protocol
    home: str
    train: Dataset

    @cached_property
    def edits(self) -> Sequence[Edit]:
        """All edits, in a fixed order; their ids can name files."""
        return safe_edits(self.dataset.edits())

    @cached_property
    def shards(self) -> list[Sequence[Edit]]:
        """The edits in groups of fixed size; the last may be shorter."""
        return [self.edits[start : start + SHARD] for start in range(0, len(self.edits), SHARD)]

    @cached_property
    def references(self) -> Mapping[str, ReferenceSet]:
        """Each domain's real images for set metrics, each image once.

        Of subjects in no output where there are any, else the true targets, else whatever the domain has.
        """
        others = self.dataset.references()
        truths = list({edit.truth.id: edit.truth for edit in self.edits if edit.truth}.values())
        kinds = (
            ReferenceSet("real images of other subjects", others, truths),
            ReferenceSet("true targets of the same subjects", truths),
            ReferenceSet(INPUTS_TOO, self.dataset.samples()),
        )
        return {domain: _first_with(domain, kinds) for domain in self.dataset.domains}


@dataclass(frozen=True)
class Plan:
    """All work of a run."""

    spec: RunSpec
    datasets: Sequence[DatasetPlan]

    @property
    def edit_count(self) -> int:
        """Edits that each generator is asked to answer."""
        return sum(len(item.edits) for item in self.datasets)


def resolve(spec: RunSpec) -> RunSpec:
    """The spec with ``all`` models, and the metrics of its backend where none are asked for, by name.

    Every name is checked here, before a run directory remembers it.

    Raises:
        UnknownName: a model, metric or backend is not known.
        BenchError: a file or folder that the spec names is missing.
    """
    metrics = spec.metrics or served_metrics(spec.backend)
    for name in metrics:
        metric_id(name, spec.backend)
    models = expand(spec.models)
    for reference in models:
        check_model_spec(reference)
    for name, path in spec.checkpoints.items():
        if name not in models:
            raise SpecError(f"the checkpoint {path} is for {name}, which is not among the models asked for")
        if not Path(path).is_file():
            raise SpecError(f"the checkpoint for {name}, {path}, is not a file")
    return spec.model_copy(update={"models": models, "metrics": metrics})


def make_plan(spec: RunSpec) -> Plan:
    """Load the data sets of a spec and decide how each is used.

    Raises:
        SpecError: two data sets share a name.
        DatasetError: a data set has nothing to edit.
        UnknownName: a data set is not known.
    """
    uses: dict[str, _Use] = {}
    for reference in spec.data:
        use = _use(reference)
        name = safe_name(use.dataset.name)
        if name in uses and uses[name].dataset.digest == use.dataset.digest:
            continue  # the same folder, spelt in another way
        if name.casefold() in (known.casefold() for known in uses):
            raise SpecError(
                f"two data sets are called {name}: {', '.join(spec.data)}; add them under names of their own"
            )
        uses[name] = use
    home = next((name for name, use in uses.items() if use.train), DEFAULT_HOME)
    return Plan(spec, [_dataset_plan(name, uses, home, spec) for name in uses])


def dataset_records(plan: Plan) -> dict[str, DatasetRecord]:
    """Return what a run records of its data sets, by name."""
    return {item.name: _dataset_record(item) for item in plan.datasets}


def _dataset_record(plan: DatasetPlan) -> DatasetRecord:
    return DatasetRecord(
        digest=plan.dataset.digest,
        trained_on=TrainingSetRecord(home=plan.home, protocol=plan.protocol, digest=plan.train.digest),
        edits=len(plan.edits),
        references={
            domain: ReferenceRecord(count=len(known.samples), label=known.label)
            for domain, known in plan.references.items()
        },
        problems=[ProblemRecord(path=path, reason=reason) for path, reason in plan.dataset.problems],
    )


def _first_with(domain: str, kinds: Sequence[ReferenceSet]) -> ReferenceSet:
    """The images of the first kind that has any in the domain."""
    found = (
        ReferenceSet(
            kind.label,
            [sample for sample in kind.samples if sample.domain == domain],
            [sample for sample in kind.held_out if sample.domain == domain],
        )
        for kind in kinds
    )
    return next(item for item in found if item.samples)


class _Use(NamedTuple):
    """What is evaluated, how, and what closed-form models may be fitted on; nothing where it has no pairs."""

    dataset: Dataset
    protocol: Protocol
    train: Dataset | None


def _use(reference: str) -> _Use:
    test, train = load_dataset(reference, "test"), load_dataset(reference, "train")
    if train.pairs() and len({edit.source.subject for edit in test.edits()}) >= ENOUGH_TEST_SUBJECTS:
        return _Use(test, "split", train)
    everything = load_dataset(reference, "all")
    return (
        _Use(everything, "cross-fit", everything)
        if everything.pairs()
        else _Use(everything, "transfer", None)
    )


def _dataset_plan(name: str, uses: Mapping[str, _Use], home: str, spec: RunSpec) -> DatasetPlan:
    use = uses[name]
    limited = limit_subjects(use.dataset, spec.limit, spec.seed) if spec.limit else use.dataset
    if not limited.edits():
        raise DatasetError(
            f"{name} has nothing to edit: it needs neutral images, or images without a stated expression"
        )
    home_train = uses[home].train if home in uses else None
    train = use.train or home_train or load_dataset(home, "train")
    return DatasetPlan(name, limited, use.protocol, name if use.train else home, train)
