"""StarGAN (Choi et al., CVPR 2018, arXiv 1711.09020): one generator for all expressions, trained unpaired.

Source: yunjey/stargan @94dd002 (MIT), re-implemented layer for layer under the official state_dict names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Self

import torch
from torch import Tensor, nn

from fesbench.core.contracts import GeneratorCard
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import (
    ResidualBlock,
    image_head,
    one_hot,
    tile_condition,
    trunk,
)
from fesbench.generators.neural import NeuralGenerator, label_names
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import TrainingImages
from fesbench.weights.tensors import load_exactly, with_statistics

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
        """(B, 3, R, R) in [-1, 1], R a multiple of 4, and (B, classes) one-hot to (B, 3, R, R) in (-1, 1)."""
        outputs: Tensor = self.main(tile_condition(images, condition))
        return outputs


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

    training_choices = (
        "discriminator halves the image down to 2 x 2, as the official one does at 128 pixels",
        "discriminator starts from He's initialisation: with PyTorch's default a small one was still at "
        "chance after 500 steps",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training",
    )

    @classmethod
    def from_official(
        cls, state: Mapping[str, Tensor], expressions: Sequence[str] | None = None, resolution: int = 128
    ) -> Self:
        """Build from the official names; class count, width and block count are read off the shapes.

        Raises:
            CheckpointError: the tensors are not StarGAN's, or ``expressions`` is needed: it defaults to the
                sorted folder names for 7 and 8 classes (``FOLDER_ORDER``).
        """
        classes, width, blocks = _architecture(state)
        with torch.device("meta"):
            network = StarGANNetwork(classes, width, blocks)
        load_exactly(network, state)
        return cls(network, label_names(classes, expressions, FOLDER_ORDER), resolution)

    def official_state(self) -> dict[str, Tensor]:
        """See ``NeuralGenerator``; all its normalisation layers keep running statistics."""
        return with_statistics(super().official_state())

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> LabelObjective:
        """New networks and the official losses; see ``training_choices``."""
        classes = len(data.expressions)
        network, discriminator = StarGANNetwork(classes, settings.width), new_discriminator(classes, settings)
        return LabelObjective(network, discriminator, one_hot(classes), settings)


def _architecture(state: Mapping[str, Tensor]) -> tuple[int, int, int]:
    """(classes, width, blocks) by the shapes; the official ones where there is nothing to go by."""
    first = state.get("main.0.weight")
    if first is None or first.ndim != 4 or first.shape[1] <= 3:
        return 7, 64, 6
    blocks = sum(re.fullmatch(r"main\.\d+\.main\.0\.weight", name) is not None for name in state)
    return first.shape[1] - 3, first.shape[0], blocks
