"""RegGAN's second stage: an encoder-decoder with attention that refines the intermediate image.

The abstract of the paper (arXiv 2603.15648) names an encoder-decoder with three types of spatial attention
blocks at multiple scales. The rest is our reading: a U-shape of StarGAN's layers, whose output is blended
with the source by a mask.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fesbench.core.errors import BenchError
from fesbench.generators.layers import ResidualBlock, instance_norm

from .attention import ATTENTION_TYPES, AttentionType, GateAttention, PositionAttention, SpatialAttention

OPENNESS = 2.0
"""Initial logits of the mask: most of the intermediate image passes at first."""

FAINTEST = 0.02
"""Smallest standard deviation, in [-1, 1], that counts as an image's contrast."""

Composition = Literal["mask", "sum"]


@dataclass(frozen=True)
class RefinementOptions:
    """The shape of the refinement.

    ``depth`` halvings and ``blocks`` residual blocks at the lowest scale. ``attention`` names the types in
    use: gates on all skip connections, spatial attention on every scale of the decoder, position attention
    at the lowest scale. ``composition`` is ``"mask"``: a blend of the source with the corrected intermediate
    image, or ``"sum"``: the corrected intermediate image itself.

    Raises:
        BenchError: a number below 0, or an attention type that does not exist.
    """

    attention: tuple[AttentionType, ...] = ATTENTION_TYPES
    depth: int = 2
    blocks: int = 2
    composition: Composition = "mask"

    def __post_init__(self) -> None:
        unknown = [name for name in self.attention if name not in ATTENTION_TYPES]
        if unknown:
            raise BenchError(
                f"there is no attention {unknown[0]!r}; choose from {', '.join(ATTENTION_TYPES)}"
            )
        if self.depth < 0 or self.blocks < 0:
            raise BenchError(f"depth and blocks count from 0, not {self.depth} and {self.blocks}")


class Correction(NamedTuple):
    """The output of the refinement.

    ``colour`` (B, 3, R, R), at most twice the source's contrast, is added to the intermediate image; ``mask``
    (B, 1, R, R) in 0..1 is how much of the sum replaces the source.
    """

    colour: Tensor
    mask: Tensor


class Scale(nn.Module):
    """One level of the decoder: upsampling, the encoder's features of that size, attention.

    Args:
        channels: Channels of the output; the input from the level below has twice as many.
        attention: Types in use.
    """

    def __init__(self, channels: int, attention: tuple[AttentionType, ...]) -> None:
        super().__init__()
        self.rise = _normed(nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False))
        self.gate = GateAttention(channels) if "gate" in attention else None
        self.join = _normed(nn.Conv2d(2 * channels, channels, 3, padding=1, bias=False))
        self.spatial = SpatialAttention() if "spatial" in attention else None

    def forward(self, below: Tensor, skip: Tensor) -> Tensor:
        """Return (B, C, 2H, 2W) for (B, 2C, H, W) from below and (B, C, 2H, 2W) from the encoder."""
        risen = self.rise(F.interpolate(below, scale_factor=2.0, mode="nearest"))
        joined: Tensor = self.join(torch.cat([risen, self.gate(skip, risen) if self.gate else skip], dim=1))
        return self.spatial(joined) if self.spatial else joined


class Refinement(nn.Module):
    """The encoder-decoder.

    Its inputs are the source, the intermediate image and their difference, all relative to the mean and the
    contrast of the source, and so is its correction: an edit does not depend on brightness and contrast. The
    label enters after the first normalisation, which would remove a constant map.

    Args:
        expressions: Length of the condition.
        width: Channels at the highest scale; they double with every halving.
        options: Depth, blocks, attention and composition.
    """

    def __init__(self, expressions: int, width: int, options: RefinementOptions) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(options.depth + 1)]
        self.stem = nn.Sequential(nn.Conv2d(9, width, 7, padding=3, bias=False), instance_norm(width))
        self.label = nn.Linear(expressions, width, bias=False)
        self.fall = nn.ModuleList(
            _normed(nn.Conv2d(channels, 2 * channels, 4, stride=2, padding=1, bias=False))
            for channels in widths[:-1]
        )
        self.position = PositionAttention(widths[-1]) if "position" in options.attention else None
        self.blocks = nn.Sequential(*(ResidualBlock(widths[-1]) for _ in range(options.blocks)))
        self.rise = nn.ModuleList(Scale(channels, options.attention) for channels in widths[-2::-1])
        self.head = nn.Conv2d(width, 4 if options.composition == "mask" else 3, 7, padding=3)
        _start_with(self.head, OPENNESS)

    def forward(self, images: Tensor, intermediate: Tensor, condition: Tensor) -> Correction:
        """Correct (B, 3, R, R) images, R a multiple of 2**depth, towards (B, expressions) one-hot targets."""
        mean, contrast = _light(images)
        change = (intermediate - images) / contrast
        seen = torch.cat([(images - mean) / contrast, (intermediate - mean) / contrast, change], dim=1)
        features = F.relu(self.stem(seen) + self.label(condition)[:, :, None, None])
        skips = []
        for fall in self.fall:
            skips.append(features)
            features = fall(features)
        features = self.blocks(self.position(features) if self.position else features)
        for rise, skip in zip(self.rise, reversed(skips), strict=True):
            features = rise(features, skip)
        answer = self.head(features)
        mask = answer[:, 3:].sigmoid() if answer.shape[1] > 3 else torch.ones_like(answer[:, :1])
        return Correction(2 * contrast * answer[:, :3].tanh(), mask)


def _light(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each image, (B, 1, 1, 1), the latter at least ``FAINTEST``."""
    deviation, mean = torch.std_mean(images, (1, 2, 3), correction=0, keepdim=True)
    return mean, deviation.clamp(min=FAINTEST)


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, instance_norm(convolution.out_channels), nn.ReLU(inplace=True))


def _start_with(head: nn.Conv2d, openness: float) -> None:
    """Initialise without correction and with a constant mask: training starts from the regression."""
    nn.init.zeros_(head.weight)
    assert head.bias is not None
    nn.init.zeros_(head.bias)
    with torch.no_grad():
        head.bias[3:] = openness
