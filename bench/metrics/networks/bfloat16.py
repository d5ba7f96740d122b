"""Networks computed in bfloat16: about twice as fast or more where a processor computes in it, not exact.

Convolutions and products keep 8 bits of precision instead of 24. On filled weights the features of Inception
and Facenet512 move by less than 1% of their length (docs/speed.md has the measurement); QualiCLIP would move
by up to 1.4e-2 of a score whose images differ by 4e-2, so it stays in float32. Metrics through such a network
have ids of their own, and none is used unless it is asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import torch
from torch import Tensor

from ...core.contracts import Network

SUFFIX = "-bf16"
"""What the names of networks, metrics and backends in bfloat16 end with."""


class Bfloat16(Network):
    """Another network, its convolutions and products in bfloat16.

    Args:
        exact: The network in float32, which stays as it is; its weights are shared.
    """

    def __init__(self, exact: Network) -> None:
        self._exact = exact
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
