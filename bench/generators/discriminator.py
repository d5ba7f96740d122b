"""The discriminator of StarGAN, which several models share."""

from __future__ import annotations

from torch import Tensor, nn

from .hyperparameters import Settings
from .layers import he_initialise, strided_layers


class StarGANDiscriminator(nn.Module):
    """The official discriminator: a realness map and class logits from one strided body.

    Args:
        resolution: Image size R in pixels.
        classes: Number of expressions.
        width: Channels of the first layer (``conv_dim``).
        depth: Halvings (``repeat_num``); the official 6 leave 2 × 2 at 128 pixels.
    """

    def __init__(self, resolution: int, classes: int, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        top = width * 2 ** (depth - 1)
        self.main = nn.Sequential(*strided_layers(width, depth))
        self.conv1 = nn.Conv2d(top, 1, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(top, classes, resolution >> depth, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return realness (B, 1, R / 2**depth, R / 2**depth) and logits (B, classes) of RGB images."""
        features = self.main(images)
        return self.conv1(features), self.conv2(features).flatten(1)


def new_discriminator(classes: int, settings: Settings) -> StarGANDiscriminator:
    """Return a discriminator for training: down to 2 × 2 or 3 × 3 at any resolution, He's initialisation."""
    depth = settings.resolution.bit_length() - 2
    discriminator = StarGANDiscriminator(settings.resolution, classes, settings.discriminator_width, depth)
    he_initialise(discriminator.main)
    return discriminator
