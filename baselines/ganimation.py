"""GANimation (Pumarola et al., ECCV 2018, arXiv 1807.09251): colour driven by action units, and a mask.

Source: albertpumarola/GANimation @40da9ae (GPL-3), re-implemented layer for layer under the official
state_dict names; none of the code is taken over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fesbench.core.contracts import GeneratorCard
from fesbench.core.errors import CheckpointError
from fesbench.datasets.action_units import (
    COLUMNS,
    Units,
    prototypes,
    read_prototypes,
    write_prototypes,
)
from fesbench.generators.architecture import Architecture, count, length
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import RESIDUAL_BLOCKS, ResidualBlock, image_head, tile_condition, trunk
from fesbench.generators.losses import gradient_penalty
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.objectives import Objective, Terms
from fesbench.generators.training_data import TrainingImages

UNITS = len(COLUMNS)
"""Length of a condition of action units. A network of seventeen labels has a condition of that length too."""

BY_UNITS, BY_LABELS = "action units", "labels"
"""What drives a network; see ``GeneratorCard.driven_by``."""

UNITS_ASSUMED = (
    "the checkpoint does not state what its seventeen condition values are, which are assumed to be "
    "OpenFace's action units; name seventeen labels with --labels where they are expressions"
)

NOISE = 0.1
"""Largest noise on target conditions in training, as in the official code."""


class GANimationNetwork(nn.Module):
    """The official generator: StarGAN's trunk, then a colour image and a mask of what to keep of the input.

    Args:
        units: Length of the condition (``cond_nc``).
        width: Channels of the first layer (``conv_dim``).
        blocks: Residual blocks (``repeat_num``).
    """

    def __init__(self, units: int = UNITS, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        bottleneck = [ResidualBlock(4 * width) for _ in range(blocks)]
        self.units = units
        self.main = nn.Sequential(*trunk(3 + units, width, bottleneck))
        self.img_reg = nn.Sequential(image_head(width), nn.Tanh())
        # The official name, misspelt.
        self.attetion_reg = nn.Sequential(nn.Conv2d(width, 1, 7, padding=3, bias=False), nn.Sigmoid())

    def colour_and_attention(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return the outputs of the official ``forward``: (B, 3, R, R) in (-1, 1), (B, 1, R, R) in (0, 1)."""
        features = self.main(tile_condition(images, condition))
        return self.img_reg(features), self.attetion_reg(features)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Return (B, 3, R, R) in [-1, 1] for such images, R a multiple of 4, and conditions (B, units)."""
        return compose(images, *self.colour_and_attention(images, condition))


ARCHITECTURE = Architecture(
    GANimationNetwork,
    classes=length("main.0.weight", 1, offset=-3),
    official_classes=UNITS,
    sizes={"width": length("main.0.weight", 0), "blocks": count(RESIDUAL_BLOCKS)},
)


def compose(images: Tensor, colour: Tensor, attention: Tensor) -> Tensor:
    """Blend ``images`` and ``colour``: the input where ``attention`` is 1, the colour where it is 0."""
    return attention * images + (1 - attention) * colour


def roughness(attention: Tensor) -> Tensor:
    """Return the sum of absolute differences between neighbours in a (B, 1, R, R) mask, mean over masks.

    The official code's total variation; the paper writes squares.
    """
    return (attention.diff(dim=2).abs().sum() + attention.diff(dim=3).abs().sum()) / len(attention)


class GANimationObjective(Objective):
    """The official losses: Wasserstein, regression of the condition, cycle, and a sparse and smooth mask.

    The official code divides a mean square error by the batch size once more, and sums roughness over the
    batch. Here every term is a mean over the batch, and the weights are those that the official ones, 4000
    and 1e-5, come to at the official batch of 25. The gradient penalty, which the official code steps on by
    itself, is one term among the others.

    Args:
        generator: See ``Objective``.
        discriminator: Gives (realness map, estimated condition).
        conditions: (people, expressions, units), the condition of each person's expressions.
        settings: See ``Objective``.
    """

    official_weights: ClassVar[Mapping[str, float]] = {
        "d_condition": 160.0,
        "d_penalty": 10.0,
        "g_condition": 160.0,
        "g_cycle": 10.0,
        "g_attention": 0.1,
        "g_roughness": 2.5e-4,
    }
    generator: GANimationNetwork
    conditions: Tensor

    def __init__(
        self,
        generator: GANimationNetwork,
        discriminator: nn.Module,
        conditions: Tensor,
        settings: Settings,
    ) -> None:
        super().__init__(generator, discriminator, settings)
        self.register_buffer("conditions", conditions, persistent=False)

    def discriminator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return Wasserstein distance, regression of the real images' condition, gradient penalty."""
        shown, wanted = self._conditions(batch, draws)
        with torch.no_grad():
            fakes, _ = self.paint(batch.images, wanted)
        realness, estimated = self.discriminator(batch.images)
        fakeness, _ = self.discriminator(fakes)
        return {
            "d_real": -realness.mean(),
            "d_fake": fakeness.mean(),
            "d_condition": F.mse_loss(estimated, shown),
            "d_penalty": gradient_penalty(lambda x: self.discriminator(x)[0], batch.images, fakes, draws),
        }

    def generator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return realness and condition of the edits, L1 of the cycle, and the masks of both passes."""
        shown, wanted = self._conditions(batch, draws)
        fakes, there = self.paint(batch.images, wanted)
        realness, estimated = self.discriminator(fakes)
        returned, back = self.paint(fakes, shown)
        return {
            "g_fake": -realness.mean(),
            "g_condition": F.mse_loss(estimated, wanted),
            "g_cycle": (batch.images - returned).abs().mean(),
            "g_attention": there.mean() + back.mean(),
            "g_roughness": roughness(there) + roughness(back),
        }

    def paint(self, images: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Return composed images and their masks, computed in ``settings.precision``, as float32."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed):
            colour, attention = self.generator.colour_and_attention(images, condition)
        return compose(images, colour.float(), attention.float()), attention.float()

    def _conditions(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return the batch's own conditions, and targets: those of other images with noise."""
        noise = (2 * draws.uniform(self.conditions.shape[-1]) - 1) * NOISE
        whole, exemplars = draws.whole, draws.exemplars()
        wanted = self.conditions[whole.subjects[exemplars], whole.labels[exemplars]]
        return self.conditions[batch.subjects, batch.labels], wanted + noise


class GANimation(NeuralGenerator):
    """GANimation behind the generator contract; needs no source.

    A network with as many condition channels as expressions is driven by the one-hot expression, unless
    ``units`` are given. Any other is driven by seventeen action units: an expression is asked for by its
    prototype. ``card.driven_by`` says which.

    Args:
        network: Its condition may have any length.
        expressions: Names of the labels.
        resolution: In pixels.
        units: Expression to action units, each (17,) float32 in 0..1; None takes the table of prototypes
            where action units drive the network.

    Attributes:
        measured: Units that came with the checkpoint or from the user; None where they are the table's.

    Raises:
        CheckpointError: ``expressions`` do not fit the length of the condition, or have no units.
    """

    template = GeneratorCard(
        name="ganimation",
        title="GANimation",
        year=2018,
        citation="Pumarola et al., GANimation: Anatomically-aware Facial Animation from a Single Image, "
        "ECCV 2018",
        source="https://github.com/albertpumarola/GANimation",
        licence="GPL-3.0 (the official code; this is a re-implementation)",
        supervision="unpaired",
    )

    official = Settings(
        resolution=128,
        width=64,
        discriminator_width=64,
        batch_size=25,
        n_critic=5,
        learning_rate=1e-4,
        average=0.0,
        schedule="linear",
        decay_from=2 / 3,
    )

    learns_from_units = True
    trials = 6
    small_weights = MappingProxyType({"d_condition": 20.0, "g_condition": 20.0, "g_cycle": 2.5})
    training_choices = (
        "the gradient penalty is added to the discriminator's loss; the official code steps on it separately",
        "wanted conditions are those of others of the batch",
        "discriminator halves the image down to 2 x 2, as the official one does at 128 pixels, and starts "
        "from He's initialisation",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training",
    )

    def __init__(
        self,
        network: GANimationNetwork,
        expressions: Sequence[str],
        resolution: int,
        units: Mapping[str, Units] | None = None,
    ) -> None:
        super().__init__(network, expressions, resolution)
        by_labels = units is None and len(expressions) == network.units
        if not by_labels and network.units != UNITS:
            raise CheckpointError(
                f"the network takes {network.units} expressions, not {len(expressions)} and not action units"
            )
        self.measured: Mapping[str, Units] | None = None
        self.conditions = (
            torch.eye(network.units) if by_labels else _table(expressions, units or prototypes())
        )
        self.card = replace(self.card, driven_by=BY_LABELS if by_labels else BY_UNITS)

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the official generator's architecture."""
        return ARCHITECTURE

    @classmethod
    def label_names(cls, classes: int, expressions: Sequence[str] | None) -> tuple[str, ...]:
        """See ``NeuralGenerator``; action units drive any expressions, by default the basic ones."""
        if classes == UNITS:
            return tuple(expressions or prototypes())
        return super().label_names(classes, expressions)

    @classmethod
    def from_checkpoint(
        cls, path: Path | str, expressions: Sequence[str] | None = None, resolution: int | None = None
    ) -> Self:
        """Load a file, and the action units of its expressions if there is a table beside it.

        ``NAME.action_units.csv`` beside ``NAME.pth`` replaces the table of prototypes; see
        ``datasets.action_units.read_prototypes``.

        Raises:
            CheckpointError: the file cannot be used, or no units drive the network.
            DatasetError: the units cannot be used.
        """
        generator = super().from_checkpoint(path, expressions, resolution)
        by_labels = torch.equal(generator.conditions, torch.eye(len(generator.conditions)))
        driven_by = generator.card.driven_by or (BY_LABELS if by_labels else BY_UNITS)
        generator.card = replace(generator.card, driven_by=driven_by)
        beside = Path(path).with_suffix(".action_units.csv")
        if beside.exists():
            return generator.with_units(read_prototypes(beside), beside.name)
        if driven_by == BY_UNITS and by_labels:
            raise CheckpointError(
                f"{path} is driven by action units, and their table {beside.name} is missing"
            )
        return generator

    @classmethod
    def _assumptions(cls, card: GeneratorCard, named: bool, sized: bool) -> Iterator[str]:
        yield from super()._assumptions(card, named, sized)
        if card.driven_by == BY_UNITS:
            yield UNITS_ASSUMED

    @classmethod
    def trained(cls, network: nn.Module, data: TrainingImages, resolution: int) -> Self:
        """See ``NeuralGenerator``; measured units are kept with the network."""
        assert isinstance(network, GANimationNetwork)
        generator = cls(network, data.expressions, resolution, _units_of(data))
        generator.measured = data.expression_units
        return generator

    @classmethod
    def supervision_of(cls, data: TrainingImages) -> str:
        """See ``NeuralGenerator``: labels, or action units and where they come from."""
        if _units_of(data) is None:
            return "the labels of the images: one condition value for each expression"
        if data.action_units is None:
            return "the labels of the images, each as the action units of its prototype: none were measured"
        if data.expression_units is None:
            return "the action units that the data set states of each image"
        return "the action units that OpenFace measured on the images"

    def write_beside(self, path: Path) -> None:
        """Write the units that replace the table of prototypes, if any do."""
        if self.measured is not None:
            write_prototypes(self.measured, path.with_suffix(".action_units.csv"))

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> GANimationObjective:
        """Return new networks with the official losses; see ``training_choices``.

        Action units drive the network if they were measured or every expression of ``data`` has a prototype:
        the units of the images where they are known, else the expression's. Otherwise one-hot expressions do.
        """
        conditions = _conditions_of(data)
        length = conditions.shape[-1]
        network, discriminator = (
            GANimationNetwork(length, settings.width),
            new_discriminator(length, settings),
        )
        return GANimationObjective(network, discriminator, conditions, settings)

    def with_units(self, units: Mapping[str, Units], origin: str) -> Self:
        """See ``NeuralGenerator``."""
        if self.card.driven_by == BY_LABELS:
            raise CheckpointError(
                f"the network takes {len(self.conditions)} expressions, not action units, so {origin} cannot "
                "drive it; move that file away, or leave the option out"
            )
        assert isinstance(self.network, GANimationNetwork)
        generator = type(self)(self.network, tuple(units), self.card.resolution or 128, units)
        generator.measured = units
        generator.card = replace(
            self.card,
            expressions=tuple(units),
            choices=(*self.card.choices, f"the action units of each expression are those of {origin}"),
            assumed=tuple(text for text in self.card.assumed if text != UNITS_ASSUMED),
        )
        return generator

    def condition(self, source: Tensor, target: Tensor) -> Tensor:
        """Return (B, 17) action units in 0..1, or (B, C) one-hot targets; float32."""
        return self.conditions.to(target.device)[target]


def _table(expressions: Sequence[str], known: Mapping[str, Units]) -> Tensor:
    """(expressions, 17): the units that ask for each expression."""
    missing = [name for name in expressions if name not in known]
    if missing:
        raise CheckpointError(
            f"the checkpoint is driven by action units, and none are known for {', '.join(missing)}; "
            "leave expressions out, and put a table of units beside it (NAME.action_units.csv)"
        )
    return torch.from_numpy(np.stack([known[name] for name in expressions]))


def _units_of(data: TrainingImages) -> Mapping[str, Units] | None:
    """The units that ask for each expression, measured or of the table; None where there are not all."""
    known = prototypes() if data.expression_units is None else data.expression_units
    return known if known.keys() >= set(data.expressions) else None


def _conditions_of(data: TrainingImages) -> Tensor:
    """(people, expressions, length): the mean over a person's images of an expression, else the table's."""
    people, expressions, units = int(data.subjects.max()) + 1, len(data.expressions), _units_of(data)
    if units is None:
        return torch.eye(expressions).repeat(people, 1, 1)
    table = _table(data.expressions, units)
    if data.action_units is None:
        return table.repeat(people, 1, 1)
    known = data.action_units.isfinite().all(dim=1)
    shots = (data.subjects * expressions + data.labels)[known]
    count = torch.bincount(shots, minlength=people * expressions)[:, None]
    total = torch.zeros(people * expressions, UNITS).index_add_(0, shots, data.action_units[known])
    means = torch.where(count > 0, total / count.clamp(min=1), table.repeat(people, 1))
    return means.reshape(people, expressions, UNITS)
