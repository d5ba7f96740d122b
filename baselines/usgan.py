"""US-GAN (Akram and Khan, MTAP 2023, arXiv 2112.13002): StarGAN with one residual block and an ultimate skip.

Source: arbishakram/US-GAN @be3fca2 (no licence file), re-implemented layer for layer under the official
state_dict names from a description of its architecture. The ultimate skip adds the input image to the output,
so the network only has to paint what changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from fesbench.core.contracts import GeneratorCard
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import ResidualBlock, image_head, one_hot, tile_condition, trunk
from fesbench.generators.neural import NeuralGenerator, label_names
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import TrainingImages
from fesbench.weights.tensors import load_exactly, with_statistics

from .stargan import StarGAN

KDEF_ORDER = ("fearful", "angry", "disgusted", "happy", "neutral", "sad", "surprised")
"""The authors' labels, the sorted codes of the KDEF photographs: AFS, ANS, DIS, HAS, NES, SAS, SUS."""


class USGANNetwork(nn.Module):
    """The official generator: StarGAN's trunk around one block, tanh, plus the input.

    Args:
        classes: Length of the condition (``c_dim``).
        width: Channels of the first layer (``conv_dim``).
    """

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        self.main = nn.Sequential(*trunk(3 + classes, width, [ResidualBlock(4 * width)]), image_head(width))

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """(B, 3, R, R) in [-1, 1], R a multiple of 4, and (B, classes) one-hot to (B, 3, R, R) in (-2, 2)."""
        change: Tensor = self.main(tile_condition(images, condition)).tanh()
        return images + change


class USGANObjective(LabelObjective):
    """US-GAN's objective, and SARGAN's: StarGAN's, with a tenth of the weight on the way back."""

    official_weights: ClassVar[Mapping[str, float]] = {**LabelObjective.official_weights, "g_cycle": 1.0}


class USGAN(NeuralGenerator):
    """US-GAN behind the generator contract: one-hot target, instance statistics, no need of the source."""

    template = GeneratorCard(
        name="usgan",
        title="US-GAN",
        year=2023,
        citation="Akram and Khan, US-GAN: On the importance of Ultimate Skip Connection for Facial "
        "Expression Synthesis, Multimedia Tools and Applications, 2023",
        source="https://github.com/arbishakram/US-GAN",
        licence="none stated by the authors; this is a re-implementation",
        supervision="unpaired",
        choices=("normalises by the image's own statistics, as the official inference does",),
    )

    official = replace(StarGAN.official, batch_size=8, decay_to=0.9998)

    small_weights = MappingProxyType({"g_cycle": 0.25})
    training_choices = (
        "discriminator halves the image down to 2 x 2, and starts from He's initialisation",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training",
    )

    @classmethod
    def from_official(
        cls, state: Mapping[str, Tensor], expressions: Sequence[str] | None = None, resolution: int = 128
    ) -> Self:
        """Build from the official names; class count and width are read off the shapes.

        A StarGAN with one residual block has the same names and shapes; only the user can tell them apart.

        Raises:
            CheckpointError: the tensors are not US-GAN's, or ``expressions`` is needed: it defaults to
                ``KDEF_ORDER`` for 7 classes.
        """
        classes, width = first_layer(state)
        with torch.device("meta"):
            network = USGANNetwork(classes, width)
        load_exactly(network, state)
        return cls(network, label_names(classes, expressions, {7: KDEF_ORDER}), resolution)

    def official_state(self) -> dict[str, Tensor]:
        """See ``NeuralGenerator``; all its normalisation layers keep running statistics."""
        return with_statistics(super().official_state())

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> USGANObjective:
        """New networks and the official losses; see ``training_choices``."""
        classes = len(data.expressions)
        network, discriminator = USGANNetwork(classes, settings.width), new_discriminator(classes, settings)
        return USGANObjective(network, discriminator, one_hot(classes), settings)


def first_layer(state: Mapping[str, Tensor]) -> tuple[int, int]:
    """(classes, width) by the first layer's shape; the official ones where there is nothing to go by."""
    first = state.get("main.0.weight")
    if first is None or first.ndim != 4 or first.shape[1] <= 3:
        return 7, 64
    return first.shape[1] - 3, first.shape[0]
