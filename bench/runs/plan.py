"""The plan of a run: its data sets, edits and shards, and what closed-form models are fitted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Literal, NamedTuple

from fesbench.datasets.edits import safe_edits
from fesbench.datasets.registry import load_dataset, load_split
from fesbench.datasets.selection import limit_subjects, select_targets

from ..core.contracts import NEUTRAL, SHARD, Dataset, Edit, Sample
from ..core.errors import DatasetError, SpecError
from ..core.names import safe_name
from ..core.plurals import counted
from ..generators.registry import check_model_spec, distinct_labels, expand, split_training
from ..metrics.registry import metric_id, served_metrics
from .spec import Part, RunSpec
from .store.records import DatasetRecord, ProblemRecord, ReferenceRecord, TrainingSetRecord

ENOUGH_TEST_SUBJECTS = 30
"""Fewer subjects than this make a test split too small, and the data set is cross-fitted instead, unless it
states the split itself."""


DEFAULT_TRAINING_SET = "rendered"


INPUTS_TOO = "images of the domain without the target expressions, the inputs among them; copy stands apart"
"""Label of the reference images of a domain where no real image shows a target expression."""


Protocol = Literal["split", "cross-fit", "transfer"]


class ReferenceSet(NamedTuple):
    """Reference images of a domain for set metrics, and a label that says what they show.

    ``held_out`` are further real images for the calibration of metrics, at most as many as there are outputs:
    true targets where the reference images show other subjects, else none.
    """

    label: str
    samples: Sequence[Sample]
    held_out: Sequence[Sample] = ()


@dataclass(frozen=True)
class DatasetPlan:
    """How a run uses one data set.

    ``protocol`` decides what closed-form models are fitted on: the train split, subject-disjoint folds of the
    data set itself, or another data set. ``training_set`` is the name of the data set of ``train``:
    models trained on it are ranked together, all others in a block of their own. ``targets`` are the
    expressions asked for where they are fewer than those of the data set. ``part`` is the share of the shards
    that the run executes, ``shards_before`` the number of shards of the data sets before this one.
    """

    name: str
    dataset: Dataset
    protocol: Protocol
    training_set: str
    train: Dataset
    targets: tuple[str, ...] = ()
    part: Part | None = None
    shards_before: int = 0

    @cached_property
    def edits(self) -> Sequence[Edit]:
        """All edits in a fixed order; their ids are valid file names."""
        return safe_edits(self.dataset.edits())

    @cached_property
    def shards(self) -> list[Sequence[Edit]]:
        """The edits in groups of fixed size; the last may be shorter."""
        return [self.edits[start : start + SHARD] for start in range(0, len(self.edits), SHARD)]

    @cached_property
    def own_shards(self) -> list[int]:
        """The numbers of the shards that the run executes."""
        numbers = range(len(self.shards))
        part, before = self.part, self.shards_before
        return [number for number in numbers if part is None or part.holds(before + number)]

    @property
    def own_edits(self) -> int:
        """The number of edits in these shards."""
        return sum(len(self.shards[number]) for number in self.own_shards)

    @cached_property
    def references(self) -> Mapping[str, ReferenceSet]:
        """The reference images of each domain, each image once.

        They show subjects that no output shows where there are any, else they are the true targets, else all
        images of the domain.
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
    """The work of a run."""

    spec: RunSpec
    datasets: Sequence[DatasetPlan]

    @property
    def edit_count(self) -> int:
        """Edits that each generator is asked to answer."""
        return sum(item.own_edits for item in self.datasets)


def resolve(spec: RunSpec) -> RunSpec:
    """Return the spec with all models and metrics by name: ``all`` and an empty list are replaced.

    Every name is checked, before it is recorded in the folder of a run.

    Raises:
        UnknownName: a model, metric or backend is not known.
        BenchError: a file or folder that the spec names is missing.
    """
    metrics = spec.metrics or served_metrics(spec.backend)
    for name in metrics:
        metric_id(name, spec.backend)
    models = expand(spec.models)
    for model_spec in models:
        check_model_spec(model_spec)
    _check_trainings(models)
    for name, path in spec.checkpoints.items():
        if name not in models:
            raise SpecError(f"the checkpoint {path} is for {name}, which is not among the models asked for")
        if not Path(path).is_file():
            raise SpecError(f"the checkpoint for {name}, {path}, is not a file")
    for name, path in spec.action_units.items():
        if name not in models:
            raise SpecError(
                f"the action units {path} are for {name}, which is not among the models asked for"
            )
        if not Path(path).exists():
            raise SpecError(f"the action units for {name}, {path}, do not exist")
    _check_stated(spec)
    return spec.model_copy(update={"models": models, "metrics": metrics})


def _check_trainings(models: Sequence[str]) -> None:
    """Check that no model stands beside trainings of its own: one row cannot be both."""
    for model, training in map(split_training, models):
        if training and model in models:
            raise SpecError(
                f"{model}.{training} is a training of {model}, which is among the models as well; leave "
                f"{model} out, or give its weights as another training, {model}.NAME"
            )


def _check_stated(spec: RunSpec) -> None:
    """Check the labels and image sizes of checkpoints: that there is a checkpoint, and the names."""
    for field in ("labels", "native_sizes"):
        for name in getattr(spec, field):
            if name not in spec.checkpoints:
                raise SpecError(f"{field} of {name} describe a checkpoint; give it with --checkpoint")
    for names in spec.labels.values():
        distinct_labels(names)


def make_plan(spec: RunSpec) -> Plan:
    """Load the data sets of a spec and decide how to use each.

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
        if name.casefold() in (other.casefold() for other in uses):
            raise SpecError(
                f"two data sets are called {name}: {', '.join(spec.data)}; add them under names of their own"
            )
        uses[name] = use
    training_set = next((name for name, use in uses.items() if use.train), DEFAULT_TRAINING_SET)
    whole = [_dataset_plan(name, uses, training_set, spec) for name in uses]
    return Plan(spec, _divided(whole, spec.part) if spec.part else whole)


def _divided(plans: Sequence[DatasetPlan], part: Part) -> Sequence[DatasetPlan]:
    """Return the plans of a part of the run; data sets that are added later change no earlier share."""
    before = [0, *accumulate(len(plan.shards) for plan in plans)]
    return [replace(plan, part=part, shards_before=count) for plan, count in zip(plans, before, strict=False)]


def dataset_records(plan: Plan) -> dict[str, DatasetRecord]:
    """Return what a run records of its data sets, by name."""
    return {item.name: _dataset_record(item) for item in plan.datasets}


def _dataset_record(plan: DatasetPlan) -> DatasetRecord:
    return DatasetRecord(
        digest=plan.dataset.digest,
        trained_on=TrainingSetRecord(
            home=plan.training_set, protocol=plan.protocol, digest=plan.train.digest
        ),
        edits=len(plan.edits),
        targets=list(plan.targets),
        references={
            domain: ReferenceRecord(count=len(images.samples), label=images.label)
            for domain, images in plan.references.items()
        },
        references_digest=plan.dataset.references_digest,
        problems=[ProblemRecord(path=path, reason=reason) for path, reason in plan.dataset.problems],
        notes=list(plan.dataset.notes),
    )


def _first_with(domain: str, kinds: Sequence[ReferenceSet]) -> ReferenceSet:
    """Return the images of the first kind that has any in the domain."""
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
    """What to evaluate, the protocol, and what closed-form models can be fitted on: None without pairs."""

    dataset: Dataset
    protocol: Protocol
    train: Dataset | None


def _use(reference: str) -> _Use:
    test = load_dataset(reference, "test")
    train = load_split(test, reference, "train")
    tested = len({edit.source.subject for edit in test.edits()})
    if train.pairs() and (tested >= ENOUGH_TEST_SUBJECTS or (tested and test.split_is_stated)):
        return _Use(test, "split", train)
    everything = load_split(test, reference, "all")
    return (
        _Use(everything, "cross-fit", everything)
        if everything.pairs()
        else _Use(everything, "transfer", None)
    )


def _nothing_to_edit(name: str, dataset: Dataset) -> str:
    """Say what a data set lacks, and the first of the images that were left out."""
    text = f"{name} has nothing to edit: it needs neutral images, or images without a stated expression"
    if not dataset.problems:
        return text
    path, reason = dataset.problems[0]
    left_out = counted(len(dataset.problems), "image")
    return f"{text}. Left out: {left_out}, such as {path}: {reason}; `bench data show {name}` lists them"


def _dataset_plan(name: str, uses: Mapping[str, _Use], training_set: str, spec: RunSpec) -> DatasetPlan:
    use = uses[name]
    asked = use.dataset if use.train else _as_trained(use.dataset, uses.get(training_set))
    limited = limit_subjects(asked, spec.limit, spec.seed) if spec.limit else asked
    if not limited.edits():
        raise DatasetError(_nothing_to_edit(name, use.dataset))
    other = uses[training_set].train if training_set in uses else None
    train = use.train or other or load_dataset(training_set, "train")
    targets = asked.expressions if asked is not use.dataset else ()
    return DatasetPlan(
        name,
        limited,
        use.protocol,
        name if use.train else training_set,
        train,
        tuple(target for target in targets if target != NEUTRAL),
    )


def _as_trained(dataset: Dataset, training: _Use | None) -> Dataset:
    """Return the data set asking only for what models learn from the training set of the run.

    All other targets would count as failures of models that had no chance to learn them.
    """
    return select_targets(dataset, training.dataset.expressions) if training else dataset
