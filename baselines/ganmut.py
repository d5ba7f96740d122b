"""GANmut (d'Apolito et al., CVPR 2021): expressions are points of a plane that the generator learns.

Source: stefanodapolito/GANmut @ad4addc, re-implemented under the official state_dict names. Its linear form
gives each expression a direction, neutral the origin; its gaussian form gives each a centre. The official
networks work on BGR images; these take and return RGB and reverse the channels inside.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fesbench.core.contracts import NEUTRAL, GeneratorCard
from fesbench.core.errors import DatasetError
from fesbench.generators.architecture import Architecture, count, length
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import (
    RESIDUAL_BLOCKS,
    ResidualBlock,
    he_initialise,
    image_head,
    strided_layers,
    tile_condition,
    trunk,
)
from fesbench.generators.losses import gradient_penalty
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.objectives import Objective, Terms
from fesbench.generators.training_data import TrainingImages

from .stargan import StarGAN

AFFECTNET_ORDER = (NEUTRAL, "happy", "sad", "surprised", "fearful", "disgusted", "angry")
"""The authors' labels: the seven expressions in AffectNet's order."""

WEAKEST, NOISE, FREE = 0.2, 0.075, 5 / 16
"""In training: the least strength of an expression, and the most of neutral; the standard deviation of codes
around a direction; the part of a batch whose codes have any direction (official: 5 of 16)."""


class GANmutNetwork(nn.Module, ABC):
    """StarGAN's generator with a 2-D code as its condition.

    Args:
        width: Channels of the first layer (``conv_dim``).
        blocks: Residual blocks (``repeat_num``).
    """

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        bottleneck = [ResidualBlock(4 * width) for _ in range(blocks)]
        self.main = nn.Sequential(*trunk(3 + 2, width, bottleneck), image_head(width), nn.Tanh())

    def forward(self, images: Tensor, code: Tensor) -> Tensor:
        """Return (B, 3, R, R) RGB in (-1, 1) for such images, R a multiple of 4, and codes (B, 2)."""
        outputs: Tensor = self.main(tile_condition(images.flip(1), code))
        return outputs.flip(1)

    @abstractmethod
    def codes(self) -> Tensor:
        """Return the code of each expression at full strength: (classes, 2)."""


class LinearNetwork(GANmutNetwork):
    """The linear form: a direction for each expression but neutral.

    Args:
        classes: Number of expressions, neutral included.
        width: See ``GANmutNetwork``.
        blocks: See ``GANmutNetwork``.
        neutral: Label of the neutral expression.
    """

    def __init__(self, classes: int, width: int = 64, blocks: int = 6, neutral: int = 0) -> None:
        super().__init__(width, blocks)
        self.neutral = neutral
        self.axes = nn.Linear(2, classes - 1)  # its bias is in the official files, and unused there too
        with torch.no_grad():
            self.axes.weight *= 1e-4  # official: short vectors turn easily

    def codes(self) -> Tensor:
        """Return unit vectors, and the origin for neutral: (classes, 2)."""
        directions = F.normalize(self.axes.weight, dim=1)
        before, after = directions[: self.neutral], directions[self.neutral :]
        return torch.cat([before, directions.new_zeros(1, 2), after])


class GaussianNetwork(GANmutNetwork):
    """The gaussian form: a centre for each expression, and a covariance that only its training needs.

    Args:
        classes: Number of expressions.
        width: See ``GANmutNetwork``.
        blocks: See ``GANmutNetwork``.
    """

    def __init__(self, classes: int, width: int = 64, blocks: int = 6) -> None:
        super().__init__(width, blocks)
        self.mu = nn.Linear(2, classes, bias=False)
        self.covariance_axes = nn.Linear(2, classes, bias=False)
        self.covariance_angles = nn.Linear(classes, 1, bias=False)

    def codes(self) -> Tensor:
        """Return the centres as stored, like the official inference; its training takes their tanh."""
        return self.mu.weight


SIZES = {"width": length("main.0.weight", 0), "blocks": count(RESIDUAL_BLOCKS)}
LINEAR = Architecture(LinearNetwork, length("axes.weight", 0, offset=1), official_classes=7, sizes=SIZES)
GAUSSIAN = Architecture(GaussianNetwork, length("mu.weight", 0), official_classes=7, sizes=SIZES)


class GANmutDiscriminator(nn.Module):
    """The official discriminator of the linear form: StarGAN's, with a third head that predicts the code.

    Args:
        resolution: Image size R in pixels.
        classes: Number of expressions.
        width: Channels of the first layer (``conv_dim``).
        depth: Halvings (``repeat_num``); the official 6 leave 2 × 2 at 128 pixels.
    """

    def __init__(self, resolution: int, classes: int, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        top = width * 2 ** (depth - 1)
        self.main = nn.Sequential(*strided_layers(width, depth))
        self.conv1 = nn.Conv2d(top, 1, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(top, classes, resolution >> depth, bias=False)
        self.conv3 = nn.Conv2d(top, 2, resolution >> depth, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return a realness map (B, 1, r, r), logits (B, classes) and codes (B, 2) of (B, 3, R, R) images."""
        features = self.main(images)
        return self.conv1(features), self.conv2(features).flatten(1), self.conv3(features).flatten(1)


def free_count(size: int) -> int:
    """Return how many images of a whole batch of ``size`` get codes of any direction."""
    return round(FREE * size)


class LinearObjective(Objective):
    """The linear form's objective: the discriminator must predict the code of an edit from the image."""

    official_weights: ClassVar[Mapping[str, float]] = {
        "d_class": 1.0,
        "d_penalty": 10.0,
        "d_info": 1.0,
        "g_class": 1.0,
        "g_strength": 1.0,
        "g_info": 1.0,
        "g_cycle": 10.0,
    }

    @property
    def network(self) -> LinearNetwork:
        """The generator, typed."""
        return cast(LinearNetwork, self.generator)

    def draw(self, labels: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Draw codes (B, 2) for (B,) labels, those of ``free`` in any direction, and strengths (B,)."""
        uniform, turn = draws.uniform(), draws.uniform()
        noise = NOISE * draws.normal(2)
        strength = torch.where(
            labels == self.network.neutral, WEAKEST * uniform, WEAKEST + (1 - WEAKEST) * uniform
        )
        angle = 2 * math.pi * turn
        anywhere = strength[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1)
        along = strength[:, None] * self.network.codes()[labels] + noise
        return torch.where(self.free(draws)[:, None], anywhere, along), strength

    @staticmethod
    def free(draws: Draws) -> Tensor:
        """Return which images get codes of any direction, the first of the whole batch: (B,) bool."""
        return (draws.rows < free_count(draws.size)).to(draws.whole.labels.device)

    def discriminator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return Wasserstein distance, classification of real images, codes of edits, gradient penalty."""
        with torch.no_grad():
            codes, _ = self.draw(draws.targets(), draws)
            fakes = self(batch.images, codes)
        realness, predictions, _ = self.discriminator(batch.images)
        fakeness, _, read = self.discriminator(fakes)
        return {
            "d_real": -realness.mean(),
            "d_fake": fakeness.mean(),
            "d_class": F.cross_entropy(predictions, batch.labels),
            "d_info": F.mse_loss(read, codes),
            "d_penalty": gradient_penalty(lambda x: self.discriminator(x)[0], batch.images, fakes, draws),
        }

    def generator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return realness, class, strength and code of the edits, and L1 of the cycle.

        The strength of a face is the discriminator's confidence in its class. That of an edit must equal the
        length of its code, except towards neutral; that of the source is the length of the cycle's code.
        """
        targets = draws.targets()
        codes, strength = self.draw(targets, draws)
        fakes = self(batch.images, codes)
        realness, predictions, read = self.discriminator(fakes)
        expressive = (strength > WEAKEST).float()
        excess = (_confidence(predictions) - strength).square() * expressive
        with torch.no_grad():
            shown = _confidence(self.discriminator(batch.images)[1])
        returned = self(fakes, shown[:, None] * self.network.codes()[batch.labels])
        shows_target = (~self.free(draws)).float()
        class_loss = F.cross_entropy(predictions, targets, reduction="none") * shows_target
        return {
            "g_fake": -realness.mean(),
            "g_class": class_loss.mean() / (1 - free_count(draws.size) / draws.size),
            "g_strength": excess.sum() / expressive.sum().clamp_min(1),
            "g_info": F.mse_loss(read, codes),
            "g_cycle": (batch.images - returned).abs().mean(),
        }


class GANmut(NeuralGenerator):
    """GANmut behind the generator contract: the code of each label at full strength."""

    template = GeneratorCard(
        name="ganmut",
        title="GANmut",
        year=2021,
        citation="d'Apolito et al., GANmut: Learning Interpretable Conditional Space for Gamut of Emotions, "
        "CVPR 2021",
        source="https://github.com/stefanodapolito/GANmut",
        licence="BSD-like, see the source; the authors' weights are for non-commercial use",
        supervision="unpaired",
        choices=(
            "normalises by the image's own statistics, as the official inference does",
            "a label means its code at strength 1; neutral is the origin in the linear form",
        ),
    )

    official = replace(StarGAN.official, steps=2_000_000, schedule="constant", decay_to=0.0)

    training_choices = (
        "the linear form",
        "discriminator halves the image down to 2 x 2, and starts from He's initialisation",
        "5 of 16 codes have any direction, at every batch size; the way back has neither those nor noise",
        "weights are an exponential moving average over training",
    )

    network: GANmutNetwork

    label_orders = MappingProxyType({len(AFFECTNET_ORDER): AFFECTNET_ORDER})
    tracked_layers = ".*"

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the architecture of the gaussian form if the tensors are that form's, else of the linear."""
        return GAUSSIAN if "mu.weight" in state else LINEAR

    @classmethod
    def from_official(
        cls, state: Mapping[str, Tensor], expressions: Sequence[str] | None = None, resolution: int = 128
    ) -> Self:
        """See ``NeuralGenerator``; the origin of the linear form is neutral, without it the first label."""
        generator = super().from_official(state, expressions, resolution)
        names = generator.card.expressions
        if isinstance(generator.network, LinearNetwork) and NEUTRAL in names:
            generator.network.neutral = names.index(NEUTRAL)
        return generator

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> LinearObjective:
        """Return new networks of the linear form with its official losses; see ``training_choices``.

        Raises:
            DatasetError: there are no neutral images.
        """
        if NEUTRAL not in data.expressions:
            raise DatasetError(
                f"GANmut needs {NEUTRAL} images, for they are its origin; "
                f"the training data has {', '.join(data.expressions)}"
            )
        classes, depth = len(data.expressions), settings.resolution.bit_length() - 2
        discriminator = GANmutDiscriminator(settings.resolution, classes, settings.discriminator_width, depth)
        he_initialise(discriminator.main)
        network = LinearNetwork(classes, settings.width, neutral=data.expressions.index(NEUTRAL))
        return LinearObjective(network, discriminator, settings)

    def condition(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the target's code at full strength, (B, 2)."""
        return self.network.codes()[target]


def _confidence(logits: Tensor) -> Tensor:
    """(B, classes) to the largest class probability, (B,)."""
    return logits.softmax(1).amax(1)
