"""What RegGAN's refinement learns from: pairs of a neutral and another face of one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fesbench.generators.hyperparameters import Settings
from fesbench.generators.losses import gradient_penalty, total_variation
from fesbench.generators.objectives import Batch, Conditioning, Objective, Terms

from .network import Edited, RegGANNetwork


class PairedObjective(Objective):
    """RegGAN's objective (our reading): every fake is made from a neutral face and has its true answer.

    StarGAN's adversarial and classification terms, the distance to the truth where there is one, and two
    terms that keep the mask small and smooth. The weights are ours.

    Args:
        generator: The network; what is frozen in it stays as it is.
        discriminator: Gives (realness map, class logits).
        condition: Makes the generator's condition from labels.
        settings: See ``Objective``.
    """

    official_weights: ClassVar[Mapping[str, float]] = {
        "d_class": 1.0,
        "d_penalty": 10.0,
        "g_fake": 1.0,
        "g_class": 0.25,
        "g_truth": 20.0,
        "g_mask": 0.02,
        "g_smooth": 1e-4,
    }

    paired: ClassVar[bool] = True
    generator: RegGANNetwork

    def __init__(
        self,
        generator: RegGANNetwork,
        discriminator: nn.Module,
        condition: Conditioning,
        settings: Settings,
    ) -> None:
        super().__init__(generator, discriminator, settings)
        self.condition = condition

    def edit(self, batch: Batch) -> Edited:
        """The neutral faces of a batch with the expressions of its images; float32."""
        neutral = batch.neutrals
        with torch.autocast(neutral.device.type, torch.bfloat16, enabled=self.mixed):
            edited = self.generator.edit(neutral, self.condition(batch.labels, batch.labels))
        return Edited(edited.outputs.float(), edited.mask.float())

    def discriminator_terms(self, batch: Batch, random: torch.Generator) -> Terms:
        """Wasserstein distance, classification of real images, gradient penalty."""
        with torch.no_grad():
            fakes = self.edit(batch).outputs
        realness, predictions = self.discriminator(batch.images)
        fakeness, _ = self.discriminator(fakes)
        return {
            "d_real": -realness.mean(),
            "d_fake": fakeness.mean(),
            "d_class": F.cross_entropy(predictions, batch.labels),
            "d_penalty": gradient_penalty(lambda x: self.discriminator(x)[0], batch.images, fakes, random),
        }

    def generator_terms(self, batch: Batch, random: torch.Generator) -> Terms:
        """Realness, classification, L1 to the truth, size and total variation of the mask."""
        edited = self.edit(batch)
        realness, predictions = self.discriminator(edited.outputs)
        return {
            "g_fake": -realness.mean(),
            "g_class": F.cross_entropy(predictions, batch.labels),
            "g_truth": _distance(edited.outputs, batch),
            "g_mask": edited.mask.mean(),
            "g_smooth": total_variation(edited.mask) / len(edited.mask),
        }


def _distance(outputs: Tensor, batch: Batch) -> Tensor:
    """Mean absolute error over the images of people whose neutral face is known; 0 where there is none."""
    errors = (outputs - batch.images).abs().mean((1, 2, 3))
    return (errors * batch.paired).sum() / batch.paired.sum().clamp(min=1)
