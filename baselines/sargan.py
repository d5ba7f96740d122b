"""SARGAN (Akram and Khan, TCSVT 2023, arXiv 2303.17212): US-GAN with spatial attention in its one block.

Source: arbishakram/SARGAN @44a24ee (no licence file), re-implemented layer for layer under the official
state_dict names from a description of its architecture. The bottleneck is a residual block with spatial
attention from a small encoder-decoder.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fesbench.core.contracts import GeneratorCard
from fesbench.generators.architecture import Architecture, length
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import image_head, instance_norm, one_hot, tile_condition, trunk
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.training_data import TrainingImages

from .usgan import USGAN, USGANObjective

UNUSED = "att_func."
"""Prefix of weights that the official network saves and never uses: attention over three channels."""


class ConvLayer(nn.Module):
    """conv3 on reflected borders, norm.

    Args:
        inputs: Channels.
        outputs: Channels.
        stride: 2 halves the size, rounded up.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, outputs, 3, stride, padding=1, padding_mode="reflect", bias=False)
        self.norm = nn.Sequential(OrderedDict(norm=instance_norm(outputs)))

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, outputs, H, W), or half of H and W, before any activation."""
        outputs: Tensor = self.norm(self.conv2d(features))
        return outputs


class AttentionHead(nn.Module):
    """conv3 on reflected borders to one channel, with a bias.

    Args:
        inputs: Channels.
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inputs, 1, 3, padding=1, padding_mode="reflect")

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, 1, H, W) for (B, inputs, H, W)."""
        outputs: Tensor = self.conv2d(features)
        return outputs


class Attention(nn.Module):
    """Spatial attention from the official encoder-decoder of depth two.

    Args:
        inputs: Channels of what is attended to.
        width: Channels inside.
    """

    def __init__(self, inputs: int, width: int = 64) -> None:
        super().__init__()
        self.b1_2 = ConvLayer(inputs, width)
        self.b2_2 = ConvLayer(inputs, width, stride=2)
        self.b1_1 = ConvLayer(width, width)
        self.b2_1 = ConvLayer(width, width, stride=2)
        self.b2_plus_1 = ConvLayer(width, width)
        self.b3_1 = ConvLayer(width, width)
        self.b3_2 = ConvLayer(width, width)
        self.out_block = nn.Sequential(AttentionHead(width))

    def forward(self, features: Tensor) -> Tensor:
        """Return ``features``, (B, inputs, H, W) with H and W at least 5, times a map in (0, 1)."""
        half = self.b2_2(features).relu()
        quarter = self.b2_plus_1(self.b2_1(half).relu()).relu()
        inner = _merged(self.b1_1(half).relu(), self.b3_1(_doubled(quarter)).relu())
        outer = _merged(self.b1_2(features).relu(), self.b3_2(_doubled(inner)).relu())
        weight: Tensor = self.out_block(outer).sigmoid()
        return features * weight


class AttentiveBlock(nn.Module):
    """conv3, norm, ReLU, conv3, norm, attention, plus the input. Keeps the shape.

    Args:
        channels: Channels of the features.
        attention: Channels inside the attention.
    """

    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(channels, channels)
        self.conv2 = ConvLayer(channels, channels)
        self.att_func = Attention(channels, attention)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, channels, H, W) for the same shape."""
        refined: Tensor = features + self.att_func(self.conv2(self.conv1(features).relu()))
        return refined


class SARGANNetwork(nn.Module):
    """The official generator: StarGAN's trunk around one attentive block, tanh, plus the input.

    Args:
        classes: Length of the condition (``c_dim``).
        width: Channels of the first layer (``conv_dim``).
        attention: Channels inside the attention.
    """

    def __init__(self, classes: int, width: int = 64, attention: int = 64) -> None:
        super().__init__()
        self.attention = attention
        block = AttentiveBlock(4 * width, attention)
        self.main = nn.Sequential(*trunk(3 + classes, width, [block]), image_head(width))

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Synthesize.

        Args:
            images: (B, 3, R, R) in [-1, 1], R a multiple of 4, at least 20.
            condition: (B, classes) one-hot.

        Returns:
            (B, 3, R, R) in (-2, 2).
        """
        change: Tensor = self.main(tile_condition(images, condition)).tanh()
        return images + change


ARCHITECTURE = Architecture(
    SARGANNetwork,
    classes=length("main.0.weight", 1, offset=-3),
    official_classes=7,
    sizes={
        "width": length("main.0.weight", 0),
        "attention": length("main.9.att_func.b1_2.norm.norm.weight", 0, default=64),
    },
    unused=(UNUSED,),
)


class SARGAN(NeuralGenerator):
    """SARGAN behind the generator contract: one-hot target, instance statistics, no need of the source."""

    template = GeneratorCard(
        name="sargan",
        title="SARGAN",
        year=2023,
        citation="Akram and Khan, SARGAN: Spatial Attention-based Residuals for Facial Expression "
        "Manipulation, IEEE TCSVT 2023",
        source="https://github.com/arbishakram/SARGAN",
        licence="none stated by the authors; this is a re-implementation",
        supervision="unpaired",
        choices=(
            "normalises by the image's own statistics, as the official inference does",
            "without the official network's unused attention over three channels (189,249 weights)",
        ),
    )

    official = USGAN.official

    trials = 6
    small_weights = MappingProxyType({"g_cycle": 0.25})
    training_choices = (
        "discriminator halves the image down to 2 x 2, and starts from He's initialisation",
        "the attention is as wide as the first layer, as in the official network",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training",
    )

    network: SARGANNetwork

    label_orders = USGAN.label_orders
    tracked_layers = r"main\.\d+"

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the official generator's architecture; files may hold its unused weights or not."""
        return ARCHITECTURE

    def official_state(self) -> dict[str, Tensor]:
        """See ``NeuralGenerator``; the unused weights are 0."""
        unused = Attention(3, self.network.attention).state_dict()
        zeros = {UNUSED + name: torch.zeros_like(value) for name, value in unused.items()}
        return zeros | super().official_state()

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> USGANObjective:
        """Return new networks with the official losses; see ``training_choices``."""
        classes = len(data.expressions)
        network = SARGANNetwork(classes, settings.width, attention=settings.width)
        return USGANObjective(network, new_discriminator(classes, settings), one_hot(classes), settings)


def _doubled(features: Tensor) -> Tensor:
    return F.interpolate(features, scale_factor=2, mode="nearest")


def _merged(features: Tensor, raised: Tensor) -> Tensor:
    """The sum; ``raised`` is one larger where the size was odd before halving."""
    if raised.shape != features.shape:
        raised = F.interpolate(raised, size=features.shape[2:], mode="nearest")
    return features + raised
