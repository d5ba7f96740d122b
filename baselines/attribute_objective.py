"""The objective of AttGAN, which STGAN shares: expressions as attributes, self-reconstruction, no cycle."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from fesbench.generators.draws import Batch, Draws
from fesbench.generators.objectives import LabelObjective, Terms


class AttributeObjective(LabelObjective):
    """AttGAN's losses (elvisyjlin/AttGAN-PyTorch @be2d6c6, attgan).

    The discriminator classifies every expression on its own, and the generator must reproduce an image when
    the target is the image's own expression.
    """

    official_weights: ClassVar[Mapping[str, float]] = {
        "d_class": 1.0,
        "d_penalty": 10.0,
        "g_class": 10.0,
        "g_reconstruction": 100.0,
    }

    def class_loss(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Return the mean binary cross-entropy of (B, classes) logits against (B,) labels."""
        truth = F.one_hot(labels, predictions.shape[1]).to(predictions)
        return F.binary_cross_entropy_with_logits(predictions, truth)

    def generator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return realness and expression of the edits, and L1 of the reconstruction."""
        targets = draws.targets()
        realness, predictions = self.discriminator(self.edit(batch, targets, draws))
        same = self.generate(batch.images, batch.labels, batch.labels)
        return {
            "g_fake": -realness.mean(),
            "g_class": self.class_loss(predictions, targets),
            "g_reconstruction": (batch.images - same).abs().mean(),
        }
