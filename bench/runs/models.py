"""Makes each generator of a run answer the edits of each data set."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fesbench.datasets.loading import ImageLoader, described, is_image
from fesbench.datasets.selection import folds

from ..core.contracts import (
    Block,
    ClosedForm,
    Dataset,
    Edit,
    Failure,
    Generator,
    GeneratorCard,
    Image,
    Synthesizer,
)
from ..core.errors import BenchError
from ..generators.cross_trained import CrossTrained
from ..generators.neural import NeuralGenerator
from ..generators.registry import Model, load_model
from ..generators.synthesis import GeneratorSynthesizer, set_inference
from .fitting import CrossFitted, fit
from .plan import DatasetPlan
from .spec import RunSpec

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cell:
    """One generator on one data set, ready to answer.

    ``block`` says with whom it is ranked: models trained on the data set's home with each other, all
    other models in a block of their own, controls with nobody.
    """

    dataset: DatasetPlan
    synthesizer: Synthesizer
    block: Block

    @property
    def card(self) -> GeneratorCard:
        """The generator's card."""
        return self.synthesizer.card


class Guarded(Synthesizer):
    """Somebody's synthesizer: whatever it raises or returns, each edit gets an image or a failure."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self.synthesizer, self.card = synthesizer, synthesizer.card

    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """The synthesizer's answers; edit by edit where it fails on all at once."""
        try:
            answers = list(self.synthesizer.answer(edits))
            if len(answers) != len(edits):
                raise BenchError(f"{self.card.name} gave {len(answers)} answers to {len(edits)} edits")
        except MemoryError:
            raise
        except Exception as error:
            if len(edits) == 1:
                log.warning("%s on %s", self.card.name, edits[0].id, exc_info=error)
                return [Failure(explain(error))]
            return [answer for edit in edits for answer in self.answer([edit])]
        return [self._checked(answer) for answer in answers]

    def _checked(self, answer: Image | Failure) -> Image | Failure:
        if isinstance(answer, Failure) or is_image(answer):
            return answer
        return Failure(f"{self.card.name} answered with {described(answer)}, not with (H, W, 3) uint8")


@dataclass(frozen=True)
class Roster:
    """The models of a run that could be loaded, and why the others could not."""

    references: dict[str, str]
    models: dict[str, Model]
    unavailable: dict[str, str]


def explain(error: Exception) -> str:
    """An error as a reason; unexpected ones with their type."""
    return str(error) if isinstance(error, BenchError) else f"{type(error).__name__}: {error}"


def load_roster(spec: RunSpec, references: Sequence[str], device: str) -> Roster:
    """Load every model once; one that fails is listed and stops no other.

    Raises:
        BenchError: two models share a name.
    """
    roster = Roster({}, {}, {})
    for reference in references:
        try:
            model = load_model(reference, spec.checkpoints.get(reference), device)
            _check_card(model)
            for network in _networks(model):
                set_inference(network, spec.inference)
        except Exception as error:
            log.warning("%s cannot be loaded", reference, exc_info=error)
            roster.unavailable[reference] = explain(error)
            continue
        if model.card.name.casefold() in (name.casefold() for name in roster.models):
            raise BenchError(f"two models are called {model.card.name!r}; rename one of them")
        roster.references[model.card.name] = reference
        roster.models[model.card.name] = model
    return roster


def _networks(model: Model) -> list[NeuralGenerator]:
    """The generators with a network that a model is made of."""
    parts = model.members.values() if isinstance(model, CrossTrained) else [model]
    return [part for part in parts if isinstance(part, NeuralGenerator)]


def _check_card(model: Model) -> None:
    card = getattr(model, "card", None)
    if not isinstance(card, GeneratorCard) or not isinstance(card.name, str) or not card.name:
        raise BenchError(f"{type(model).__name__} needs a GeneratorCard with a name as its attribute 'card'")


def make_cell(
    model: Model,
    reference: str,
    plan: DatasetPlan,
    spec: RunSpec,
    loader: ImageLoader,
    device: str,
) -> Cell:
    """Prepare a model for a data set: fit it where it has a closed form, translate where it generates."""
    if isinstance(model, ClosedForm):
        return Cell(plan, _fitted(reference, plan, spec, loader, device), "main")
    if isinstance(model, CrossTrained):
        return Cell(plan, _cross_trained(model, plan, spec, device), "main")
    answering = Guarded(model) if isinstance(model, Synthesizer) else _translated(model, plan, spec, device)
    return Cell(plan, answering, _block(answering.card, plan))


def _block(card: GeneratorCard, plan: DatasetPlan) -> Block:
    if card.control:
        return "control"
    home = card.trained_on.replace("/", " ").split(" ")[0]
    seen = plan.protocol == "cross-fit"  # its own training subjects are among those that are tested
    return "main" if home == plan.home and not seen else "transfer"


def _translated(generator: Generator, plan: DatasetPlan, spec: RunSpec, device: str) -> GeneratorSynthesizer:
    return GeneratorSynthesizer(generator, plan.dataset.expressions, spec.resolution, device=device)


def _fitted(
    reference: str, plan: DatasetPlan, spec: RunSpec, loader: ImageLoader, device: str
) -> Synthesizer:
    def make() -> ClosedForm:
        model = load_model(reference, device=device)
        assert isinstance(model, ClosedForm)
        return model

    def fitted_on(train: Dataset) -> GeneratorSynthesizer:
        return _translated(fit(make, train, spec.seed, loader, spec.resolution), plan, spec, device)

    if plan.protocol != "cross-fit":
        return fitted_on(plan.train)
    return _cross_fitted(fitted_on, plan, spec)


def _cross_trained(model: CrossTrained, plan: DatasetPlan, spec: RunSpec, device: str) -> Synthesizer:
    if plan.protocol != "cross-fit":
        raise BenchError(
            f"{model.card.name} was trained in folds of {model.data}, and this run does not cut {plan.name} "
            "into folds: train without --folds"
        )
    return _cross_fitted(lambda rest: _translated(model.trained_on(rest), plan, spec, device), plan, spec)


def _cross_fitted(
    trained_on: Callable[[Dataset], Synthesizer], plan: DatasetPlan, spec: RunSpec
) -> CrossFitted:
    parts = folds(plan.train, spec.folds, spec.seed)
    return CrossFitted([(subjects, trained_on(rest)) for subjects, rest in parts], plan.train.name)
