"""DE-GAN (Ali & Hughes 2019, arXiv 1909.13135 and 1912.01456): expression disentangled from identity.

The authors published neither code nor layer sizes that we know of. This is our reading of the principles in
the abstracts; ``DEGAN.template`` lists our own choices.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fesbench.core.contracts import GeneratorCard
from fesbench.generators.architecture import Architecture, count, length
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import (
    decoder,
    encoder,
    he_initialise,
    image_head,
    instance_norm,
    strided_layers,
)
from fesbench.generators.losses import gradient_penalty
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.objectives import Objective, Terms
from fesbench.generators.training_data import TrainingImages

CODE = 16
"""Length of an expression code: too short to carry a face."""

MOMENTUM = 0.05
"""Fraction by which one training image moves the mean code of its class."""


class ExpressionEncoder(nn.Sequential):
    """(B, 3, R, R) in [-1, 1] to expression codes (B, CODE) in (-1, 1): halvings to 4 x 4, then linear.

    Args:
        resolution: Image size R in pixels, a multiple of 4.
        width: Channels of the first layer.
    """

    def __init__(self, resolution: int, width: int) -> None:
        depth = resolution.bit_length() - 3
        channels = [3, *(width * min(2**level, 8) for level in range(depth))]
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(channels):
            convolution = nn.Conv2d(inputs, outputs, 4, stride=2, padding=1, bias=False)
            layers += [convolution, instance_norm(outputs), nn.ReLU(inplace=True)]
        super().__init__(*layers, nn.Flatten(), nn.Linear(16 * channels[-1], CODE), nn.Tanh())


class ResidueBlock(nn.Module):
    """Adds to identity features what an expression changes in them; keeps the shape.

    The code sets scale and shift after each normalisation. Tiled onto the input instead, as StarGAN does,
    it would be constant over the image and normalised away but for the borders.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.second = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.style = nn.Linear(CODE, 4 * channels)

    def forward(self, features: Tensor, code: Tensor) -> Tensor:
        """Return (B, C, H, W) for features of that shape and codes (B, CODE)."""
        scale, shift, scale_out, shift_out = self.style(code)[:, :, None, None].chunk(4, dim=1)
        channels = features.shape[1]  # as many groups: instance normalisation
        inner = F.group_norm(self.first(features), channels) * (1 + scale) + shift
        residue: Tensor = F.group_norm(self.second(F.relu(inner)), channels) * (1 + scale_out) + shift_out
        return features + residue


class DEGANNetwork(nn.Module):
    """Expression encoder, identity encoder, and the decoder that joins them.

    ``codes``, (classes, CODE), holds the mean expression code of each class; ``recognition`` reads the class
    off a code, as the papers do with an SVM or MLP afterwards.

    Args:
        resolution: Image size R in pixels, a multiple of 4.
        classes: Number of expressions.
        width: Channels of the first layers.
        blocks: Residue blocks.
    """

    def __init__(self, resolution: int, classes: int, width: int = 64, blocks: int = 4) -> None:
        super().__init__()
        self.expression = ExpressionEncoder(resolution, width)
        self.recognition = nn.Linear(CODE, classes)
        self.identity = nn.Sequential(*encoder(3, width))
        self.residues = nn.ModuleList(ResidueBlock(4 * width) for _ in range(blocks))
        self.decoder = nn.Sequential(*decoder(width), image_head(width), nn.Tanh())
        # A parameter, though no gradient changes it: so it is averaged like the weights that it goes with.
        self.codes = nn.Parameter(torch.zeros(classes, CODE), requires_grad=False)

    def forward(self, images: Tensor, code: Tensor) -> Tensor:
        """Return (B, 3, R, R) in (-2, 2) for images in [-1, 1] and expression codes (B, CODE)."""
        features = self.identity(images)
        for block in self.residues:
            features = block(features, code)
        outputs: Tensor = images + self.decoder(features)
        return outputs

    @torch.no_grad()
    def remember(self, codes: Tensor, labels: Tensor) -> None:
        """Move the mean code of each class in ``labels``, (B,) int64, towards its ``codes``, (B, CODE)."""
        members = F.one_hot(labels, len(self.codes)).to(codes).T
        counts = members.sum(1, keepdim=True)
        self.codes.lerp_(members @ codes / counts.clamp_min(1), 1 - (1 - MOMENTUM) ** counts)


class DEGANDiscriminator(nn.Module):
    """Realness, expression and identity from one strided body.

    Args:
        resolution: Image size R in pixels.
        classes: Number of expressions.
        subjects: Number of people in the training data.
        width: Channels of the first layer.
        depth: Halvings.
    """

    def __init__(self, resolution: int, classes: int, subjects: int, width: int, depth: int) -> None:
        super().__init__()
        top = width * 2 ** (depth - 1)
        self.main = nn.Sequential(*strided_layers(width, depth))
        self.realness = nn.Conv2d(top, 1, 3, padding=1, bias=False)
        self.expression = nn.Conv2d(top, classes, resolution >> depth, bias=False)
        self.identity = nn.Conv2d(top, subjects, resolution >> depth, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return a realness map (B, 1, r, r), class logits (B, classes) and subject logits (B, subjects)."""
        features = self.main(images)
        return (
            self.realness(features),
            self.expression(features).flatten(1),
            self.identity(features).flatten(1),
        )


class DEGANObjective(Objective):
    """Losses of realness, expression and identity, all from one discriminator.

    Half of the target codes are those of an exemplar, another image of the batch; the others are the mean
    code of the exemplar's class, as in label-driven synthesis. An image whose target is its own expression
    must not change, and the cycle back with an image's own code must reproduce it.
    """

    official_weights: ClassVar[Mapping[str, float]] = {
        "d_class": 1.0,
        "d_identity": 0.1,
        "d_penalty": 10.0,
        "g_class": 1.0,
        "g_identity": 0.1,
        "g_code": 1.0,
        "g_same": 1.0,
        "g_cycle": 1.0,
    }

    @property
    def network(self) -> DEGANNetwork:
        """The generator, typed."""
        return cast(DEGANNetwork, self.generator)

    def targets(self, codes: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return target codes (B, CODE) and labels (B,), for the codes of all images of ``draws.whole``."""
        exemplars = draws.exemplars()
        labels, typical = draws.whole.labels[exemplars], draws.uniform(1) < 0.5
        return torch.where(typical, self.network.codes[labels], codes[exemplars]), labels

    def discriminator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return Wasserstein distance, expression and identity of real images, gradient penalty."""
        with torch.no_grad():
            codes, _ = self.targets(self.network.expression(draws.whole.images), draws)
            fakes = self(batch.images, codes)
        realness, expressions, people = self.discriminator(batch.images)
        return {
            "d_real": -realness.mean(),
            "d_fake": self.discriminator(fakes)[0].mean(),
            "d_class": F.cross_entropy(expressions, batch.labels),
            "d_identity": F.cross_entropy(people, batch.subjects),
            "d_penalty": gradient_penalty(lambda x: self.discriminator(x)[0], batch.images, fakes, draws),
        }

    def generator_terms(self, batch: Batch, draws: Draws) -> Terms:
        """Return realness, expression, identity of the edits, class of codes, L1 of no change and cycle."""
        every_code = self.network.expression(draws.whole.images)
        self.network.remember(every_code, draws.whole.labels)
        target_codes, targets = self.targets(every_code, draws)
        codes = every_code[draws.rows.to(every_code.device)]
        fakes = self(batch.images, target_codes)
        realness, expressions, people = self.discriminator(fakes)
        same = (targets == batch.labels).float()
        changes = (batch.images - fakes).abs().mean((1, 2, 3))
        return {
            "g_fake": -realness.mean(),
            "g_class": F.cross_entropy(expressions, targets),
            "g_identity": F.cross_entropy(people, batch.subjects),
            "g_code": F.cross_entropy(self.network.recognition(codes), batch.labels),
            "g_same": (changes * same).sum() / same.sum().clamp_min(1),
            "g_cycle": (batch.images - self(fakes, codes)).abs().mean(),
        }


class DEGAN(NeuralGenerator):
    """DE-GAN behind the generator contract: a label stands for the mean expression code of its class."""

    template = GeneratorCard(
        name="degan",
        title="DE-GAN",
        year=2019,
        citation="Ali and Hughes, Facial Expression Representation Learning by Synthesizing Expression "
        "Images, arXiv 1912.01456; Facial Expression Recognition Using Disentangled Adversarial Learning, "
        "arXiv 1909.13135",
        source="https://arxiv.org/abs/1912.01456",
        licence="own implementation; the authors published no code",
        supervision="unpaired",
        guided_by=("embedded-judge1",),
        choices=(
            "from the papers: an encoder whose code carries expression only, identity given to the decoder "
            "explicitly, residue learning, a discriminator that classifies expression and identity",
            "ours: every layer and loss weight, for none are published; the blocks are StarGAN's",
            "ours: identity comes as a feature map that a second encoder reads off the source image, so that "
            "people outside training can be edited",
            "ours: residue blocks add what the code changes to the identity features; the decoded residue "
            "is added to the source image",
            "ours: a label stands for the mean expression code of its class in training",
        ),
    )

    has_official_code = False
    official = Settings()
    """The suite's own: those of the authors are not known."""

    trials = 6
    learns_from = "the expression of each image and whom it shows"
    training_choices = (
        "WGAN-GP, expression and identity cross-entropy, L1 cycle, L1 where the source shows the target",
        "codes must tell a linear layer their class all along; the papers fit a classifier afterwards",
        "identity is learned from the subjects of the training images",
        "half of the target codes come from exemplars, half are class means",
        "weights are an exponential moving average over training",
    )

    network: DEGANNetwork

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the architecture of ``DEGANNetwork`` at a resolution."""
        return Architecture(
            partial(DEGANNetwork, resolution),
            classes=length("codes", 0),
            official_classes=7,
            sizes={
                "width": length("identity.0.weight", 0),
                "blocks": count(r"residues\.\d+\.first\.weight"),
            },
        )

    @staticmethod
    def objective(data: TrainingImages, settings: Settings) -> DEGANObjective:
        """Return new networks for the expressions and subjects of ``data``, with their losses."""
        classes, subjects = len(data.expressions), int(data.subjects.max()) + 1
        depth = settings.resolution.bit_length() - 2
        discriminator = DEGANDiscriminator(
            settings.resolution, classes, subjects, settings.discriminator_width, depth
        )
        he_initialise(discriminator.main)
        network = DEGANNetwork(settings.resolution, classes, settings.width)
        return DEGANObjective(network, discriminator, settings)

    def condition(self, source: Tensor, target: Tensor) -> Tensor:
        """Return the mean expression code of each target's class, (B, CODE)."""
        return self.network.codes[target]
