"""Local regression of registered faces: shape and texture each by a closed form, in a common frame."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fesbench.core.contracts import ClosedForm, Dataset, GeneratorCard, Image, LandmarkGenerator, Sample
from fesbench.core.errors import BenchError, CheckpointError, DatasetError, LandmarkError, UnsupportedEdit
from fesbench.core.plurals import counted
from fesbench.datasets.registration import find_landmarks
from fesbench.datasets.registration.frame import COUNT, Points
from fesbench.generators.registration import Registration, stacked
from fesbench.generators.synthesis import output_to_image

from .calibration import STRONGEST, folds_of
from .model import RegressionStage
from .paired import parsed
from .regression import LocalRidge, apply_windows
from .shape_regression import Moves, ShapeRegression
from .texture_regression import Face, TextureFit, located, unit_range

FALLBACK = "fallback."
"""Prefix of the fallback's arrays in a state."""


class _Meshes(NamedTuple):
    """The mesh of a face in its picture, (V, 2), and where the expression moves it."""

    before: Points
    after: Points


@dataclass(frozen=True)
class _Fit:
    """What a fit gives: ``weights`` are (K, p, 3, R, R) float32, of the change of texture in the frame."""

    shapes: ShapeRegression
    weights: Tensor
    registration: Registration


class RegisteredRegression(ClosedForm, LandmarkGenerator):
    """RegGAN's first stage on faces that are registered to each other by 68 landmarks.

    Our extension, not the paper's. In a common frame, whose pixels mean the same place of every face, a
    ``LocalRidge`` for each expression predicts how the texture changes; a ridge regression on the landmarks
    predicts how the shape does. The output is the photo itself, moved by a piecewise-affine warp, plus the
    change of texture inside the landmarks: it is as sharp as the photo. Images of any size are accepted; the
    change of texture is predicted at ``resolution``.

    Args:
        receptive_field: Side of the window of the texture regression in pixels, odd.
        alpha: Its ridge penalty, for values in [0, 1].
        intensity: How much of the predicted changes is made: 0 gives the input, 1 the expression.
        fallback: Edit faces whose landmarks are not known by ``RegressionStage``, which is then fitted too;
            without it such an edit fails with the reason.
        resolution: Side in pixels of the frame; None takes that of the first training pair.
        calibrate: Make the predicted changes as strong as those of training people who are held out; see
            ``calibration.strength``. Predictions are averages, and weaker than what most people show.

    Raises:
        BenchError: a setting is out of range.
    """

    card = GeneratorCard(
        name="reggan-registered",
        title="RegGAN, registered faces",
        year=2026,
        citation="RegGAN, arXiv 2603.15648",
        source="own extension of our reading of the abstract",
        licence="MIT; its landmarks of photos are by a predictor that learned from data for research only",
        supervision="paired",
        weights="fitted in closed form on the training split",
        choices=(
            "our extension, not the paper's: faces are registered to 68 landmarks",
            "first stage only, without refinement",
            "shape: ridge regression on 8 principal components; texture: local ridge regression",
            "our extension: both are as strong as true changes of training people who are held out",
        ),
        guided_by=(),
        registered=True,
    )

    def __init__(
        self,
        receptive_field: int = 3,
        alpha: float = 0.4,
        intensity: float = 1.0,
        fallback: bool = False,
        resolution: int | None = None,
        calibrate: bool = True,
    ) -> None:
        LocalRidge(receptive_field, alpha)
        if not 0 <= intensity <= STRONGEST:
            raise BenchError(f"intensity must be from 0 to {STRONGEST}, not {intensity}")
        self.receptive_field, self.alpha, self.intensity = receptive_field, alpha, intensity
        self.fallback, self.resolution, self.calibrate = fallback, resolution, calibrate
        self._device = "cpu"
        self._stage = RegressionStage() if fallback else None
        self._fit: _Fit | None = None

    def fit(self, train: Dataset, val: Dataset | None, seed: int) -> None:
        """Fit shape and texture of every expression in ``train.pairs()``.

        Deterministic; ``val`` and ``seed`` are not used. Landmarks are those that the data set knows, else
        they are found in the images, at their own size. Pairs without landmarks are left out,
        and the card says how many.

        Raises:
            DatasetError: there are no pairs, or none whose landmarks are known.
            BenchError: landmarks have to be found, and dlib or its predictor is not there.
        """
        pairs = train.pairs()
        if not pairs:
            raise DatasetError(f"{train.name} ({train.split}) has no pairs of neutral and other expressions")
        size = self.resolution or min(pairs[0][0].load().shape[:2])
        faces = located([sample for pair in pairs for sample in pair])
        usable = [(x, y) for x, y in pairs if x.id in faces and y.id in faces]
        if not usable:
            raise DatasetError(f"no pair of {train.name} ({train.split}) has landmarks on both of its images")
        expressions = [name for name in train.expressions if any(y.expression == name for _, y in usable)]
        shapes = _fit_shapes(usable, expressions, faces, self.calibrate)
        registration = Registration(shapes.frame, size, self._device)
        ridge = LocalRidge(self.receptive_field, self.alpha, residual=True)
        textures = TextureFit(ridge, faces, registration, self.calibrate)
        weights = textures.weights(usable, expressions)
        self._fit = _Fit(shapes, weights, registration)
        self._describe(expressions, _trained_on(train, usable, len(pairs) - len(usable)))
        if self._stage is not None:
            self._stage.fit(train, val, seed)

    def synthesize(
        self, images: Tensor, source: Tensor, target: Tensor, landmarks: Tensor | None = None
    ) -> Tensor:
        """Change shape and texture of each face towards its target expression; ``source`` is not used.

        Raises:
            UnsupportedEdit: a target is not among ``card.expressions``.
            LandmarkError: the landmarks of a face are not known or not those of a face, and there is no
                fallback.
            BenchError: the model is not fitted, or images are not square.
        """
        self._check(images, target)
        points = _found(images) if landmarks is None else landmarks.detach().cpu().double().numpy()
        meshes = [self._meshes(face, int(label)) for face, label in zip(points, target, strict=True)]
        known = torch.tensor([mesh is not None for mesh in meshes], device=images.device)
        outputs = torch.empty_like(images)
        if known.any():
            outputs[known] = self._changed(images[known], target[known], [mesh for mesh in meshes if mesh])
        if self._stage is not None and not known.all():
            outputs[~known] = self._stage.synthesize(images[~known], source[~known], target[~known])
        return outputs

    def _check(self, images: Tensor, target: Tensor) -> None:
        expressions = len(self._fitted().weights)
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
            raise BenchError(f"images must be (N, 3, R, R), not {tuple(images.shape)}")
        for label in torch.unique(target).tolist():
            if not 0 <= label < expressions:
                raise UnsupportedEdit(f"{self.card.name} knows targets 0 to {expressions - 1}, not {label}")

    def _meshes(self, landmarks: Points, label: int) -> _Meshes | None:
        """Where a face is and where it goes; None where nobody knows and there is a fallback."""
        shapes = self._fitted().shapes
        try:
            pose = shapes.frame.pose(landmarks)
            shape = pose.normalise(landmarks)
            shapes.check(shape)
            before = shapes.frame.mesh(shape)
            moved = shapes.moved(before[:COUNT], label, self.intensity)
            after = shapes.frame.mesh(moved, before[:COUNT])
        except LandmarkError:
            if self._stage is None:
                raise
            return None
        return _Meshes(pose.place(before), pose.place(after))

    def _changed(self, images: Tensor, target: Tensor, meshes: Sequence[_Meshes]) -> Tensor:
        weights, registration = self._fitted().weights, self._fitted().registration
        before = stacked([mesh.before for mesh in meshes], images.device)
        after = stacked([mesh.after for mesh in meshes], images.device)
        registered = unit_range(registration.to_frame(images, before))
        change = torch.empty_like(registered)
        for label in torch.unique(target).tolist():
            chosen = target == label
            change[chosen] = apply_windows(registered[chosen], weights[label], "same", residual=False)
        change *= 2 * self.intensity * registration.mask
        return registration.move(images, before, after, change).clamp(-1, 1)

    def _fitted(self) -> _Fit:
        if self._fit is None:
            raise BenchError(f"{self.card.name} is not fitted: call fit or load_state first")
        return self._fit

    def _describe(self, expressions: Sequence[str], trained_on: str) -> None:
        fit = self._fitted()
        numbers = fit.weights.numel() + sum(array.size for array in fit.shapes.state().values())
        self.card = replace(
            self.card, expressions=tuple(expressions), trained_on=trained_on, parameters=numbers
        )

    def to(self, device: str) -> RegisteredRegression:
        """Move the weights to a device, where later fits compute too."""
        self._device = device
        if self._stage is not None:
            self._stage.to(device)
        if (fit := self._fit) is not None:
            moved = Registration(fit.shapes.frame, fit.registration.size, device)
            self._fit = _Fit(fit.shapes, fit.weights.to(device), moved)
        return self

    def state(self) -> Mapping[str, NDArray[np.generic]]:
        """Return ``texture``, (expressions, features, 3, R, R) float32, the shape's arrays, and ``about``."""
        fit, fallback = self._fitted(), self._stage.state() if self._stage is not None else {}
        about = json.dumps([self.card.expressions, self.card.trained_on])
        return {
            "texture": fit.weights.cpu().numpy(),
            "about": np.frombuffer(about.encode(), dtype=np.uint8),
            **fit.shapes.state(),
            **{f"{FALLBACK}{name}": array for name, array in fallback.items()},
        }

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Restore the arrays of an earlier ``state()``.

        Raises:
            CheckpointError: the arrays are not those of this model with these settings.
        """
        try:
            shapes = ShapeRegression.from_state(state)
            weights = torch.from_numpy(np.array(state["texture"], dtype=np.float32))
            expressions, trained_on = parsed(state["about"].tobytes())
        except (KeyError, ValueError, TypeError) as error:
            raise CheckpointError(f"not a state of {self.card.name}: {error!r}; fit it again") from error
        expected = (len(expressions), self.receptive_field**2 + 1, 3, *weights.shape[-1:] * 2)
        if weights.shape != expected or len(expressions) != len(shapes.maps):
            raise CheckpointError(
                f"{self.card.name} with these settings needs weights of {expected}, "
                f"not {tuple(weights.shape)}; fit it again"
            )
        if self._stage is not None:
            parts = {name.removeprefix(FALLBACK): a for name, a in state.items() if name.startswith(FALLBACK)}
            self._stage.load_state(parts)
        registration = Registration(shapes.frame, weights.shape[-1], self._device)
        self._fit = _Fit(shapes, weights.to(self._device), registration)
        self._describe(expressions, trained_on)


def _fit_shapes(
    pairs: Sequence[tuple[Sample, Sample]],
    expressions: Sequence[str],
    faces: Mapping[str, Face],
    calibrate: bool,
) -> ShapeRegression:
    def points(samples: Iterable[Sample]) -> Points:
        return np.stack([faces[sample.id].landmarks for sample in samples])

    sources = {source.id: source for source, _ in pairs}
    folds = folds_of(source.subject for source, _ in pairs)
    moves = []
    for name in expressions:
        before, after = zip(*(pair for pair in pairs if pair[1].expression == name), strict=True)
        numbers = np.array([folds[sample.subject] for sample in before])
        moves.append(Moves(points(before), points(after), numbers))
    return ShapeRegression.fit(points(sources.values()), moves, calibrate)


def _trained_on(train: Dataset, pairs: Sequence[tuple[Sample, Sample]], left_out: int) -> str:
    subjects = len({source.subject for source, _ in pairs})
    lacking = f", {counted(left_out, 'pair')} without landmarks left out" if left_out else ""
    return f"{train.name} {train.split}, {subjects} subjects{lacking}"


def _found(images: Tensor) -> Points:
    """The landmarks found in (B, 3, R, R) images: (B, 68, 2) float64."""
    pixels: list[Image] = [output_to_image(image) for image in images]
    return np.stack([find_landmarks(image) for image in pixels]).astype(np.float64)
