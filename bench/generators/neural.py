"""What every generator that is a network with weights has in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Self

import torch
from torch import Tensor, nn

from ..core.contracts import Generator, GeneratorCard
from ..core.errors import CheckpointError, UnsupportedEdit
from ..weights.tensors import read_checkpoint
from .hyperparameters import Settings
from .layers import one_hot
from .objectives import Objective
from .training_data import TrainingImages

TUNED_BY = ("embedded-judge1",)
"""The network that ``small_weights`` were chosen with, see docs/tuning.md."""


class NeuralGenerator(Generator):
    """A network behind the generator contract.

    A subclass states ``template``, the card of the method itself, ``official``, how its authors train it,
    ``small_weights``, what suits small networks better than the official weights of the losses,
    ``training_choices``, where our training departs from that, and, unless they are one-hot
    targets, how labels become the network's condition.
    ``network(images, condition)`` takes the official model's own conditioning and returns its composed
    image before clamping. Where the official file keeps the network's state_dict in a dictionary,
    ``official_wrapper`` is its key.
    """

    template: GeneratorCard
    official: Settings
    small_weights: Mapping[str, float] = MappingProxyType({})
    training_choices: tuple[str, ...] = ()
    official_wrapper: str | None = None
    has_official_code: bool = True

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
    def from_official(
        cls, state: Mapping[str, Tensor], expressions: Sequence[str] | None = None, resolution: int = 128
    ) -> Self:
        """Build the generator from the official model's state_dict.

        Args:
            state: Official names to tensors.
            expressions: Names of the labels, in the order in which the model was trained; where the file's
                authors fixed one, that is the default.
            resolution: The image size in pixels that the model was trained at.

        Raises:
            CheckpointError: the tensors do not fit, or the order of the labels cannot be known.
        """

    def official_state(self) -> dict[str, Tensor]:
        """The inverse of ``from_official``: exactly the names and shapes that the official network saves.

        A subclass adds what the official network holds and ours leaves out.

        Returns:
            New tensors on the CPU.
        """
        return {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}

    @staticmethod
    @abstractmethod
    def objective(data: TrainingImages, settings: Settings) -> Objective:
        """New networks for ``data``'s expressions, and the losses by which they are trained."""

    def condition(self, source: Tensor, target: Tensor) -> Tensor:
        """(B,) int64 labels to the network's own condition: (B, expressions) one-hot targets, float32."""
        return one_hot(len(self.card.expressions))(source, target)

    @classmethod
    def from_checkpoint(cls, path: Path | str, expressions: Sequence[str] | None = None) -> Self:
        """Load a file: the official one as its authors' code saves it, or ours with its card beside it.

        Args:
            path: The file.
            expressions: Names of an official file's labels; see ``from_official``.

        Raises:
            CheckpointError: the file is neither, or is another model's.
        """
        content = read_checkpoint(Path(path))
        if content.card is None:
            generator = cls.from_official(content.state, expressions)
            origin = f"{Path(path).name}, sha256 {content.digest}"
            generator.card = replace(generator.card, weights=origin, trained_on="not stated in the file")
            return generator
        card = content.card
        if card.name != cls.template.name:
            raise CheckpointError(
                f"{path} holds {card.name!r}, not {cls.template.name!r}; load it by its name"
            )
        generator = cls.from_official(content.state, card.expressions, card.resolution or 128)
        generator.card = replace(card, parameters=generator.card.parameters)
        return generator

    @classmethod
    def default(cls) -> Self:
        """The small model that ships with the suite.

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
        wrong = [label for label in target.tolist() if not 0 <= label < len(self.card.expressions)]
        if wrong:
            raise UnsupportedEdit(
                f"{self.card.name} has no label {wrong[0]}: its {len(self.card.expressions)} expressions "
                f"are {', '.join(self.card.expressions)}"
            )
        outputs: Tensor = self.network(images, self.condition(source, target))
        return outputs.clamp(-1.0, 1.0)

    def to(self, device: str) -> Self:
        """Move the network."""
        self.network.to(device)
        return self


def label_names(
    count: int, given: Sequence[str] | None, known: Mapping[int, Sequence[str]]
) -> tuple[str, ...]:
    """Names for the labels of an official file.

    Args:
        count: How many labels the file's network has.
        given: The user's names, if any.
        known: The authors' names by number of labels.

    Raises:
        CheckpointError: there are no names, or too many or too few.
    """
    names = tuple(given or known.get(count, ()))
    if len(names) != count:
        raise CheckpointError(
            f"the checkpoint has {count} classes and {len(names)} names are known for them; "
            "pass expressions in the order of its training labels"
        )
    return names
