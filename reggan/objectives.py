"""The training objective of RegGAN's refinement: pairs of a neutral and another face of one person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

from fesbench.generators.draws import Batch, Draws
from fesbench.generators.losses import total_variation
from fesbench.generators.objectives import LabelObjective, Terms

from .network import Edited, RegGANNetwork


class PairedObjective(LabelObjective):
    """RegGAN's objective (our reading): neutral faces are edited, and each edit has a true target.

    StarGAN's adversarial and classification terms, the distance to the true target where there is one, and
    two terms that keep the mask small and smooth. The weights are ours. See ``LabelObjective`` for the
    arguments; frozen parameters of the generator stay as they are.
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

    def edit_neutrals(self, batch: Batch) -> Edited:
        """Return the neutral faces of a batch with the expressions of its images; float32.

        The first stage's outputs are those of the batch, where it has any.
        """
        neutral = batch.neutrals
        with torch.autocast(neutral.device.type, torch.bfloat16, enabled=self.mixed):
            condition = self.condition(batch.labels, batch.labels)
            edited = (
                self.generator.edit(neutral, condition)
                if batch.intermediates is None
                else self.generator.refine(neutral, batch.intermediates, condition)
            )
        return Edited(edited.outputs.float(), edited.mask.float())

    def fakes(self, batch: Batch, draws: Draws) -> Tensor:
        """Return the outputs of ``edit_neutrals``, (B, 3, R, R)."""
        return self.edit_neutrals(batch).outputs

    def generator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return realness, classification, L1 to the true target, size and total variation of the mask."""
        edited = self.edit_neutrals(batch)
        realness, predictions = self.discriminator(edited.outputs)
        return {
            "g_fake": -realness.mean(),
            "g_class": self.class_loss(predictions, batch.labels),
            "g_truth": _distance(edited.outputs, batch),
            "g_mask": edited.mask.mean(),
            "g_smooth": total_variation(edited.mask) / len(edited.mask),
        }


def _distance(outputs: Tensor, batch: Batch) -> Tensor:
    """Mean absolute error over the images of people who have a neutral face; 0 without any."""
    errors = (outputs - batch.images).abs().mean((1, 2, 3))
    return (errors * batch.paired).sum() / batch.paired.sum().clamp(min=1)
