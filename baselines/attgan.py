"""AttGAN (He et al., TIP 2019, arXiv 1711.10678): an encoder, and a decoder conditioned on attributes.

Source: elvisyjlin/AttGAN-PyTorch @be2d6c6 (MIT), re-implemented layer for layer under the official
state_dict names.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import torch
from pydantic import BaseModel, Field, ValidationError
from torch import Tensor, nn

from fesbench.core.contracts import GeneratorCard
from fesbench.core.errors import CheckpointError
from fesbench.generators.architecture import (
    Architecture,
    Shapes,
    joined_channels,
    length,
    level_count,
    levels,
)
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot, tile_condition
from fesbench.generators.neural import NeuralGenerator, Stated
from fesbench.generators.objectives import Conditioning
from fesbench.generators.training_data import TrainingImages

from .attribute_objective import AttributeObjective

ENCODER, DECODER = "enc_layers.{}.layers.0.weight", "dec_layers.{}.layers.0.weight"
"""Names of the convolutions' weights at each level."""

MAX_WIDTH = 1024
INTENSITY = 0.5
MAX_SETTING_BYTES = 1 << 20


class OfficialSettings(BaseModel):
    """The entries of the official ``setting.txt`` that describe the network."""

    attrs: tuple[str, ...] = ()
    img_size: int = Field(128, gt=0, le=1024)
    enc_norm: Literal["batchnorm"] = "batchnorm"
    dec_norm: Literal["batchnorm"] = "batchnorm"
    enc_acti: Literal["lrelu"] = "lrelu"
    dec_acti: Literal["relu"] = "relu"


class Block(nn.Module):
    """The layers of one level, under the official name ``layers``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """Return ``features`` after all layers."""
        outputs: Tensor = self.layers(features)
        return outputs


class AttGANNetwork(nn.Module):
    """The official generator: encoder, attributes, decoder with shortcuts, tanh.

    Args:
        classes: Length of the condition.
        width: Channels of the first layer, doubled at each level up to 1024.
        depth: Halvings; the official 5 leave 4 × 4 at 128 pixels.
        shortcuts: Decoder levels that take in the encoder's features of their size, at most depth - 1.
        injections: Decoder levels that take in the attributes once more, at most depth - 1.
    """

    def __init__(
        self, classes: int, width: int = 64, depth: int = 5, shortcuts: int = 1, injections: int = 0
    ) -> None:
        super().__init__()
        self.shortcuts, self.injections = shortcuts, injections
        widths = [min(width * 2**level, MAX_WIDTH) for level in range(depth)]
        self.enc_layers = nn.ModuleList(_encoder_block(*pair) for pair in pairwise([3, *widths]))
        inputs, blocks = widths[-1] + classes, []
        for level, outputs in enumerate(reversed(widths[1:])):
            blocks.append(_decoder_block(inputs, outputs))
            inputs = outputs + (outputs // 2) * (level < shortcuts) + classes * (level < injections)
        blocks.append(Block(nn.ConvTranspose2d(inputs, 3, 4, stride=2, padding=1), nn.Tanh()))
        self.dec_layers = nn.ModuleList(blocks)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Synthesize.

        Args:
            images: (B, 3, R, R) in [-1, 1], R a multiple of 2**depth.
            condition: (B, classes), ±0.5 for attributes that are there or not.

        Returns:
            (B, 3, R, R) in (-1, 1).
        """
        levels = [images]
        for block in self.enc_layers:
            levels.append(block(levels[-1]))
        features = tile_condition(levels.pop(), condition)
        for level, block in enumerate(self.dec_layers):
            features = block(features)
            if level < self.shortcuts:
                features = torch.cat([features, levels.pop()], dim=1)
            if level < self.injections:
                features = tile_condition(features, condition)
        return features


class AttGANDiscriminator(nn.Module):
    """The official discriminator: one strided body, a realness score and attribute logits.

    Args:
        resolution: Image size R in pixels.
        classes: Number of attributes; the official code fixes 13.
        width: Channels of the first layer, doubled at each level up to 1024.
        depth: Halvings; the official 5 leave 4 × 4 at 128 pixels.
    """

    def __init__(self, resolution: int, classes: int, width: int = 64, depth: int = 5) -> None:
        super().__init__()
        widths = [min(width * 2**level, MAX_WIDTH) for level in range(depth)]
        self.conv = nn.Sequential(*(_critic_block(*pair) for pair in pairwise([3, *widths])))
        inputs = widths[-1] * (resolution >> depth) ** 2
        self.fc_adv = _head(inputs, widths[-1], 1)
        self.fc_cls = _head(inputs, widths[-1], classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return realness (B, 1) and logits (B, classes) of (B, 3, R, R) images."""
        features = self.conv(images).flatten(1)
        return self.fc_adv(features), self.fc_cls(features)


CLASSES = joined_channels(ENCODER, DECODER)


def _extras(shapes: Shapes) -> list[tuple[int, int]]:
    """For each decoder level after the first, its inputs in addition to the outputs of the level before.

    The second number is how many of them a shortcut would bring.
    """
    decoder = levels(shapes, DECODER)
    return [(after[0] - block[1], block[1] // 2) for block, after in pairwise(decoder)]


def _shortcuts(shapes: Shapes) -> int | None:
    classes = CLASSES(shapes) or 0
    return sum(extra in (half, half + classes) for extra, half in _extras(shapes))


def _injections(shapes: Shapes) -> int | None:
    classes = CLASSES(shapes) or 0
    return sum(extra in (classes, half + classes) and extra != half for extra, half in _extras(shapes))


ARCHITECTURE = Architecture(
    AttGANNetwork,
    classes=CLASSES,
    official_classes=13,
    sizes={
        "width": length(ENCODER.format(0), 0),
        "depth": level_count(ENCODER),
        "shortcuts": _shortcuts,
        "injections": _injections,
    },
)


class AttGAN(NeuralGenerator):
    """AttGAN behind the generator contract: target expression as attributes, running statistics."""

    template = GeneratorCard(
        name="attgan",
        title="AttGAN",
        year=2019,
        citation="He et al., AttGAN: Facial Attribute Editing by Only Changing What You Want, "
        "IEEE Transactions on Image Processing 28(11), 2019",
        source="https://github.com/elvisyjlin/AttGAN-PyTorch",
        licence="MIT",
        supervision="unpaired",
        choices=(
            "the target expression counts +0.5 and all others -0.5, as in the official training; the "
            "official test program doubles the attribute that it edits",
        ),
    )

    official = Settings(
        resolution=128,
        width=64,
        discriminator_width=64,
        batch_size=32,
        n_critic=5,
        learning_rate=2e-4,
        schedule="step",
        decay_from=0.5,
        decay_to=0.1,
        average=0.0,
    )

    official_wrapper = "G"

    small_weights = MappingProxyType({"g_class": 2.0})
    training_choices = (
        "generator and discriminator halve the image down to 4 x 4, as the official ones do at 128 pixels; "
        "one shortcut and one injection, as in the models that the official code's author released",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training, batch statistics those of the last step",
    )

    @classmethod
    def stated_beside(cls, path: Path) -> Stated:
        """Return what ``setting.txt`` states: the names of the attributes, in order, and the image size.

        The official code writes it beside the checkpoint or into the folder above.

        Raises:
            CheckpointError: ``setting.txt`` is too long, or states layers that this network lacks.
        """
        stated = _stated_settings(path)
        return Stated() if stated is None else Stated(stated.attrs, stated.img_size)

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the official generator's architecture."""
        return ARCHITECTURE

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> AttributeObjective:
        """Return new networks with the official losses; see ``training_choices``."""
        classes, depth = len(data.expressions), settings.resolution.bit_length() - 3
        return AttributeObjective(
            AttGANNetwork(classes, settings.width, depth, injections=1),
            AttGANDiscriminator(settings.resolution, classes, settings.discriminator_width, depth),
            _attributes(classes),
            settings,
        )

    def condition(self, source: Tensor, target: Tensor) -> Tensor:
        """Return (B, classes) float32: +0.5 for the target expression, -0.5 for the others."""
        return _attributes(len(self.card.expressions))(source, target)


def _encoder_block(inputs: int, outputs: int) -> Block:
    halved = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return Block(halved, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.01, inplace=True))


def _decoder_block(inputs: int, outputs: int) -> Block:
    doubled = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return Block(doubled, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


def _critic_block(inputs: int, outputs: int) -> Block:
    halved = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
    return Block(halved, nn.InstanceNorm2d(outputs, affine=True), nn.LeakyReLU(0.01))


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(Block(nn.Linear(inputs, hidden), nn.ReLU()), Block(nn.Linear(hidden, outputs)))


def _attributes(classes: int) -> Conditioning:
    targets = one_hot(classes)
    return lambda source, target: (2 * targets(source, target) - 1) * INTENSITY


def _stated_settings(path: Path) -> OfficialSettings | None:
    """Read the ``setting.txt`` of an official file; None where there is none."""
    folders = [path.parent, *([path.parent.parent] if path.parent.name == "checkpoint" else [])]
    file = next((folder / "setting.txt" for folder in folders if (folder / "setting.txt").is_file()), None)
    if file is None or path.suffix == ".safetensors":
        return None
    if file.stat().st_size > MAX_SETTING_BYTES:
        raise CheckpointError(
            f"{file}, which belongs to {path.name}, is too long: it has {file.stat().st_size} bytes, and at "
            f"most {MAX_SETTING_BYTES} are read; keep the entries that describe the network"
        )
    try:
        return OfficialSettings.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise CheckpointError(
            f"{file}, which belongs to {path.name}, does not describe a network that can be built: {error}"
        ) from error
