"""The models and metrics of a run, loaded and prepared for its data sets."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from fesbench.datasets.action_units import expression_units
from fesbench.datasets.loading import ImageLoader
from fesbench.datasets.selection import folds

from ..core.contracts import CONTROLS, Block, ClosedForm, Dataset, Generator, GeneratorCard, Synthesizer
from ..core.errors import BenchError, explain
from ..generators.controls import Truth
from ..generators.cross_trained import CrossTrained
from ..generators.neural import NeuralGenerator
from ..generators.registry import Model, load_model
from ..generators.synthesis import GeneratorSynthesizer, Guarded, set_inference
from ..metrics.registry import load_metrics
from ..scoring.scorer import Scorer
from .fitting import CrossFitted, fit
from .plan import DatasetPlan, Plan
from .spec import RunSpec
from .store.records import check_recordable

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """One generator on one data set, ready to answer.

    ``block`` decides which models are ranked together: those trained on the training set of the plan (main)
    or all others (transfer); controls are not ranked.
    """

    dataset: DatasetPlan
    synthesizer: Synthesizer
    block: Block

    @property
    def card(self) -> GeneratorCard:
        """The generator's card on this data set."""
        return self.synthesizer.card


@dataclass(frozen=True)
class LoadedModels:
    """The models of a run that could be loaded, and why the others could not.

    Attributes:
        specs: Name of each model to how it was asked for.
        models: Name to model.
        unavailable: How a model was asked for to why it cannot be loaded.
    """

    specs: dict[str, str] = field(default_factory=dict)
    models: dict[str, Model] = field(default_factory=dict)
    unavailable: dict[str, str] = field(default_factory=dict)

    @property
    def controls(self) -> list[str]:
        """The names of the suite's own controls; a plug-in that calls itself a control is none of them."""
        return [name for name, model_spec in self.specs.items() if model_spec in CONTROLS]


def load_models(spec: RunSpec, device: str) -> LoadedModels:
    """Load every model of a run; one that fails is listed and stops no other.

    Raises:
        BenchError: two models share a name.
    """
    loaded = LoadedModels()
    for model_spec in spec.models:
        try:
            model = load_model(
                model_spec,
                spec.checkpoints.get(model_spec),
                device,
                spec.labels.get(model_spec, ()),
                spec.native_sizes.get(model_spec),
            )
            _check_card(model)
            for network in _networks(model):
                set_inference(network, spec.inference)
        except Exception as error:
            log.warning("%s cannot be loaded", model_spec, exc_info=error)
            loaded.unavailable[model_spec] = explain(error)
            continue
        if model.card.name.casefold() in (name.casefold() for name in loaded.models):
            raise BenchError(f"two models are called {model.card.name!r}; rename one of them")
        loaded.specs[model.card.name] = model_spec
        loaded.models[model.card.name] = model
    return loaded


def load_scorer(spec: RunSpec, device: str) -> tuple[Scorer, dict[str, str]]:
    """Return the metrics of a run that can be computed here, and why the others cannot."""
    metrics, unavailable = load_metrics(spec.metrics, spec.backend)
    return Scorer.of(metrics, spec.resolution, device), dict(unavailable)


def make_cells(
    plan: Plan, loaded: LoadedModels, loader: ImageLoader, device: str
) -> tuple[list[Cell], dict[str, str]]:
    """Prepare every model for every data set; also return why some could not be prepared."""
    cells: list[Cell] = []
    unfitted: dict[str, str] = {}
    for item in plan.datasets:
        for name, model in loaded.models.items():
            if isinstance(model, Truth) and not any(edit.truth for edit in item.edits):
                continue
            try:
                cells.append(make_cell(model, loaded.specs[name], item, plan.spec, loader, device))
            except Exception as error:
                unfitted[f"{name} on {item.name}"] = explain(error)
                log.warning("%s on %s", name, item.name, exc_info=error)
    return cells, unfitted


def _networks(model: Model) -> list[NeuralGenerator]:
    """Return the generators with a network that a model is made of."""
    parts = model.members.values() if isinstance(model, CrossTrained) else [model]
    return [part for part in parts if isinstance(part, NeuralGenerator)]


def _check_card(model: Model) -> None:
    card = getattr(model, "card", None)
    if not isinstance(card, GeneratorCard) or not isinstance(card.name, str) or not card.name:
        raise BenchError(f"{type(model).__name__} needs a GeneratorCard with a name as its attribute 'card'")
    check_recordable(card)


def make_cell(
    model: Model,
    model_spec: str,
    plan: DatasetPlan,
    spec: RunSpec,
    loader: ImageLoader,
    device: str,
) -> Cell:
    """Prepare a model for a data set; one with a closed form is fitted."""
    if isinstance(model, ClosedForm):
        return Cell(plan, _fitted(model_spec, plan, spec, loader, device), "main")
    if isinstance(model, CrossTrained):
        return Cell(plan, _cross_trained(model, model_spec, plan, spec, device), "main")
    if isinstance(model, Generator):
        model = _driven(model, model_spec, plan, spec)
    answering = Guarded(model) if isinstance(model, Synthesizer) else _synthesizer(model, plan, spec, device)
    return Cell(plan, answering, _block(answering.card, plan))


def _block(card: GeneratorCard, plan: DatasetPlan) -> Block:
    if card.control:
        return "control"
    trained_on = card.trained_on.replace("/", " ").split(" ")[0]
    seen = plan.protocol == "cross-fit"  # its own training subjects are among those that are tested
    return "main" if trained_on == plan.training_set and not seen else "transfer"


def _synthesizer(generator: Generator, plan: DatasetPlan, spec: RunSpec, device: str) -> GeneratorSynthesizer:
    return GeneratorSynthesizer(generator, plan.dataset.expressions, spec.resolution, device=device)


def _driven(model: Generator, model_spec: str, plan: DatasetPlan, spec: RunSpec) -> Generator:
    """Return a model driven by the user's action units for it, if there are any."""
    if model_spec not in spec.action_units:
        return model
    if not isinstance(model, NeuralGenerator):
        raise BenchError(f"{model.card.name} is not driven by action units; leave them out")
    found = expression_units(Path(spec.action_units[model_spec]), [plan.train, plan.dataset])
    return model.with_units(found.units, found.origin)


def _fitted(
    model_spec: str, plan: DatasetPlan, spec: RunSpec, loader: ImageLoader, device: str
) -> Synthesizer:
    def make() -> ClosedForm:
        model = load_model(model_spec, device=device)
        assert isinstance(model, ClosedForm)
        return model

    def fitted_on(train: Dataset) -> GeneratorSynthesizer:
        return _synthesizer(fit(make, train, spec.seed, loader, spec.resolution), plan, spec, device)

    if plan.protocol != "cross-fit":
        return fitted_on(plan.train)
    return _cross_fitted(fitted_on, plan, spec)


def _cross_trained(
    model: CrossTrained, model_spec: str, plan: DatasetPlan, spec: RunSpec, device: str
) -> Synthesizer:
    def driven(member: Generator) -> GeneratorSynthesizer:
        return _synthesizer(_driven(member, model_spec, plan, spec), plan, spec, device)

    if plan.protocol == "transfer" and plan.training_set == model.data:
        return driven(model.without_first_fold())
    if plan.protocol != "cross-fit":
        raise BenchError(
            f"{model.card.name} was trained in folds of {model.data}, and this run does not cut {plan.name} "
            "into folds: train without --folds"
        )
    return _cross_fitted(lambda rest: driven(model.trained_on(rest)), plan, spec)


def _cross_fitted(
    trained_on: Callable[[Dataset], Synthesizer], plan: DatasetPlan, spec: RunSpec
) -> CrossFitted:
    parts = folds(plan.train, spec.folds, spec.seed)
    return CrossFitted([(subjects, trained_on(rest)) for subjects, rest in parts], plan.train.name)
