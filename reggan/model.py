"""RegGAN, and its first stage alone, as generators."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from fesbench.baselines.stargan import StarGAN
from fesbench.core.contracts import GeneratorCard
from fesbench.core.errors import BenchError, CheckpointError
from fesbench.generators.discriminator import StarGANDiscriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import he_initialise, one_hot
from fesbench.generators.neural import NeuralGenerator, label_names
from fesbench.generators.training_data import TrainingImages
from fesbench.weights.tensors import load_exactly

from .attention import ATTENTION_TYPES
from .layer import RegressionLayer, RegressionOptions, empty_layer, fit_layer
from .network import RegGANNetwork
from .objectives import PairedObjective
from .paired import PairedRegression
from .refinement import Refinement, RefinementOptions
from .regression import Channels


class RegressionStage(PairedRegression):
    """RegGAN's first stage: a local ridge regression for each target expression, on [-1, 1] images.

    Only the abstract of the paper is public to us: it names a sparsified ridge regression with local
    receptive fields, whose output is an intermediate representation that a second network refines. Window,
    penalty, channels and the residual target are our reading, chosen on validation subjects by
    ``benchmarks/select_regression.py`` (docs/regression.md).

    Args:
        receptive_field: Side of the window in pixels, odd.
        alpha: Ridge penalty, positive, not scaled by the number of images.
        channels: See ``LocalRidge``.
        residual: Fit the difference to the source.
        resolution: Side of the square images in pixels; None takes that of the first training pair.
    """

    card = GeneratorCard(
        name="reggan-regression",
        title="RegGAN, regression stage",
        year=2026,
        citation="RegGAN, arXiv 2603.15648",
        source="own implementation of our reading of the abstract",
        licence="MIT",
        supervision="paired",
        weights="fitted in closed form on the training split",
        choices=("first stage only, without refinement", "our reading: the paper's body is not public to us"),
        guided_by=("embedded-judge1",),
    )

    def __init__(
        self,
        receptive_field: int = 7,
        alpha: float = 3.0,
        channels: Channels = "same",
        residual: bool = True,
        resolution: int | None = None,
    ) -> None:
        super().__init__(receptive_field, alpha, channels, residual, resolution)

    def encode(self, images: Tensor) -> Tensor:
        """The images as they are."""
        return images

    def decode(self, predicted: Tensor, images: Tensor) -> Tensor:
        """Clamped to [-1, 1]."""
        return predicted.clamp(-1, 1)


@dataclass(frozen=True)
class Options:
    """RegGAN's choices, all ours; a subclass of ``RegGAN`` with other ``options`` is another variant.

    ``regression`` or ``refinement`` None leaves that stage out. With ``joint`` the regression is not fitted:
    its weights start at zero and are learned beside the refinement's.
    """

    regression: RegressionOptions | None = field(default_factory=RegressionOptions)
    refinement: RefinementOptions | None = field(default_factory=RefinementOptions)
    joint: bool = False


class RegGAN(NeuralGenerator):
    """RegGAN behind the generator contract: one-hot target, no need of the source, images of any size.

    Only the abstract of the paper is public to us; see ``template.choices``. There is no official checkpoint;
    ``from_official`` reads the network's own names.
    """

    template = GeneratorCard(
        name="reggan",
        title="RegGAN",
        year=2026,
        citation="RegGAN, arXiv 2603.15648",
        source="own implementation of our reading of the abstract",
        licence="MIT",
        supervision="paired",
        guided_by=("embedded-judge1",),
        choices=(
            "our reading: the paper's body is not public to us",
            "first stage: local ridge regression for each target expression, closed form, then frozen",
            "second stage: U-shaped encoder-decoder with attention gates, spatial attention and position "
            "attention, which corrects the regression's image and blends it with the source by a mask",
            "images of another size than the trained one: the change is made at that size and added",
        ),
    )

    has_official_code = False
    official = replace(StarGAN.official, steps=None, schedule="constant", decay_to=0.0)
    """Those of StarGAN: the paper's own are not public to us."""

    training_choices = (
        "trained on pairs only, neutral to expression: an advantage over unpaired methods",
        "discriminator and adversarial losses are StarGAN's",
        "weights are an exponential moving average over training",
    )

    options = Options()

    network: RegGANNetwork

    def __init__(self, network: RegGANNetwork, expressions: Sequence[str], resolution: int) -> None:
        super().__init__(network, expressions, resolution)
        if network.regression is not None:
            self.card = replace(self.card, resolution=None)

    @classmethod
    def from_official(
        cls, state: Mapping[str, Tensor], expressions: Sequence[str] | None = None, resolution: int = 128
    ) -> Self:
        """Build from the network's own names; stages, attention and sizes are read off names and shapes.

        Args:
            state: Names to tensors.
            expressions: Names of the labels, in the order in which the model was trained.
            resolution: Of the images where there is no regression; with one, any size is accepted.

        Raises:
            CheckpointError: the tensors are not RegGAN's, or do not fit ``expressions``.
        """
        try:
            with torch.device("meta"):
                network = _architecture(state)
        except BenchError as error:
            raise CheckpointError(f"the checkpoint is not RegGAN's: {error}") from error
        load_exactly(network, state)
        names = label_names(_classes(state), expressions, {})
        return cls(network, names, resolution)

    @classmethod
    def objective(cls, data: TrainingImages, settings: Settings) -> PairedObjective:
        """Fit the regression on the pairs of ``data``; a new refinement and discriminator.

        Raises:
            DatasetError: the data holds no pairs.
        """
        classes, options = len(data.expressions), cls.options
        refinement = Refinement(classes, settings.width, options.refinement) if options.refinement else None
        depth = settings.resolution.bit_length() - 2
        discriminator = StarGANDiscriminator(
            settings.resolution, classes, settings.discriminator_width, depth
        )
        he_initialise(discriminator.main)
        network = RegGANNetwork(cls._first_stage(data), refinement)
        return PairedObjective(network, discriminator, one_hot(classes), settings)

    @classmethod
    def _first_stage(cls, data: TrainingImages) -> RegressionLayer | None:
        options = cls.options.regression
        if options is None:
            return None
        if not cls.options.joint:
            return fit_layer(data, options)
        layer = empty_layer(len(data.expressions), data.images.shape[-1], options)
        return layer.requires_grad_()


def _classes(state: Mapping[str, Tensor]) -> int:
    """The number of expressions, by the regression's weights or else by the refinement's."""
    coef, label = state.get("regression.coef"), state.get("refinement.label.weight")
    known = coef if coef is not None else label
    return known.shape[1] if known is not None else 0


def _architecture(state: Mapping[str, Tensor]) -> RegGANNetwork:
    """The network that ``state`` looks like; a plain one where it looks like none."""
    coef, label, head = (
        state.get(name) for name in ("regression.coef", "refinement.label.weight", "refinement.head.bias")
    )
    layer = RegressionLayer(torch.empty(coef.shape)) if coef is not None else None
    if label is None or head is None or label.ndim != 2 or head.ndim != 1:
        return RegGANNetwork(layer, None)
    traces = {"gate": ".gate.", "spatial": ".spatial.", "position": ".position."}
    options = RefinementOptions(
        attention=tuple(kind for kind in ATTENTION_TYPES if any(traces[kind] in name for name in state)),
        depth=_count(state, r"refinement\.fall\.\d+\.0\.weight"),
        blocks=_count(state, r"refinement\.blocks\.\d+\.main\.0\.weight"),
        composition="mask" if len(head) == 4 else "sum",
    )
    return RegGANNetwork(layer, Refinement(label.shape[1], label.shape[0], options))


def _count(state: Mapping[str, Tensor], pattern: str) -> int:
    return sum(re.fullmatch(pattern, name) is not None for name in state)
