"""The embedded networks: small, trained by ``bench train-nets`` on rendered faces, shipped with the package.

Two judges of expression (built and trained differently, so that no generator is both tuned and scored by one
network), one identity embedding, one no-reference quality network. Weights are half-precision safetensors
beside a JSON card that says how they were made and what they reach on held-out subjects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...contracts import Network, NetworkCard
from ...errors import CheckpointError

WEIGHTS = Path(__file__).parent / "weights"
LUMINANCE = (0.299, 0.587, 0.114)


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, unless ``linear``, a ReLU; keeps the size at stride 1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        linear: bool = False,
    ) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        activation = nn.Identity() if linear else nn.ReLU(inplace=True)
        super().__init__(convolution, nn.BatchNorm2d(outputs), activation)

    def fuse(self) -> None:
        """Fold the normalisation into the convolution; the output stays, up to rounding."""
        self[0] = fuse_conv_bn_eval(self[0], self[1])
        self[1] = nn.Identity()


class Residual(nn.Module):
    """The input plus a correction by two convolutions (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvNorm(width, width), ConvNorm(width, width, linear=True))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return functional.relu(x + self.body(x))


class Separable(nn.Module):
    """Expand, filter each channel by itself, project (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expansion: int = 3) -> None:
        super().__init__()
        wide = inputs * expansion
        self.skip = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            ConvNorm(inputs, wide, kernel=1),
            ConvNorm(wide, wide, kernel=5, stride=stride, groups=wide),
            ConvNorm(wide, outputs, kernel=1, linear=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, outputs, H / stride, W / stride)."""
        y: Tensor = self.body(x)
        return x + y if self.skip else y


class LocalContrast(nn.Module):
    """Luminance with its local mean removed and its local contrast evened out.

    What is left does not depend on the colour of skin, stone or paint.
    """

    luminance: Tensor

    def __init__(self, window: int = 17) -> None:
        super().__init__()
        self.window = window
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) in [0, 1] to (B, 1, H, W)."""
        grey = (x * self.luminance).sum(dim=1, keepdim=True)
        centred = grey - self._mean(grey)
        return centred / (self._mean(centred**2) + 1e-3).sqrt()

    def _mean(self, x: Tensor) -> Tensor:
        return functional.avg_pool2d(x, self.window, 1, self.window // 2, count_include_pad=False)


class Scale(nn.Module):
    """[0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return 2 * x - 1


def residual_judge(classes: int = 7) -> nn.Sequential:
    """(B, 3, 64, 64) colour to logits through a residual network."""
    return nn.Sequential(
        Scale(),
        ConvNorm(3, 24, kernel=5, stride=2),
        ConvNorm(24, 48, stride=2),
        Residual(48),
        ConvNorm(48, 96, stride=2),
        Residual(96),
        ConvNorm(96, 64, stride=2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 16, classes),
    )


def separable_judge(classes: int = 7) -> nn.Sequential:
    """(B, 3, 64, 64) to logits through depthwise-separable convolutions on local contrast."""
    return nn.Sequential(
        LocalContrast(),
        ConvNorm(1, 16, kernel=7, stride=2),
        Separable(16, 32, stride=2),
        Separable(32, 32, stride=1),
        Separable(32, 64, stride=2),
        Separable(64, 64, stride=1),
        ConvNorm(64, 96, kernel=3, stride=2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(96 * 16, classes),
    )


class Unit(nn.Module):
    """Rows of length 1."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, d) to (B, d)."""
        return functional.normalize(x, dim=1)


def identity_embedder(dimension: int = 128) -> nn.Sequential:
    """(B, 3, 64, 64) to unit embeddings."""
    return nn.Sequential(
        Scale(),
        ConvNorm(3, 24, kernel=5, stride=2),
        ConvNorm(24, 48, stride=2),
        Residual(48),
        ConvNorm(48, 96, stride=2),
        Residual(96),
        ConvNorm(96, 96, stride=2),
        nn.Flatten(),
        nn.Linear(96 * 16, dimension),
        Unit(),
    )


class QualityNet(nn.Module):
    """(B, 3, 128, 128) to (B, 1 + 64): the quality in (0, 1), then the descriptors that it weighs.

    Pixels are folded into channels rather than averaged, so that the finest grain of an image is seen.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            Scale(),
            nn.PixelUnshuffle(4),
            ConvNorm(48, 48, kernel=1),
            ConvNorm(48, 48),
            ConvNorm(48, 64, stride=2),
            ConvNorm(64, 64, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(64, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Quality and descriptors."""
        descriptors = self.trunk(x)
        return torch.cat([torch.sigmoid(self.head(descriptors)), descriptors], dim=1)
