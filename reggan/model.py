"""RegGAN, and its first stage alone, as generators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import torch
from torch import Tensor

from fesbench.core.contracts import GeneratorCard
from fesbench.generators.architecture import Architecture, Shapes, count, length
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot
from fesbench.generators.neural import NeuralGenerator
from fesbench.generators.training_data import TrainingImages

from .attention import ATTENTION_TYPES
from .layer import RegressionLayer, RegressionOptions, empty_layer, fit_layer
from .network import RegGANNetwork
from .objectives import PairedObjective
from .paired import PairedRegression
from .refinement import Refinement, RefinementOptions
from .regression import Channels


class RegressionStage(PairedRegression):
    """A local ridge regression for each target expression, on [-1, 1] images: RegGAN's idea of a first stage.

    Only the abstract of the paper is public to us: it names a sparsified ridge regression with local
    receptive fields, whose output is an intermediate representation for a second network. Window,
    penalty, channels and the residual target are our reading, chosen on validation subjects by
    ``benchmarks/select_regression.py`` (docs/regression.md). It is another regression than the first stage
    inside our ``reggan``, which has window 5 and penalty 1 (``RegressionOptions``): the difference of the two
    models' scores is not what the refinement adds.

    Args:
        receptive_field: Side of the window in pixels, odd.
        alpha: Ridge penalty, positive, not scaled by the number of images.
        channels: See ``LocalRidge``.
        residual: Fit the difference to the source.
        resolution: Side of the square images in pixels; None takes that of the first training pair.
    """

    card = GeneratorCard(
        name="reggan-regression",
        title="Local ridge regression (window 7)",
        year=2026,
        citation="RegGAN, arXiv 2603.15648",
        source="own implementation of our reading of the abstract",
        licence="MIT",
        supervision="paired",
        weights="fitted in closed form on the training split",
        choices=(
            "window 7 and penalty 3; the first stage inside reggan has window 5 and penalty 1",
            "no refinement",
            "our reading: the paper's body is not public to us",
        ),
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
        """Return the images unchanged."""
        return images

    def decode(self, predicted: Tensor, images: Tensor) -> Tensor:
        """Return the predictions, clamped to [-1, 1]."""
        return predicted.clamp(-1, 1)


@dataclass(frozen=True)
class Options:
    """Options of RegGAN, all of them our reading; a subclass of ``RegGAN`` may set others.

    None for ``regression`` or ``refinement`` leaves that stage out. With ``joint`` the regression is not
    fitted: its weights start at zero and are trained together with the refinement's.
    """

    regression: RegressionOptions | None = field(default_factory=RegressionOptions)
    refinement: RefinementOptions | None = field(default_factory=RefinementOptions)
    joint: bool = False


class RegGAN(NeuralGenerator):
    """RegGAN behind the generator contract: one-hot target, no need of the source.

    Only the abstract of the paper is public to us; see ``template.choices``. There is no official checkpoint;
    ``from_official`` reads the network's own names. Its argument ``resolution`` matters only without a
    regression, whose weights state it.
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
        ),
    )

    has_official_code = False
    official = Settings(
        resolution=128,
        width=64,
        discriminator_width=64,
        batch_size=16,
        n_critic=5,
        learning_rate=1e-4,
        average=0.0,
    )
    """Those of StarGAN, at a constant learning rate: the paper's own are not public to us."""

    trials = 5
    learns_from = "pairs of a neutral and another face of one person, and their expressions"
    training_choices: tuple[str, ...] = (
        "trained on pairs only, neutral to expression: an advantage over unpaired methods",
        "discriminator and adversarial losses are StarGAN's",
        "weights are an exponential moving average over training",
    )

    options = Options()

    network: RegGANNetwork

    def __init__(self, network: RegGANNetwork, expressions: Sequence[str], resolution: int) -> None:
        super().__init__(network, expressions, resolution)
        if network.regression is not None:
            self.card = replace(self.card, resolution=network.regression.resolution)

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the architecture that names and shapes show: stages, types of attention, sizes."""
        shapes = {name: value.shape for name, value in state.items()}
        return Architecture(partial(_network, shapes), _classes, official_classes=0)

    @classmethod
    def objective(cls, data: TrainingImages, settings: Settings) -> PairedObjective:
        """Fit the regression on the pairs of ``data``; return it with a new refinement and discriminator.

        Raises:
            DatasetError: the data holds no pairs.
        """
        classes, options = len(data.expressions), cls.options
        refinement = Refinement(classes, settings.width, options.refinement) if options.refinement else None
        discriminator = new_discriminator(classes, settings)
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


def _classes(shapes: Shapes) -> int | None:
    """The number of expressions, by the regression's weights or else by the refinement's; 0 without both."""
    return length("regression.coef", 1)(shapes) or length("refinement.label.weight", 1, default=0)(shapes)


def _network(shapes: Shapes, classes: int) -> RegGANNetwork:
    """The network with tensors of these names and shapes; without stages where they show none."""
    coef, head = shapes.get("regression.coef"), shapes.get("refinement.head.bias")
    layer = RegressionLayer(torch.empty(coef)) if coef is not None else None
    width = length("refinement.label.weight", 0)(shapes)
    if width is None or head is None:
        return RegGANNetwork(layer, None)
    options = RefinementOptions(
        attention=tuple(kind for kind in ATTENTION_TYPES if any(f".{kind}." in name for name in shapes)),
        depth=count(r"refinement\.fall\.\d+\.0\.weight")(shapes),
        blocks=count(r"refinement\.blocks\.\d+\.main\.0\.weight")(shapes),
        composition="mask" if head[:1] == (4,) else "sum",
    )
    return RegGANNetwork(layer, Refinement(classes, width, options))
