"""STGAN (Liu et al., CVPR 2019, arXiv 1904.09709): shortcuts pass through units that select what to edit.

Source: the usual PyTorch form, bluestyle97/STGAN-pytorch @1136a5d (no licence file), re-implemented layer for
layer under its state_dict names from a description of its architecture. The authors' own code is
csmliu/STGAN (TensorFlow, MIT).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import torch
from torch import Tensor, nn

from fesbench.core.contracts import GeneratorCard
from fesbench.core.errors import UnsupportedEdit
from fesbench.generators.architecture import (
    Architecture,
    Shapes,
    joined_channels,
    length,
    level_count,
    levels,
)
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot, tile_condition
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.training_data import TrainingImages

from .attgan import AttGAN
from .attribute_objective import AttributeObjective

HEAD = 16
"""Least channels before the last convolution: a quarter of a narrow width is hardly more than RGB."""

ENCODER = "encoder.{}.0.weight"
"""Name of the convolution's weights at each level of the encoder."""


class TransferUnit(nn.Module):
    """A selective transfer unit: a gated recurrent cell that runs from the bottleneck to finer levels.

    Args:
        classes: Length of the condition.
        state: Channels of the incoming state.
        width: Channels of the encoder's features, of the output and of the outgoing state.
    """

    def __init__(self, classes: int, state: int, width: int) -> None:
        super().__init__()
        self.upsample = nn.ConvTranspose2d(state + classes, width, 4, stride=2, padding=1, bias=False)
        self.reset_gate = _gate(width, nn.Sigmoid())
        self.update_gate = _gate(width, nn.Sigmoid())
        self.hidden = _gate(width, nn.Tanh())

    def forward(self, features: Tensor, state: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Mix the encoder's features with the state.

        Args:
            features: (B, width, H, W).
            state: (B, state, H / 2, W / 2).
            condition: (B, classes).

        Returns:
            Features for the decoder and the state for the next unit, each (B, width, H, W).
        """
        raised = self.upsample(tile_condition(state, condition))
        seen = torch.cat([features, raised], dim=1)
        reset, update = self.reset_gate(seen), self.update_gate(seen)
        carried = reset * raised
        candidate = self.hidden(torch.cat([features, carried], dim=1))
        return (1 - update) * raised + update * candidate, carried


class STGANNetwork(nn.Module):
    """The generator: encoder, selective transfer units on the shortcuts, decoder, tanh.

    Args:
        classes: Length of the condition.
        width: Channels of the first layer (``conv_dim``), doubled at each level.
        depth: Halvings (``n_layers``); the official 5 leave 4 × 4 at 128 pixels.
        shortcuts: Decoder levels with a unit (``shortcut_layers``), at most depth - 1.
        one_more_conv: Whether a convolution follows the last doubling, as it does by default.
        head: Channels before that convolution; by default a quarter of ``width``, the official 16.
    """

    def __init__(
        self,
        classes: int,
        width: int = 64,
        depth: int = 5,
        shortcuts: int = 3,
        one_more_conv: bool = True,
        head: int | None = None,
    ) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth)]
        self.encoder = nn.ModuleList(_halving(*pair) for pair in pairwise([3, *widths]))
        self.stu = nn.ModuleList(
            TransferUnit(classes, widths[-1 - level], widths[-2 - level]) for level in range(shortcuts)
        )
        inputs, blocks = widths[-1] + classes, []
        for level, outputs in enumerate(reversed(widths[1:])):
            blocks.append(nn.Sequential(*_doubling(inputs, outputs)))
            inputs = outputs + (outputs // 2) * (level < shortcuts)
        hidden = width // 4 if head is None else head
        blocks.append(_image_head(inputs, hidden) if one_more_conv else _plain_image_head(inputs))
        self.decoder = nn.ModuleList(blocks)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Synthesize.

        Args:
            images: (B, 3, R, R) in [-1, 1], R a multiple of 2**depth.
            condition: (B, classes), target minus source labels: 1 for what is added, -1 for what is removed.

        Returns:
            (B, 3, R, R) in (-1, 1).
        """
        levels = [images]
        for block in self.encoder:
            levels.append(block(levels[-1]))
        state = levels.pop()
        features = self.decoder[0](tile_condition(state, condition))
        for level, block in enumerate(self.decoder[1:]):
            if level < len(self.stu):
                selected, state = self.stu[level](levels.pop(), state, condition)
                features = torch.cat([features, selected], dim=1)
            features = block(features)
        outputs: Tensor = features
        return outputs


class STGANDiscriminator(nn.Module):
    """The discriminator: one strided body, a realness score and attribute logits.

    Args:
        resolution: Image size R in pixels.
        classes: Number of attributes.
        width: Channels of the first layer (``conv_dim``), doubled at each level.
        depth: Halvings; the official 5 leave 4 × 4 at 128 pixels.
    """

    def __init__(self, resolution: int, classes: int, width: int = 64, depth: int = 5) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth)]
        self.conv = nn.Sequential(*(_critic_block(*pair) for pair in pairwise([3, *widths])))
        inputs = widths[-1] * (resolution >> depth) ** 2
        self.fc_adv = _head(inputs, widths[-1], 1)
        self.fc_att = _head(inputs, widths[-1], classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return realness (B, 1) and logits (B, classes) of (B, 3, R, R) images."""
        features = self.conv(images).flatten(1)
        return self.fc_adv(features), self.fc_att(features)


def _shortcuts(shapes: Shapes) -> int | None:
    units = range(len(levels(shapes, ENCODER)) - 1)
    return sum(f"stu.{level}.upsample.weight" in shapes for level in units)


def _one_more_conv(shapes: Shapes) -> int | None:
    return _last_conv(shapes) in shapes


def _head_width(shapes: Shapes) -> int | None:
    """The channels before the last convolution, 0 where there is none."""
    return length(_last_conv(shapes), 0)(shapes) or 0


def _last_conv(shapes: Shapes) -> str:
    return f"decoder.{len(levels(shapes, ENCODER)) - 1}.3.weight"


ARCHITECTURE = Architecture(
    STGANNetwork,
    classes=joined_channels(ENCODER, "decoder.{}.0.weight"),
    official_classes=13,
    sizes={
        "width": length(ENCODER.format(0), 0),
        "depth": level_count(ENCODER),
        "shortcuts": _shortcuts,
        "one_more_conv": _one_more_conv,
        "head": _head_width,
    },
)


class STGANObjective(AttributeObjective):
    """AttGAN's losses with attribute differences of random strength, so that edits can be graded."""

    def edit(self, batch: Batch, targets: Tensor, draws: Draws) -> Tensor:
        """Return edits by attribute differences, each scaled by its own draw from U(0, 1)."""
        difference = self.condition(batch.labels, targets)
        strength = draws.uniform(difference.shape[1])
        outputs: Tensor = self(batch.images, strength * difference)
        return outputs

    def class_loss(self, predictions: Tensor, labels: Tensor) -> Tensor:
        """Return the binary cross-entropy of (B, classes) logits against (B,) labels, summed over classes."""
        return predictions.shape[1] * super().class_loss(predictions, labels)


class STGAN(NeuralGenerator):
    """STGAN behind the generator contract: target minus source expression, running statistics."""

    template = GeneratorCard(
        name="stgan",
        title="STGAN",
        year=2019,
        citation="Liu et al., STGAN: A Unified Selective Transfer Network for Arbitrary Image Attribute "
        "Editing, CVPR 2019",
        source="https://github.com/bluestyle97/STGAN-pytorch",
        licence="MIT for the authors' TensorFlow code (csmliu/STGAN); the PyTorch form followed here, "
        "bluestyle97/STGAN-pytorch, has no licence file",
        needs_source=True,
        supervision="unpaired",
        choices=("takes the whole difference between target and source, as the code's test program does",),
    )

    official = replace(AttGAN.official, steps=1_000_000, decay_from=0.8)

    official_wrapper = "state_dict"

    trials = 6
    small_weights = MappingProxyType({"g_class": 0.5})
    training_choices = (
        "generator and discriminator halve the image down to 4 x 4, as the official ones do at 128 pixels; "
        "three selective transfer units as there, fewer only where there are fewer levels",
        "at least 16 channels before the last convolution, the official number, at every width",
        "optimiser, n_critic, widths and batch size suit a small budget; see the training record",
        "weights are an exponential moving average over training, batch statistics those of the last step",
    )

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the architecture of bluestyle97's generator; jdelanoy's has biases and other widths."""
        return ARCHITECTURE

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> STGANObjective:
        """Return new networks with the official losses; see ``training_choices``."""
        classes, depth = len(data.expressions), settings.resolution.bit_length() - 3
        return STGANObjective(
            STGANNetwork(
                classes,
                settings.width,
                depth,
                shortcuts=min(3, depth - 1),
                head=max(HEAD, settings.width // 4),
            ),
            STGANDiscriminator(settings.resolution, classes, settings.discriminator_width, depth),
            lambda source, target: _difference(classes, source, target),
            settings,
        )

    def condition(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the one-hot target minus the one-hot source, (B, classes) float32.

        Raises:
            UnsupportedEdit: the source expression of an image is not known.
        """
        classes = len(self.card.expressions)
        if ((source < 0) | (source >= classes)).any():
            raise UnsupportedEdit(f"{self.card.name} needs to know the source expression")
        return _difference(classes, source, target)


def _halving(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2, inplace=True),
    )


def _doubling(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    ]


def _image_head(inputs: int, hidden: int) -> nn.Sequential:
    refined = nn.ConvTranspose2d(hidden, 3, 3, padding=1, bias=False)
    return nn.Sequential(*_doubling(inputs, hidden), refined, nn.Tanh())


def _plain_image_head(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.ConvTranspose2d(inputs, 3, 4, stride=2, padding=1, bias=False), nn.Tanh())


def _gate(width: int, activation: nn.Module) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(2 * width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), activation
    )


def _critic_block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 4, stride=2, padding=1),
        nn.InstanceNorm2d(outputs, affine=True, track_running_stats=True),
        nn.LeakyReLU(0.2),
    )


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.LeakyReLU(0.2), nn.Linear(hidden, outputs))


def _difference(classes: int, source: Tensor, target: Tensor) -> Tensor:
    targets = one_hot(classes)
    return targets(source, target) - targets(target, source)
