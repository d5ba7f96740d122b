"""Generators that are networks with weights: the base class of the neural models."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fesbench.datasets.expressions import known_name

from ..core.contracts import Dataset, Generator, GeneratorCard
from ..core.errors import CheckpointError, UnsupportedEdit
from ..core.plurals import counted
from ..weights.tensors import read_checkpoint, with_statistics
from .architecture import Architecture
from .hyperparameters import Settings
from .layers import one_hot
from .objectives import Objective
from .training_data import TrainingImages
from .trial import try_out

TUNED_BY = ("embedded-judge1",)
"""The network that ``small_weights`` were chosen with, see docs/tuning.md."""


DEFAULT_RESOLUTION = 128
"""Pixels at which the authors of all models here train, where a checkpoint does not state its own."""


class Stated(NamedTuple):
    """What a checkpoint states of its labels, in order, and of its image size in pixels, if anything."""

    expressions: tuple[str, ...] = ()
    resolution: int | None = None


class NeuralGenerator(Generator):
    """A network behind the generator contract.

    ``network(images, condition)`` takes the official model's own condition and returns its composed image
    before clamping. A subclass defines ``architecture``, ``objective`` and, unless the condition is the
    one-hot target, ``condition``.

    Attributes:
        template: Card of the method; each model adds its expressions, resolution and parameter count.
        official: Settings with which the authors train.
        small_weights: Loss weights that suit small networks better than the official ones.
        trials: The number of tuning runs that led to ``small_weights``, see docs/training.md.
        learns_from: What the training is told of its images, in words, for the card.
        training_choices: Where our training departs from the authors', for the card.
        label_orders: The authors' order of the expressions, by their number.
        tracked_layers: Regular expression of the normalisation layers whose running statistics the official
            network saves and never uses; None if there are none.
        official_wrapper: Key under which the official file keeps the state_dict; None for a bare one.
        has_official_code: Whether the authors published code that can load an exported file.
        learns_from_units: Whether action units that were measured on images can take part in its training.
    """

    template: GeneratorCard
    official: Settings
    small_weights: Mapping[str, float] = MappingProxyType({})
    trials: int = 0
    learns_from: str = "the expression of each image"
    training_choices: tuple[str, ...] = ()
    label_orders: Mapping[int, Sequence[str]] = MappingProxyType({})
    tracked_layers: str | None = None
    official_wrapper: str | None = None
    has_official_code: bool = True
    learns_from_units: bool = False

    def __init__(self, network: nn.Module, expressions: Sequence[str], resolution: int) -> None:
        self.network = network.eval().requires_grad_(False)
        self.card = replace(
            self.template,
            expressions=tuple(expressions),
            resolution=resolution,
            parameters=sum(parameter.numel() for parameter in network.parameters()),
        )

    @classmethod
    @abstractmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return how to build the network that ``state`` belongs to.

        Args:
            state: Official names to tensors.
            resolution: The image size in pixels that the model was trained at.
        """

    @classmethod
    def from_official(
        cls,
        state: Mapping[str, Tensor],
        expressions: Sequence[str] | None = None,
        resolution: int = DEFAULT_RESOLUTION,
    ) -> Self:
        """Build the generator from the official model's state_dict.

        Args:
            state: Official names to tensors.
            expressions: Names of the labels, in any spelling that the suite knows and in the order in which
                the model was trained; default the authors' order, where it is known.
            resolution: The image size in pixels that the model was trained at.

        Raises:
            CheckpointError: the tensors do not fit, or ``expressions`` is needed and missing.
        """
        network, classes = cls.architecture(state, resolution).load(state)
        names = tuple(map(known_name, expressions or ()))
        return cls(network, cls.label_names(classes, names or None), resolution)

    @classmethod
    def label_names(cls, classes: int, expressions: Sequence[str] | None) -> tuple[str, ...]:
        """Return the names of a checkpoint's labels: ``expressions``, or else the authors' own.

        Raises:
            CheckpointError: there are no names, or not as many as ``classes``.
        """
        names = tuple(expressions or cls.label_orders.get(classes, ()))
        if len(names) != classes:
            labels = f"{counted(classes, 'class', 'classes')} and {counted(len(names), 'name')}"
            raise CheckpointError(
                f"the checkpoint has {labels} for them; name its labels in the order of its training, with "
                f"--labels {cls.template.name}=neutral,happy,… or expressions=(…)"
            )
        return names

    def official_state(self) -> dict[str, Tensor]:
        """Return the state_dict that the official network would save, the inverse of ``from_official``.

        Returns:
            New tensors on the CPU, with the official names and shapes.
        """
        state = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
        return state if self.tracked_layers is None else with_statistics(state, self.tracked_layers)

    @classmethod
    def prepared(cls, train: Dataset, images: TrainingImages) -> TrainingImages:
        """Return what the training learns from; a model with a stage that is fitted first does that here.

        Args:
            train: The training data.
            images: Its images, as ``load_images`` returns them.
        """
        return images

    @staticmethod
    @abstractmethod
    def objective(data: TrainingImages, settings: Settings) -> Objective:
        """Return new networks for the expressions of ``data``, with the losses that train them."""

    @classmethod
    def trained(cls, network: nn.Module, data: TrainingImages, resolution: int) -> Self:
        """Return the generator of a network that an objective of ``data`` has trained."""
        return cls(network, data.expressions, resolution)

    @classmethod
    def supervision_of(cls, data: TrainingImages) -> str:
        """Return what a training on ``data`` is told of its images, in words."""
        return cls.learns_from

    def with_units(self, units: Mapping[str, NDArray[np.float32]], origin: str) -> Self:
        """Return the same network driven by other action units.

        Args:
            units: (17,) units in 0..1 by expression; the expressions become the labels.
            origin: Where they come from, for the card.

        Raises:
            CheckpointError: no units drive the network.
        """
        raise CheckpointError(
            f"{self.card.name} is driven by labels, so the action units of {origin} do nothing"
        )

    def write_beside(self, path: Path) -> None:
        """Write what a checkpoint at ``path`` needs beyond its tensors and its card."""

    def condition(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the network's condition for (B,) int64 labels: (B, expressions) one-hot targets, float32."""
        return one_hot(len(self.card.expressions))(source, target)

    @classmethod
    def from_checkpoint(
        cls, path: Path | str, expressions: Sequence[str] | None = None, resolution: int | None = None
    ) -> Self:
        """Load the file that the authors' code saves, or one of ``save_checkpoint``.

        Labels and image size are those of the arguments, else those of the card beside the file, else those
        of ``stated_beside``, else the authors' defaults; the last are listed in ``card.assumed``.

        Args:
            path: The file.
            expressions: Names of the labels; see ``from_official``.
            resolution: The image size in pixels that the model was trained at.

        Raises:
            CheckpointError: the file is neither, or belongs to another model, or the model cannot take images
                of this size.
        """
        path = Path(path)
        content = read_checkpoint(path)
        card = content.card
        if card is not None and card.name != cls.template.name:
            raise CheckpointError(
                f"{path} holds {card.name!r}, not {cls.template.name!r}; load it by its name"
            )
        stated = Stated(card.expressions, card.resolution) if card else cls.stated_beside(path)
        names, size = tuple(expressions or stated.expressions), resolution or stated.resolution
        generator = cls.from_official(content.state, names or None, size or DEFAULT_RESOLUTION)
        generator.check_size()
        if card is None:
            origin = f"{path.name}, sha256 {content.digest}"
            generator.card = replace(
                generator.card,
                weights=origin,
                trained_on="not stated in the file",
                assumed=tuple(cls._assumptions(generator.card, bool(names), bool(size))),
            )
            return generator
        own = generator.card
        generator.card = replace(
            card, expressions=own.expressions, resolution=own.resolution, parameters=own.parameters
        )
        return generator

    @classmethod
    def stated_beside(cls, path: Path) -> Stated:
        """Return what other files of the authors' code state of a checkpoint without a card."""
        return Stated()

    @classmethod
    def _assumptions(cls, card: GeneratorCard, named: bool, sized: bool) -> Iterator[str]:
        if not named and cls.label_orders.get(len(card.expressions)) is not None:
            yield (
                "the checkpoint does not state its labels, which are assumed to be the authors', in this "
                f"order: {', '.join(card.expressions)}; name others with --labels"
            )
        if not sized:
            yield (
                f"the checkpoint does not state its image size, which is assumed to be {card.resolution} "
                "pixels; state another with --native-size"
            )

    def check_size(self) -> None:
        """Check that the network takes and returns images of ``card.resolution``.

        Raises:
            CheckpointError: it does not; the message names the nearest sizes that it takes.
        """
        size = self.card.resolution
        if size is not None and not self.takes(size):
            near = sorted(range(8, size + 129, 4), key=lambda other: abs(other - size))
            fitting = [other for other in near if self.takes(other)][:2]
            remedy = f"; it takes {' or '.join(map(str, sorted(fitting)))}" if fitting else ""
            raise CheckpointError(f"{self.card.name} cannot take images of {size} x {size} pixels{remedy}")

    def takes(self, size: int) -> bool:
        """Return whether the network takes and returns images of ``size`` pixels."""
        label = torch.zeros(1, dtype=torch.int64)
        try:
            outputs: Tensor = try_out(self.network, size, self.condition(label, label))
        except (RuntimeError, ValueError):
            return False
        return outputs.shape == (1, 3, size, size)

    @classmethod
    def default(cls) -> Self:
        """Load the small model that ships with the suite.

        Raises:
            CheckpointError: this installation has none.
        """
        path = Path(str(files("fesbench.baselines") / "shipped" / f"{cls.template.name}.safetensors"))
        if not path.exists():
            raise CheckpointError(
                f"no weights of {cls.template.name!r} came with this installation ({path} is missing); "
                f"train some with 'bench train --model {cls.template.name} --data rendered' "
                "and pass them with --checkpoint"
            )
        return cls.from_checkpoint(path)

    @torch.no_grad()
    def synthesize(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Run the network; see ``Generator.synthesize``.

        Raises:
            UnsupportedEdit: a target label outside ``card.expressions``.
        """
        self.check_labels(target)
        outputs: Tensor = self.network(images, self.condition(source, target))
        return outputs.clamp(-1.0, 1.0)

    def check_labels(self, labels: Tensor) -> None:
        """Refuse target labels that the network does not know.

        Raises:
            UnsupportedEdit: a label outside ``card.expressions``.
        """
        wrong = [label for label in labels.tolist() if not 0 <= label < len(self.card.expressions)]
        if wrong:
            raise UnsupportedEdit(
                f"{self.card.name} has no label {wrong[0]}: its labels are those of "
                f"{', '.join(self.card.expressions)}"
            )

    def to(self, device: str) -> Self:
        """Move the network."""
        self.network.to(device)
        return self
