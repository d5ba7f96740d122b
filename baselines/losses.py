"""Adversarial training objectives: what each network of a pair is asked to minimise.

``LabelObjective`` is StarGAN's (yunjey/stargan @94dd002, solver): WGAN with gradient penalty, expression
classification, cycle reconstruction. Its siblings differ in weights and in terms of their own.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Terms = dict[str, Tensor]
"""Weighted scalar losses by name; their sum is what is minimised."""


@dataclass(frozen=True)
class LossWeights:
    """Official weights of StarGAN."""

    classification: float = 1.0
    cycle: float = 10.0
    penalty: float = 10.0


@dataclass(frozen=True)
class Settings:
    """How a model is trained.

    The defaults suit a small network and less than an hour of a CPU; StarGAN's official ones are width 64
    for both networks, batch 16, n_critic 5, learning rate 1e-4 and no average of weights.

    ``n_critic`` discriminator updates are made for one of the generator; a step is one of the former.
    ``average`` is the decay of the exponential moving average of the generator's weights, which is what
    is kept. ``precision`` is that of the generator's passes, float32 or bfloat16.
    """

    resolution: int = 64
    width: int = 16
    discriminator_width: int = 24
    batch_size: int = 8
    n_critic: int = 1
    learning_rate: float = 4e-4
    betas: tuple[float, float] = (0.5, 0.999)
    weights: LossWeights = field(default_factory=LossWeights)
    average: float = 0.999
    flip: bool = True
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0


class Objective(nn.Module, ABC):
    """A generator, its discriminator, and the two losses that set them against each other.

    ``images`` are (B, 3, R, R) float32 in [-1, 1], ``labels`` (B,) int64; all randomness comes from
    ``random``, a generator on the CPU, so a step can be repeated exactly.
    """

    generator: nn.Module
    discriminator: nn.Module

    @abstractmethod
    def discriminator_terms(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Terms:
        """What the discriminator minimises on real images and on the generator's answers to them."""

    @abstractmethod
    def generator_terms(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Terms:
        """What the generator minimises."""


class LabelObjective(Objective):
    """StarGAN's objective.

    The generator takes (images, one-hot target), the discriminator gives (realness map, class logits).
    Unpaired: targets are the batch's own labels, shuffled.
    """

    def __init__(
        self, generator: nn.Module, discriminator: nn.Module, classes: int, settings: Settings
    ) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.classes, self.weights = classes, settings.weights
        self.mixed = settings.precision == "bfloat16"

    def discriminator_terms(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Terms:
        """Wasserstein distance, classification of real images, gradient penalty."""
        with torch.no_grad():
            fakes = self._generate(images, _shuffled(labels, random))
        realness, logits = self.discriminator(images)
        fakeness, _ = self.discriminator(fakes)
        penalty = gradient_penalty(lambda x: self.discriminator(x)[0], images, fakes, random)
        return {
            "d_real": -realness.mean(),
            "d_fake": fakeness.mean(),
            "d_class": self.weights.classification * F.cross_entropy(logits, labels),
            "d_penalty": self.weights.penalty * penalty,
        }

    def generator_terms(self, images: Tensor, labels: Tensor, random: torch.Generator) -> Terms:
        """Realness and classification of the fakes, L1 of the way back to the source expression."""
        targets = _shuffled(labels, random)
        fakes = self._generate(images, targets)
        realness, logits = self.discriminator(fakes)
        returned = self._generate(fakes, labels)
        return {
            "g_fake": -realness.mean(),
            "g_class": self.weights.classification * F.cross_entropy(logits, targets),
            "g_cycle": self.weights.cycle * (images - returned).abs().mean(),
        }

    def _generate(self, images: Tensor, targets: Tensor) -> Tensor:
        condition = F.one_hot(targets, self.classes).float()
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.mixed):
            outputs: Tensor = self.generator(images, condition)
        return outputs.float()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], reals: Tensor, fakes: Tensor, random: torch.Generator
) -> Tensor:
    """Mean of (|gradient| - 1)² at one random point between each real image and its fake (WGAN-GP).

    Args:
        critic: (B, 3, R, R) to a realness score or map, which is summed, as in the official code.
        reals: (B, 3, R, R).
        fakes: (B, 3, R, R), without gradient.
        random: source of the mixing weights.

    Returns:
        A scalar with gradient to the critic's parameters.
    """
    mix = torch.rand(len(reals), 1, 1, 1, generator=random).to(reals)
    between = (mix * reals + (1 - mix) * fakes).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def _shuffled(labels: Tensor, random: torch.Generator) -> Tensor:
    return labels[torch.randperm(len(labels), generator=random).to(labels.device)]
