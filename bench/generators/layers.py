"""Building blocks that the StarGAN family shares.

The trunk of StarGAN, US-GAN, SARGAN, GANimation and GANmut is one; bottleneck, condition and head differ.
Source: yunjey/stargan @94dd002 (MIT), re-implemented. The order of the layers fixes the official
state_dict names (``main.N…``), so a trunk is a flat list of modules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RESIDUAL_BLOCKS = r"main\.\d+\.main\.0\.weight"
"""Names of the first weights of the residual blocks in a trunk's state_dict."""


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalisation, computed as group normalisation of each channel by itself.

    The numbers are the same up to rounding; PyTorch's own forward takes four to six times as long on a CPU.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        return F.group_norm(features, self.num_features, self.weight, self.bias, self.eps)


def instance_norm(channels: int) -> InstanceNorm:
    """Return affine instance normalisation by the image's own statistics, in training and inference.

    The official code tracks running statistics, but never calls ``.eval()``, so they are never used.
    """
    return InstanceNorm(channels, affine=True)


class ResidualBlock(nn.Module):
    """conv3, norm, ReLU, conv3, norm, plus the input; nothing after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            instance_norm(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1, bias=False),
            instance_norm(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, C, H, W) for (B, C, H, W)."""
        refined: Tensor = features + self.main(features)
        return refined


def encoder(inputs: int, width: int) -> list[nn.Module]:
    """Return the layers from (B, inputs, R, R) to (B, 4 * width, R / 4, R / 4): conv7 and two halvings."""
    return [
        *_normed(nn.Conv2d(inputs, width, 7, padding=3, bias=False)),
        *_normed(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False)),
        *_normed(nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1, bias=False)),
    ]


def decoder(width: int) -> list[nn.Module]:
    """Return the layers from (B, 4 * width, R / 4, R / 4) to (B, width, R, R): two doublings."""
    return [
        *_normed(nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1, bias=False)),
        *_normed(nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1, bias=False)),
    ]


def trunk(inputs: int, width: int, bottleneck: Sequence[nn.Module]) -> list[nn.Module]:
    """Return the layers from (B, inputs, R, R) to (B, width, R, R): encoder, bottleneck, decoder.

    The bottleneck works on (B, 4 * width, R / 4, R / 4).
    """
    return [*encoder(inputs, width), *bottleneck, *decoder(width)]


def image_head(width: int) -> nn.Conv2d:
    """Return conv7 from ``width`` channels to RGB, without an activation."""
    return nn.Conv2d(width, 3, 7, padding=3, bias=False)


def strided_layers(width: int, depth: int) -> list[nn.Module]:
    """Return a discriminator's body: ``depth`` halvings to ``width * 2**(depth - 1)``, LeakyReLU(0.01)."""
    channels = [3, *(width * 2**level for level in range(depth))]
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [nn.Conv2d(inputs, outputs, 4, stride=2, padding=1), nn.LeakyReLU(0.01)]
    return layers


def he_initialise(layers: nn.Module) -> None:
    """Draw convolution weights so that LeakyReLU(0.01) layers keep the variance; biases become zero."""
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, 0.01)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def tile_condition(images: Tensor, condition: Tensor) -> Tensor:
    """Append a (B, C) condition to every pixel of (B, 3, H, W) images; return (B, 3 + C, H, W)."""
    maps = condition[:, :, None, None].expand(-1, -1, *images.shape[2:])
    return torch.cat([images, maps], dim=1)


def one_hot(classes: int) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function from (B,) source and target labels to one-hot targets, (B, classes) float32."""
    return lambda source, target: F.one_hot(target, classes).float()


def _normed(convolution: nn.Conv2d | nn.ConvTranspose2d) -> list[nn.Module]:
    return [convolution, instance_norm(convolution.out_channels), nn.ReLU(inplace=True)]
