"""US-GAN (Akram and Khan, MTAP 2023, arXiv 2112.13002): StarGAN with one residual block and an ultimate skip.

Source: arbishakram/US-GAN @be3fca2 (no licence file), re-implemented layer for layer under the official
state_dict names from a description of its architecture. The ultimate skip adds the input image to the output,
so the network only has to paint what changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import ClassVar

from torch import Tensor, nn

from fesbench.core.contracts import GeneratorCard
from fesbench.generators.architecture import Architecture, length
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import ResidualBlock, image_head, one_hot, tile_condition, trunk
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.training_data import TrainingImages

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
        """Return (B, 3, R, R) in (-2, 2) for images in [-1, 1], R a multiple of 4, and one-hot targets."""
        change: Tensor = self.main(tile_condition(images, condition)).tanh()
        return images + change


ARCHITECTURE = Architecture(
    USGANNetwork,
    classes=length("main.0.weight", 1, offset=-3),
    official_classes=7,
    sizes={"width": length("main.0.weight", 0)},
)


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

    trials = 6
    small_weights = MappingProxyType({"g_cycle": 0.25})
    training_choices = (
        "discriminator halves the image down to 2 x 2, and starts from He's initialisation",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training",
    )

    label_orders = MappingProxyType({7: KDEF_ORDER})
    tracked_layers = ".*"

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the official generator's architecture.

        A StarGAN with one residual block has the same names and shapes; only the user can tell them apart.
        """
        return ARCHITECTURE

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> USGANObjective:
        """Return new networks with the official losses; see ``training_choices``."""
        classes = len(data.expressions)
        network, discriminator = USGANNetwork(classes, settings.width), new_discriminator(classes, settings)
        return USGANObjective(network, discriminator, one_hot(classes), settings)
