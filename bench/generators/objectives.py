"""Adversarial training objectives: the losses of a generator and of its discriminator.

``LabelObjective`` is StarGAN's (yunjey/stargan @94dd002, solver): WGAN with gradient penalty, expression
classification, cycle reconstruction. Its siblings override the parts in which they differ.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import SpecError
from .draws import Batch, Draws
from .hyperparameters import Settings
from .losses import gradient_penalty

Terms = dict[str, Tensor]
"""Scalar losses by name; those of the discriminator start with ``d_``, those of the generator with ``g_``."""

Conditioning = Callable[[Tensor, Tensor], Tensor]
"""Computes a network's condition from (B,) source and (B,) target labels, int64."""


class Objective(nn.Module, ABC):
    """A generator, its discriminator, and their adversarial losses.

    All randomness comes from the argument ``draws``, so that a step can be repeated exactly, on any number of
    devices.

    Args:
        generator: ``generator(images, condition)`` returns images before clamping.
        discriminator: Its adversary.
        settings: ``weights`` replaces official weights; ``precision`` is that of the generator.

    Attributes:
        official_weights: Weight of each loss term; terms that are not listed have weight 1.
        paired: Whether a batch's images are the true targets of its neutrals (``TrainingImages.truths``).

    Raises:
        SpecError: ``settings.weights`` names a term that this objective does not have.
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
        """Return the generator's output before clamping, computed in ``settings.precision``, as float32."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed):
            outputs: Tensor = self.generator(images, condition)
        return outputs.float()

    @abstractmethod
    def discriminator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return the terms that the discriminator minimises on real images and on edits of them."""

    @abstractmethod
    def generator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return the terms that the generator minimises."""

    def weighted(self, terms: Terms) -> Terms:
        """Return each term times its weight; the sum is minimised."""
        return {name: self.weights.get(name, 1.0) * value for name, value in terms.items()}


class LabelObjective(Objective):
    """StarGAN's objective: unpaired, with the shuffled labels of a batch as targets.

    Args:
        generator: See ``Objective``.
        discriminator: Returns a realness map and class logits.
        condition: Computes the generator's condition from labels.
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
        """Return the edits of (B, 3, R, R) images from (B,) labels to (B,) labels, before clamping."""
        outputs: Tensor = self(images, self.condition(source, target))
        return outputs

    def edit(self, batch: Batch, targets: Tensor, draws: Draws) -> Tensor:
        """Return the edits of a batch towards (B,) labels, (B, 3, R, R), that both networks learn from."""
        return self.generate(batch.images, batch.labels, targets)

    def fakes(self, batch: Batch, draws: Draws) -> Tensor:
        """Return the edits of a batch, (B, 3, R, R), that the discriminator is shown."""
        return self.edit(batch, draws.targets(), draws)

    def class_loss(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the discriminator's class predictions against (B,) labels."""
        return F.cross_entropy(predictions, labels)

    def discriminator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return Wasserstein distance, classification of real images, gradient penalty."""
        with torch.no_grad():
            fakes = self.fakes(batch, draws)
        realness, predictions = self.discriminator(batch.images)
        fakeness, _ = self.discriminator(fakes)
        return {
            "d_real": -realness.mean(),
            "d_fake": fakeness.mean(),
            "d_class": self.class_loss(predictions, batch.labels),
            "d_penalty": gradient_penalty(lambda x: self.discriminator(x)[0], batch.images, fakes, draws),
        }

    def generator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return realness and classification of the edits, and L1 of the cycle back to the source."""
        targets = draws.targets()
        fakes = self.edit(batch, targets, draws)
        realness, predictions = self.discriminator(fakes)
        returned = self.generate(fakes, targets, batch.labels)
        return {
            "g_fake": -realness.mean(),
            "g_class": self.class_loss(predictions, targets),
            "g_cycle": (batch.images - returned).abs().mean(),
        }
