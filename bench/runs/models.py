"""The models and metrics of a run, loaded and prepared for its data sets."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Never

import torch

from fesbench.datasets.action_units import ExpressionUnits, expression_units
from fesbench.datasets.loading import ImageLoader
from fesbench.datasets.selection import folds

from ..core.contracts import (
    CONTROLS,
    Block,
    ClosedForm,
    Dataset,
    Edit,
    Generator,
    GeneratorCard,
    Synthesizer,
)
from ..core.errors import BenchError, explain
from ..core.host_process import TIMEOUT
from ..generators.controls import Truth
from ..generators.cross_trained import CrossTrained
from ..generators.registered_inputs import RegisteredInputs, RegisteredPairs, mean_frame
from ..generators.registration import Registration
from ..generators.registry import OUTPUTS, Model, is_foreign, load_model
from ..generators.synthesis import GeneratorSynthesizer, Guarded, driven, set_inference_of
from ..metrics.registry import load_metrics
from ..scoring.scorer import Scorer
from .fitting import CrossFitted, PairLoader, fit
from .isolation.model import IsolatedModel
from .isolation.requests import CLOSED_FORM, CROSS_TRAINED, ModelRequest, NamedDataset, Preparation
from .plan import DatasetPlan, Plan
from .spec import RunSpec
from .store.records import RunRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """One generator on one data set, ready to answer.

    ``block`` decides which models are ranked together: those trained on the training set of the plan (main)
    or all others (transfer), each apart from those that see registered faces; controls are not ranked.
    ``fits`` are the sha256 of the fits of a closed-form model, one for each fold.
    """

    dataset: DatasetPlan
    synthesizer: Synthesizer
    block: Block
    fits: tuple[str, ...] = ()

    @property
    def card(self) -> GeneratorCard:
        """The generator's card on this data set."""
        return self.synthesizer.card


class Recorded(Synthesizer):
    """A model that is known by its card alone."""

    def __init__(self, card: GeneratorCard) -> None:
        self.card = card

    def answer(self, edits: Sequence[Edit]) -> Never:
        """Refuse to answer."""
        raise NotImplementedError


def recorded_cells(plan: Plan, record: RunRecord) -> list[Cell]:
    """Return what a run recorded of its models, for all that is made of stored outputs."""
    return [
        Cell(item, Recorded(entry.card), entry.block)
        for item in plan.datasets
        for entry in record.models_on(item.name).values()
    ]


@dataclass(frozen=True)
class LoadedModels:
    """The models of a run that could be loaded, and why the others could not.

    Attributes:
        specs: Name of each model to how it was asked for.
        models: Name to model.
        errors: How a model was asked for to what was raised when it was loaded.
    """

    specs: dict[str, str] = field(default_factory=dict)
    models: dict[str, Model | IsolatedModel] = field(default_factory=dict)
    errors: dict[str, Exception] = field(default_factory=dict)

    @property
    def unavailable(self) -> dict[str, str]:
        """How a model was asked for to why it cannot be loaded."""
        return {name: explain(error) for name, error in self.errors.items()}

    @property
    def controls(self) -> list[str]:
        """The names of the suite's own controls; a plug-in that calls itself a control is none of them."""
        return [name for name, model_spec in self.specs.items() if model_spec in CONTROLS]

    def close(self) -> None:
        """End the processes of the models that have one."""
        for model in self.models.values():
            if isinstance(model, IsolatedModel):
                model.close()


def load_models(spec: RunSpec, device: str, timeout: float = TIMEOUT) -> LoadedModels:
    """Load every model of a run; one that fails is listed and stops no other. Close them after use.

    Models of code that is not the suite's own run in processes of their own.

    Args:
        spec: The specification of the run.
        device: A torch device.
        timeout: Seconds that a model with a process of its own may take for a batch.

    Raises:
        BenchError: two models share a name.
    """
    loaded = LoadedModels()
    for model_spec in spec.models:
        try:
            request = _request(model_spec, spec, device)
            model = IsolatedModel(request, timeout) if is_foreign(model_spec) else _loaded(request)
        except Exception as error:
            loaded.errors[model_spec] = error
            continue
        if model.card.name.casefold() in (name.casefold() for name in loaded.models):
            raise BenchError(f"two models are called {model.card.name!r}; rename one of them")
        loaded.specs[model.card.name] = model_spec
        loaded.models[model.card.name] = model
    return loaded


def load_scorer(spec: RunSpec, device: str, timeout: float = TIMEOUT) -> tuple[Scorer, dict[str, str]]:
    """Return the metrics of a run that can be computed here, and why the others cannot.

    Metrics of code that is not the suite's own run in processes of their own, for which ``timeout`` holds.
    """
    metrics, unavailable = load_metrics(spec.metrics, spec.backend, timeout)
    return Scorer.of(metrics, spec.resolution, device), dict(unavailable)


def make_cells(
    plan: Plan,
    loaded: LoadedModels,
    loader: ImageLoader,
    device: str,
    preparing: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> tuple[list[Cell], dict[str, str]]:
    """Prepare every model for every data set; also return why some could not be prepared.

    ``preparing`` is given the name of each model and data set, and entered while it is prepared.
    """
    cells: list[Cell] = []
    unfitted: dict[str, str] = {}
    pairs = PairLoader(loader, plan.spec.resolution)
    for item in plan.datasets:
        for name, model in loaded.models.items():
            if isinstance(model, Truth) and not any(edit.truth for edit in item.edits):
                continue
            try:
                with preparing(f"{name} on {item.name}"):
                    cells.append(make_cell(model, loaded.specs[name], item, plan.spec, pairs, device))
            except Exception as error:
                unfitted[f"{name} on {item.name}"] = explain(error)
                log.warning("%s on %s", name, item.name, exc_info=error)
    return cells, unfitted


def _request(model_spec: str, spec: RunSpec, device: str) -> ModelRequest:
    return ModelRequest(
        model_spec,
        spec.checkpoints.get(model_spec),
        spec.labels.get(model_spec, ()),
        spec.native_sizes.get(model_spec),
        device,
        spec.inference,
        spec.seed,
        torch.get_num_threads(),
        tuple(sys.path),
    )


def _loaded(request: ModelRequest) -> Model:
    model = load_model(request.model, request.checkpoint, request.device, request.labels, request.native_size)
    set_inference_of(model, request.inference)
    return model


def make_cell(
    model: Model | IsolatedModel,
    model_spec: str,
    plan: DatasetPlan,
    spec: RunSpec,
    pairs: PairLoader,
    device: str,
) -> Cell:
    """Prepare a model for a data set; one with a closed form is fitted on what ``pairs`` loads.

    Raises:
        BenchError: the model cannot be prepared; a folder of images has no use for registered faces.
    """
    if spec.registered and model_spec.startswith(OUTPUTS):
        raise BenchError("finished images were made of photos as they are; run them without --registered")
    if isinstance(model, IsolatedModel):
        return _isolated_cell(model, model_spec, plan, spec, pairs)
    if isinstance(model, ClosedForm):
        fits: list[str] = []
        fitted_on = _fit(model_spec, plan, spec, pairs, device, fits)
        return _trained_here(plan, _fitted(_on_registered(fitted_on, model.card, spec), plan, spec), fits)
    if isinstance(model, CrossTrained):
        return _trained_here(plan, _of_folds(model, model_spec, plan, spec, device))
    if isinstance(model, Generator):
        model = driven(model, _units(model_spec, plan, spec))
    answering = Guarded(model) if isinstance(model, Synthesizer) else _synthesizer(model, plan, spec, device)
    return _as_trained(plan, _seeing(answering, plan.train, spec))


def sees_registered(card: GeneratorCard, spec: RunSpec) -> bool:
    """Return whether a model sees registered faces in a run.

    It does so by itself, because it learned from such faces, or because the run shows them to all.
    """
    return card.registered or card.learned_registered or (spec.registered and not card.control)


def _seeing(synthesizer: Synthesizer, train: Dataset, spec: RunSpec) -> Synthesizer:
    """Return what gives a synthesizer faces in the frame of a training set, where the run does so."""
    if synthesizer.card.registered or not sees_registered(synthesizer.card, spec):
        return synthesizer
    return RegisteredInputs(synthesizer, Registration(mean_frame(train), spec.resolution))


def _on_registered(trained_on: TrainedOn, card: GeneratorCard, spec: RunSpec) -> TrainedOn:
    """Return what fits a model to registered pairs and gives it registered faces, where the run does so."""

    def on(train: Dataset) -> Synthesizer:
        pairs = RegisteredPairs(train, Registration(mean_frame(train), spec.resolution))
        return _seeing(trained_on(pairs), train, spec)

    return on if sees_registered(card, spec) and not card.registered else trained_on


def _of_folds(
    model: CrossTrained, model_spec: str, plan: DatasetPlan, spec: RunSpec, device: str
) -> Synthesizer:
    units = _units(model_spec, plan, spec)

    def member(rest: Dataset | None) -> Synthesizer:
        generator = model.without_first_fold() if rest is None else model.trained_on(rest)
        synthesizer = _synthesizer(driven(generator, units), plan, spec, device)
        return _seeing(synthesizer, rest or plan.train, spec)

    return _cross_trained(model.card.name, model.data, member, plan, spec)


def _isolated_cell(
    model: IsolatedModel, model_spec: str, plan: DatasetPlan, spec: RunSpec, pairs: PairLoader
) -> Cell:
    """Prepare a model in a process of its own, as ``make_cell`` prepares one in this process."""
    units = _units(model_spec, plan, spec)
    expressions = tuple(plan.dataset.expressions)
    preparation = Preparation(expressions, spec.resolution, seed=spec.seed, units=units)
    fits: list[str] = []

    def on(train: Dataset | None) -> Preparation:
        if train is None:
            return preparation
        if model.kind == CROSS_TRAINED:
            return replace(preparation, train=NamedDataset(train))
        return replace(preparation, train=pairs.load(train))

    def trained_on(train: Dataset | None) -> Synthesizer:
        name = plan.name if train is None else f"{plan.name} {train.digest}"
        prepared = model.prepare(name, partial(on, train))
        fits.extend([prepared.fit] if prepared.fit else [])
        return prepared

    def member(rest: Dataset | None) -> Synthesizer:
        return _seeing(trained_on(rest), rest or plan.train, spec)

    if model.kind == CROSS_TRAINED:
        return _trained_here(plan, _cross_trained(model.card.name, model.data, member, plan, spec))
    if model.kind == CLOSED_FORM:
        return _trained_here(plan, _fitted(_on_registered(trained_on, model.card, spec), plan, spec), fits)
    return _as_trained(plan, member(None))


def _trained_here(plan: DatasetPlan, answering: Synthesizer, fits: Sequence[str] = ()) -> Cell:
    return Cell(plan, answering, block_of(answering.card, plan, fitted=True), tuple(fits))


def _as_trained(plan: DatasetPlan, answering: Synthesizer) -> Cell:
    card = answering.card
    if plan.protocol == "cross-fit" and not card.control and _training_set(card) == plan.name:
        raise BenchError(
            f"{card.name} was trained on {plan.name}, all of whose people are tested here, as there are few: "
            "train it in folds (`bench train --folds`) and give its folds.json as checkpoint; where it has "
            "seen none of them, name its training data differently in its card"
        )
    return Cell(plan, answering, block_of(card, plan, fitted=False))


def block_of(card: GeneratorCard, plan: DatasetPlan, fitted: bool) -> Block:
    """Return the block of a model by its card in a run.

    Args:
        card: The card.
        plan: How the run uses the data set.
        fitted: Whether the run fits it, or cuts the folds that it was trained in.
    """
    if card.control:
        return "control"
    if fitted or _training_set(card) == plan.training_set:
        return "registered" if card.registered else "main"
    return "registered transfer" if card.registered else "transfer"


def _training_set(card: GeneratorCard) -> str:
    """Return the name of the data set that a model was trained on: the first word of its card's entry."""
    return card.trained_on.replace("/", " ").split(" ")[0]


def _synthesizer(generator: Generator, plan: DatasetPlan, spec: RunSpec, device: str) -> GeneratorSynthesizer:
    return GeneratorSynthesizer(generator, plan.dataset.expressions, spec.resolution, device=device)


TrainedOn = Callable[[Dataset], Synthesizer]
"""Returns the synthesizer that was trained or fitted on a training set."""


def _units(model_spec: str, plan: DatasetPlan, spec: RunSpec) -> ExpressionUnits | None:
    """Return the user's action units for a model, if there are any."""
    if model_spec not in spec.action_units:
        return None
    return expression_units(Path(spec.action_units[model_spec]), [plan.train, plan.dataset])


def _fit(
    model_spec: str, plan: DatasetPlan, spec: RunSpec, pairs: PairLoader, device: str, fits: list[str]
) -> TrainedOn:
    """Return what fits a closed-form model; the sha256 of each fit is added to ``fits``."""

    def make() -> ClosedForm:
        model = load_model(model_spec, device=device)
        assert isinstance(model, ClosedForm)
        return model

    def fitted_on(train: Dataset) -> Synthesizer:
        model, digest = fit(make, train, spec.seed, pairs)
        fits.append(digest)
        return _synthesizer(model, plan, spec, device)

    return fitted_on


def _fitted(fitted_on: TrainedOn, plan: DatasetPlan, spec: RunSpec) -> Synthesizer:
    if plan.protocol != "cross-fit":
        return fitted_on(plan.train)
    return _cross_fitted(fitted_on, plan, spec)


def _cross_trained(
    name: str, data: str, member: Callable[[Dataset | None], Synthesizer], plan: DatasetPlan, spec: RunSpec
) -> Synthesizer:
    """Return what answers for a model that was trained in folds of ``data``.

    ``member`` returns the synthesizer that was trained on a training set, or for None on all but the first
    fold.
    """
    if plan.protocol == "transfer" and plan.training_set == data:
        return member(None)
    if plan.protocol != "cross-fit":
        raise BenchError(
            f"{name} was trained in folds of {data}, and this run does not cut {plan.name} into folds: train "
            "without --folds"
        )
    return _cross_fitted(member, plan, spec)


def _cross_fitted(trained_on: TrainedOn, plan: DatasetPlan, spec: RunSpec) -> CrossFitted:
    parts = folds(plan.train, spec.folds, spec.seed)
    return CrossFitted([(subjects, trained_on(rest)) for subjects, rest in parts], plan.train.name)
