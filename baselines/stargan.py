"""StarGAN (Choi et al., CVPR 2018, arXiv 1711.09020): one generator for all expressions, trained unpaired.

Source: yunjey/stargan @94dd002 (MIT), re-implemented layer for layer under the official state_dict names.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from fesbench.core.contracts import GeneratorCard
from fesbench.generators.architecture import Architecture, count, length
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import (
    RESIDUAL_BLOCKS,
    ResidualBlock,
    image_head,
    one_hot,
    tile_condition,
    trunk,
)
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import TrainingImages

FOLDER_ORDER = {
    7: ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
    8: ("angry", "contemptuous", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"),
}
"""Label order by class count: the official code takes labels from the sorted names of image folders."""


class StarGANNetwork(nn.Module):
    """The official generator: encoder, residual blocks, decoder, tanh.

    Args:
        classes: Length of the condition (``c_dim``).
        width: Channels of the first layer (``conv_dim``).
        blocks: Residual blocks (``repeat_num``).
    """

    def __init__(self, classes: int, width: int = 64, blocks: int = 6) -> None:
        super().__init__()
        bottleneck = [ResidualBlock(4 * width) for _ in range(blocks)]
        self.main = nn.Sequential(*trunk(3 + classes, width, bottleneck), image_head(width), nn.Tanh())

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Return (B, 3, R, R) in (-1, 1) for such images, R a multiple of 4, and (B, classes) one-hot."""
        outputs: Tensor = self.main(tile_condition(images, condition))
        return outputs


ARCHITECTURE = Architecture(
    StarGANNetwork,
    classes=length("main.0.weight", 1, offset=-3),
    official_classes=7,
    sizes={"width": length("main.0.weight", 0), "blocks": count(RESIDUAL_BLOCKS)},
)


class StarGAN(NeuralGenerator):
    """StarGAN behind the generator contract: one-hot target, instance statistics, no need of the source."""

    template = GeneratorCard(
        name="stargan",
        title="StarGAN",
        year=2018,
        citation="Choi et al., StarGAN: Unified Generative Adversarial Networks for Multi-Domain "
        "Image-to-Image Translation, CVPR 2018",
        source="https://github.com/yunjey/stargan",
        licence="MIT",
        supervision="unpaired",
        choices=("normalises by the image's own statistics, as the official inference does",),
    )

    official = Settings(
        resolution=128,
        width=64,
        discriminator_width=64,
        batch_size=16,
        n_critic=5,
        learning_rate=1e-4,
        average=0.0,
        steps=200_000,
        schedule="linear",
        decay_to=0.999,
    )

    trials = 6
    training_choices = (
        "discriminator halves the image down to 2 x 2, as the official one does at 128 pixels",
        "discriminator starts from He's initialisation: with PyTorch's default a small one was still at "
        "chance after 500 steps",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training",
    )

    label_orders = FOLDER_ORDER
    tracked_layers = ".*"

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the official generator's architecture."""
        return ARCHITECTURE

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> LabelObjective:
        """Return new networks with the official losses; see ``training_choices``."""
        classes = len(data.expressions)
        network, discriminator = StarGANNetwork(classes, settings.width), new_discriminator(classes, settings)
        return LabelObjective(network, discriminator, one_hot(classes), settings)
