"""Feature extractors in bfloat16: at least about twice as fast on processors that support it, not exact.

Convolutions and products keep 8 bits of precision instead of 24. With random weights the features of
Inception and Facenet512 change by less than 1% of their length (docs/speed.md has the measurement); QualiCLIP
would change by up to 1.4e-2 of a score whose images differ by 4e-2, so it stays in float32. Metrics that use
such an extractor have ids of their own, and none is used by default.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor

from ...core.contracts import FeatureExtractor

SUFFIX = "-bf16"
"""Ending of the names of feature extractors, metrics and backends in bfloat16."""


class Bfloat16(FeatureExtractor):
    """A feature extractor whose convolutions and products are computed in bfloat16.

    Args:
        exact: The extractor in float32, which is not changed; its weights are shared, and so is the
            ``verification`` of a face embedder.
    """

    def __init__(self, exact: FeatureExtractor) -> None:
        self._exact, self.verification = exact, getattr(exact, "verification", None)
        card = exact.card
        self.card = replace(
            card, name=f"{card.name}{SUFFIX}", preprocessing=f"{card.preprocessing}; network in bfloat16"
        )

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB to (B, card.dimension) float32, within 1% of the exact ones."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16):
            return self._exact.features(images).float()

    def to(self, device: str) -> Self:
        """Move the parameters."""
        self._exact.to(device)
        return self
