"""Adversarial training objectives: what each network of a pair is asked to minimise.

``LabelObjective`` is StarGAN's (yunjey/stargan @94dd002, solver): WGAN with gradient penalty, expression
classification, cycle reconstruction. Its siblings override the parts in which they differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import SpecError
from .hyperparameters import Settings
from .losses import gradient_penalty, shuffled

Terms = dict[str, Tensor]
"""Scalar losses by name; those of the discriminator start with ``d_``, those of the generator with ``g_``."""

Conditioning = Callable[[Tensor, Tensor], Tensor]
"""(B,) source labels and (B,) target labels, int64, to what the network takes as its condition."""


class Batch(NamedTuple):
    """What one step learns from.

    ``images`` are (B, 3, R, R) float32 in [-1, 1], ``labels`` their expressions and ``subjects`` their
    people, (B,) int64. ``neutrals`` are neutral faces of the same people, like ``images``, mirrored and
    shifted with them; where ``paired``, (B,) bool, is false there is none and the image stands in for it.
    """

    images: Tensor
    labels: Tensor
    subjects: Tensor
    neutrals: Tensor
    paired: Tensor


class Objective(nn.Module, ABC):
    """A generator, its discriminator, and the losses that set them against each other.

    All randomness comes from ``random``, a generator on the CPU, so a step can be repeated exactly.
    ``official_weights`` names the weight of each term that has one; the others count once. ``paired`` says
    that images are the answers to their neutrals: ``TrainingImages.truths`` then, not ``images``.

    Args:
        generator: ``generator(images, condition)`` gives images before clamping.
        discriminator: What it is set against.
        settings: ``weights`` changes official ones.

    Raises:
        SpecError: ``settings.weights`` names a term that this objective has not.
    """

    official_weights: ClassVar[Mapping[str, float]] = {}
    paired: ClassVar[bool] = False

    def __init__(self, generator: nn.Module, discriminator: nn.Module, settings: Settings) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        unknown = sorted(settings.weights.keys() - self.official_weights.keys())
        if unknown:
            raise SpecError(
                f"there is no loss weight {unknown[0]!r}; those of {type(self).__name__} are "
                f"{', '.join(sorted(self.official_weights))}"
            )
        self.weights = {**self.official_weights, **settings.weights}
        self.mixed = settings.precision == "bfloat16"

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """The generator's answer before clamping, computed in ``settings.precision``; float32."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed):
            outputs: Tensor = self.generator(images, condition)
        return outputs.float()

    @abstractmethod
    def discriminator_terms(self, batch: Batch, random: torch.Generator) -> Terms:
        """What the discriminator minimises on real images and on the generator's answers to them."""

    @abstractmethod
    def generator_terms(self, batch: Batch, random: torch.Generator) -> Terms:
        """What the generator minimises."""

    def weighted(self, terms: Terms) -> Terms:
        """Each term times its weight; their sum is what is minimised."""
        return {name: self.weights.get(name, 1.0) * value for name, value in terms.items()}


class LabelObjective(Objective):
    """StarGAN's objective.

    The discriminator gives (realness map, class logits). Unpaired: targets are the batch's own labels,
    shuffled.

    Args:
        generator: See ``Objective``.
        discriminator: See above.
        condition: Makes the generator's condition from labels.
        settings: See ``Objective``.
    """

    official_weights: ClassVar[Mapping[str, float]] = {
        "d_class": 1.0,
        "d_penalty": 10.0,
        "g_class": 1.0,
        "g_cycle": 10.0,
    }

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, condition: Conditioning, settings: Settings
    ) -> None:
        super().__init__(generator, discriminator, settings)
        self.condition = condition

    def generate(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """(B, 3, R, R) images and their labels, (B,) wanted labels, to (B, 3, R, R) before clamping."""
        outputs: Tensor = self(images, self.condition(source, target))
        return outputs

    def edit(self, batch: Batch, targets: Tensor, random: torch.Generator) -> Tensor:
        """Return the edits of a batch towards (B,) labels, (B, 3, R, R), that both networks learn from."""
        return self.generate(batch.images, batch.labels, targets)

    def fakes(self, batch: Batch, random: torch.Generator) -> Tensor:
        """Return the edits of a batch, (B, 3, R, R), that the discriminator is shown."""
        return self.edit(batch, shuffled(batch.labels, random), random)

    def class_loss(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """How wrong the discriminator's second output is about (B,) labels: cross-entropy."""
        return F.cross_entropy(predictions, labels)

    def discriminator_terms(self, batch: Batch, random: torch.Generator) -> Terms:
        """Wasserstein distance, classification of real images, gradient penalty."""
        with torch.no_grad():
            fakes = self.fakes(batch, random)
        realness, predictions = self.discriminator(batch.images)
        fakeness, _ = self.discriminator(fakes)
        return {
            "d_real": -realness.mean(),
            "d_fake": fakeness.mean(),
            "d_class": self.class_loss(predictions, batch.labels),
            "d_penalty": gradient_penalty(lambda x: self.discriminator(x)[0], batch.images, fakes, random),
        }

    def generator_terms(self, batch: Batch, random: torch.Generator) -> Terms:
        """Realness and classification of the fakes, L1 of the way back to the source expression."""
        targets = shuffled(batch.labels, random)
        fakes = self.edit(batch, targets, random)
        realness, predictions = self.discriminator(fakes)
        returned = self.generate(fakes, targets, batch.labels)
        return {
            "g_fake": -realness.mean(),
            "g_class": self.class_loss(predictions, targets),
            "g_cycle": (batch.images - returned).abs().mean(),
        }
