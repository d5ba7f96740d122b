"""The three types of spatial attention of RegGAN's refinement.

The abstract of the paper names "three types of spatial attention blocks"; which ones is our reading: a gate
on a skip connection that the decoder drives, attention from the features alone, and self-attention between
positions. Each keeps the shape of its input.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

AttentionType = Literal["gate", "spatial", "position"]
ATTENTION_TYPES: tuple[AttentionType, ...] = get_args(AttentionType)


class GateAttention(nn.Module):
    """Additive attention gate on a skip connection, driven by the decoder (Oktay et al., arXiv 1804.03999).

    Args:
        channels: Channels of the skip connection and of the decoder's features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 2)
        self.skip = nn.Conv2d(channels, inner, 1, bias=False)
        self.decoder = nn.Conv2d(channels, inner, 1)
        self.score = nn.Conv2d(inner, 1, 1)

    def forward(self, skip: Tensor, decoder: Tensor) -> Tensor:
        """Return the skip connection, (B, C, H, W), with each position scaled by 0 to 1."""
        score = self.score(F.relu(self.skip(skip) + self.decoder(decoder)))
        gated: Tensor = skip * score.sigmoid()
        return gated


class SpatialAttention(nn.Module):
    """Attention by the mean and the maximum over channels (CBAM: Woo et al., ECCV 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.score = nn.Conv2d(2, 1, 7, padding=3)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) with each position scaled by 0 to 1."""
        summary = torch.cat([features.mean(1, keepdim=True), features.amax(1, keepdim=True)], dim=1)
        weighted: Tensor = features * self.score(summary).sigmoid()
        return weighted


class PositionAttention(nn.Module):
    """Self-attention between all positions (SAGAN: Zhang et al., ICML 2019); initially the identity.

    Args:
        channels: Channels of the features, at least 1; keys and queries have an eighth of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(1, channels // 8)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.strength = nn.Parameter(torch.zeros(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) plus the attention over all positions; memory grows with (H W)²."""
        query, key, value = (layer(features).flatten(2).mT for layer in (self.query, self.key, self.value))
        taken = F.scaled_dot_product_attention(query, key, value)
        return features + self.strength * taken.mT.reshape(features.shape)
