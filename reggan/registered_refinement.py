"""RegGAN whole, on registered faces: the refinement corrects the change of texture in the common frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from fesbench.core.contracts import NEUTRAL, Dataset, GeneratorCard, LandmarkGenerator, Sample
from fesbench.core.errors import BenchError, CheckpointError, LandmarkError
from fesbench.generators.architecture import Architecture, Shapes
from fesbench.generators.discriminator import new_discriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.layers import one_hot
from fesbench.generators.neural import DEFAULT_RESOLUTION
from fesbench.generators.registration import Registration
from fesbench.generators.training_data import FirstStage, TrainingImages

from .layer import RegressionLayer, RegressionOptions, empty_layer
from .model import RegGAN, _classes, _network
from .network import Edited, RegGANNetwork
from .objectives import PairedObjective
from .refinement import Refinement, RefinementOptions
from .registered_editing import LocatedPairs, MovedFaces, RegisteredEditing, check_square, points_of
from .regression import LocalRidge
from .shape_regression import AXES, ShapeRegression
from .texture_regression import RegisteredEdit, TextureFit, held_out_edits, weights_of

RIDGE = RegressionOptions(receptive_field=3, alpha=0.4, mirror=False)
"""Of the regression of texture: that of ``RegisteredRegression``."""
COEFFICIENTS, MASK, SHAPES = "regression.coef", "inside", "shapes."
"""Names of tensors of the network; those of the shape regression follow its prefix."""
UNIT = 8
"""The side of the box in which the network works is a multiple of so many pixels."""


class Box(NamedTuple):
    """Rows and columns of a square part of the frame."""

    rows: slice
    columns: slice


class RegisteredNetwork(RegGANNetwork):
    """RegGAN's two stages for faces in the frame, whose changes are kept inside a mask.

    Both stages see only the box around the mask, so that no step is spent on what stays as it is. ``edit``
    and ``refine`` take that part of the frame, a call the whole.

    Args:
        regression: First stage, at the size of the box.
        refinement: Second stage.
        inside: (R, R) float32 in 0..1, the mask of the frame.
        shapes: The arrays of ``ShapeRegression.state``, float64, kept with the weights.
    """

    regression: RegressionLayer
    inside: Tensor

    def __init__(
        self,
        regression: RegressionLayer,
        refinement: Refinement,
        inside: Tensor,
        shapes: Mapping[str, Tensor],
    ) -> None:
        super().__init__(regression, refinement)
        self.register_buffer(MASK, inside)
        self.shapes = torch.nn.Module()
        for name, values in shapes.items():
            self.shapes.register_buffer(name, values)

    def refine(self, images: Tensor, intermediate: Tensor, condition: Tensor) -> Edited:
        """Return the edit, which is the input where the frame's mask is 0; see ``RegGANNetwork.refine``."""
        edited, inside = super().refine(images, intermediate, condition), self.inside[self.box]
        return Edited(images + inside * (edited.outputs - images), inside * edited.mask)

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Return (B, 3, R, R) images of the frame, edited inside the box."""
        outputs, part = images.clone(), (..., *self.box)
        outputs[part] = self.edit(images[part], condition).outputs
        return outputs

    def check(self, labels: int, displacements: int) -> None:
        """Check that labels, displacements, mask and first stage fit each other.

        Raises:
            ValueError: they do not.
        """
        size, box = self.inside.shape, self.regression.resolution
        if displacements != labels:
            raise ValueError(f"it has {displacements} displacements for {labels} expressions")
        if size[0] != size[1] or size[0] < box or not self.inside.any():
            raise ValueError(f"its mask of {size[0]} x {size[1]} pixels does not fit a box of {box}")

    @property
    def box(self) -> Box:
        """The box of the mask, of the size that the first stage has."""
        return box_of(self.inside, self.regression.resolution)


def box_of(mask: Tensor, side: int | None = None) -> Box:
    """Return the smallest square box around a mask, with a pixel of margin where there is room.

    Args:
        mask: (R, R).
        side: Of the box in pixels; None for the smallest multiple of ``UNIT`` that holds the mask.
    """
    size = len(mask)
    if side == size:
        return Box(slice(0, size), slice(0, size))
    spans = [torch.nonzero(mask.any(dim=axis)).flatten()[[0, -1]].tolist() for axis in (1, 0)]
    side = side or min(-(-max(last - first + 3 for first, last in spans) // UNIT) * UNIT, size)
    starts = [min(max((first + last + 1 - side) // 2, 0), size - side) for first, last in spans]
    rows, columns = (slice(start, start + side) for start in starts)
    return Box(rows, columns)


class RegisteredRegGAN(RegGAN, LandmarkGenerator):
    """RegGAN on registered faces: ``RegisteredRegression``, and a refinement of its texture in the frame.

    Our extension, not the paper's. The network sees and answers faces in the frame; the photo is moved as by
    the first stage alone, and the network's change of the frame's pixels is added. Images of any size are
    accepted.
    """

    template = GeneratorCard(
        name="reggan-registered-refined",
        title="RegGAN, registered faces, refined",
        year=2026,
        citation="RegGAN, arXiv 2603.15648",
        source="own extension of our reading of the abstract",
        licence="MIT; its landmarks of photos are by a predictor that learned from data for research only",
        supervision="paired",
        guided_by=("embedded-judge1",),
        choices=(
            "our extension, not the paper's: faces are registered to 68 landmarks",
            "first stage: that of reggan-registered, closed form, then frozen",
            "second stage: reggan's refinement, in the frame of registered faces",
        ),
        registered=True,
    )

    training_choices = (
        "trained on pairs only, neutral to expression: an advantage over unpaired methods",
        "learns from predictions of the first stage for people whom its fit has not seen",
        "discriminator and adversarial losses are StarGAN's",
        "weights are an exponential moving average over training",
    )

    network: RegisteredNetwork

    def __init__(self, network: RegisteredNetwork, expressions: Sequence[str], resolution: int) -> None:
        super().__init__(network, expressions, resolution)
        self.card = replace(self.card, resolution=None)

    @cached_property
    def _editing(self) -> RegisteredEditing:
        arrays = {name: values.cpu().numpy() for name, values in self.network.shapes.named_buffers()}
        shapes = ShapeRegression.from_state(arrays)
        inside = self.network.inside
        return RegisteredEditing(shapes, Registration(shapes.frame, len(inside), str(inside.device)))

    @classmethod
    def architecture(cls, state: Mapping[str, Tensor], resolution: int) -> Architecture:
        """Return the architecture that names and shapes show."""
        shapes = {name: value.shape for name, value in state.items()}
        return Architecture(partial(_registered, shapes), _classes, official_classes=0)

    @classmethod
    def from_official(
        cls,
        state: Mapping[str, Tensor],
        expressions: Sequence[str] | None = None,
        resolution: int = DEFAULT_RESOLUTION,
    ) -> Self:
        """Build the generator; see ``NeuralGenerator.from_official``.

        Raises:
            CheckpointError: see there; or the tensors of the first stage are not those of a fit.
        """
        generator = super().from_official(state, expressions, resolution)
        try:
            generator.network.check(len(generator.card.expressions), len(generator._editing.shapes.maps))
        except (KeyError, ValueError, LandmarkError) as error:
            raise CheckpointError(
                f"the checkpoint of {cls.template.name} has no usable first stage: {error}; train it again"
            ) from error
        return generator

    @classmethod
    def prepared(cls, train: Dataset, images: TrainingImages) -> TrainingImages:
        """Fit the first stage to the pairs of ``train``; return their faces in the box, with its outputs.

        The box is that of the frame's mask, outside which targets, registered by their own landmarks, are
        the source. Pairs without landmarks are left out.

        Raises:
            DatasetError: there are no pairs, or none whose landmarks are known.
            BenchError: landmarks have to be found, and dlib or its predictor is not there.
        """
        size = images.images.shape[-1]
        known = LocatedPairs.of(train).in_memory(size)
        shapes = known.shapes(calibrate=True)
        registration = Registration(shapes.frame, size)
        ridge = LocalRidge(RIDGE.receptive_field, RIDGE.alpha, RIDGE.channels, RIDGE.residual)
        fit = TextureFit(ridge, known.faces, registration, calibrate=True)
        groups = list(fit.groups(known.pairs, known.expressions))
        box = box_of(registration.mask)
        weights = _rescaled(weights_of(groups, known.expressions))[..., *box]
        labels = [images.expressions.index(name) for name in known.expressions]
        state = {
            COEFFICIENTS: _spread(weights, labels, len(images.expressions), 1),
            MASK: registration.mask,
            **_shape_tensors(shapes, labels, len(images.expressions)),
        }
        rows = _rows(held_out_edits(groups), registration.mask, box)
        return _training_images(rows, images, state)

    @classmethod
    def objective(cls, data: TrainingImages, settings: Settings) -> PairedObjective:
        """Return the first stage of ``data`` with a new refinement and discriminator.

        Images that were not ``prepared`` have a first stage that changes nothing.
        """
        classes = len(data.expressions)
        options = cls.options.refinement or RefinementOptions()
        state = data.first_stage.state if data.first_stage else _nothing(classes, data.images.shape[-1])
        shapes = {name.removeprefix(SHAPES): x for name, x in state.items() if name.startswith(SHAPES)}
        regression = RegressionLayer(state[COEFFICIENTS])
        refinement = Refinement(classes, settings.width, options)
        network = RegisteredNetwork(regression, refinement, state[MASK], shapes)
        seen = replace(settings, resolution=regression.resolution)
        return PairedObjective(network, new_discriminator(classes, seen), one_hot(classes), settings)

    @torch.no_grad()
    def synthesize(
        self, images: Tensor, source: Tensor, target: Tensor, landmarks: Tensor | None = None
    ) -> Tensor:
        """Change shape and texture of each face towards its target expression; ``source`` is not used.

        Raises:
            UnsupportedEdit: a target is not among ``card.expressions``.
            LandmarkError: the landmarks of a face are not known or not those of a face.
            BenchError: images are not square.
        """
        self.check_labels(target)
        check_square(images)
        editing = self._editing
        points = points_of(images, landmarks)
        meshes = [editing.meshes(face, int(label)) for face, label in zip(points, target, strict=True)]
        faces = MovedFaces(editing.registration, images, meshes)
        registered = faces.registered().clamp(-1, 1)
        return faces.edited(self.network(registered, self.condition(source, target)) - registered)

    def to(self, device: str) -> Self:
        """Move the network and the registration."""
        self.__dict__.pop("_editing", None)
        return super().to(device)


def _registered(shapes: Shapes, classes: int) -> RegisteredNetwork:
    """The network with tensors of these names and shapes."""
    whole = _network(shapes, classes)
    inside = shapes.get(MASK, torch.Size())
    if whole.regression is None or whole.refinement is None or len(inside) != 2:
        raise BenchError("it lacks a stage, or the mask of the frame")
    arrays = {name: torch.empty(shapes.get(SHAPES + name, ()), dtype=torch.float64) for name in AXES}
    return RegisteredNetwork(whole.regression, whole.refinement, torch.empty(inside), arrays)


def _nothing(classes: int, size: int) -> Mapping[str, Tensor]:
    """The state of a first stage that changes nothing, in a frame without a shape."""
    layer = empty_layer(classes, size, RIDGE)
    return {COEFFICIENTS: layer.coef, MASK: torch.ones(size, size)}


def _rescaled(weights: Tensor) -> Tensor:
    """Turn (K, p, 3, R, R) weights for values in [0, 1] into (p, K, 3, R, R) weights for [-1, 1]."""
    rescaled = weights.clone()
    rescaled[:, -1] = weights[:, :-1].sum(dim=1) + 2 * weights[:, -1]
    return rescaled.transpose(0, 1).contiguous()


def _spread(values: Tensor, labels: Sequence[int], count: int, axis: int) -> Tensor:
    """Return values of some labels as those of ``count``, 0 for the others, along an axis."""
    shape = list(values.shape)
    shape[axis] = count
    return torch.zeros(shape, dtype=values.dtype).index_copy(axis, torch.tensor(labels), values)


def _shape_tensors(shapes: ShapeRegression, labels: Sequence[int], count: int) -> dict[str, Tensor]:
    arrays = {name: torch.from_numpy(np.array(array)) for name, array in shapes.state().items()}
    for name in ("displacements", "maps"):
        arrays[name] = _spread(arrays[name], labels, count, 0)
    return {f"{SHAPES}{name}": values for name, values in arrays.items()}


class _Row(NamedTuple):
    """A training image, (3, R, R) uint8, the first stage's output for it, and the row of its neutral face."""

    sample: Sample
    truth: Tensor
    intermediate: Tensor
    neutral: int


def _rows(edits: Iterator[RegisteredEdit], mask: Tensor, box: Box) -> list[_Row]:
    """Every source, as its own target, and every target after its source."""
    rows: list[_Row] = []
    places: dict[str, int] = {}
    for edit in edits:
        source, target = edit.pair
        if source.id not in places:
            places[source.id], photo = len(rows), _bytes(edit.source[:, *box])
            rows.append(_Row(source, photo, photo, places[source.id]))
        truth = edit.source + mask * (edit.truth - edit.source)
        seen, made = _bytes(truth[:, *box]), _bytes(edit.predicted[:, *box])
        rows.append(_Row(target, seen, made, places[source.id]))
    return rows


def _training_images(
    rows: Sequence[_Row], images: TrainingImages, state: Mapping[str, Tensor]
) -> TrainingImages:
    subjects = list(dict.fromkeys(row.sample.subject for row in rows))
    return TrainingImages(
        torch.stack([row.truth for row in rows]),
        torch.tensor([images.expressions.index(row.sample.expression or NEUTRAL) for row in rows]),
        torch.tensor([subjects.index(row.sample.subject) for row in rows]),
        torch.tensor([row.neutral for row in rows]),
        torch.ones(len(rows), dtype=torch.bool),
        images.expressions,
        images.problems,
        ids=tuple(row.sample.id for row in rows),
        first_stage=FirstStage(state, torch.stack([row.intermediate for row in rows])),
    )


def _bytes(image: Tensor) -> Tensor:
    """Return an image in [0, 1] as (3, R, R) uint8."""
    return (image * 255).round().clamp(0, 255).byte().cpu()
