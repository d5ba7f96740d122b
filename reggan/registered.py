"""Local regression of registered faces: shape and texture each by a closed form, in a common frame."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fesbench.core.contracts import ClosedForm, Dataset, GeneratorCard, LandmarkGenerator
from fesbench.core.errors import BenchError, CheckpointError, LandmarkError, UnsupportedEdit
from fesbench.datasets.registration.frame import Points
from fesbench.generators.registration import Registration

from .calibration import STRONGEST
from .model import RegressionStage
from .paired import parsed
from .registered_editing import LocatedPairs, Meshes, MovedFaces, RegisteredEditing, check_square, points_of
from .regression import LocalRidge, apply_windows
from .shape_regression import ShapeRegression
from .texture_regression import TextureFit, unit_range, weights_of

FALLBACK = "fallback."
"""Prefix of the fallback's arrays in a state."""


@dataclass(frozen=True)
class _Fit:
    """What a fit gives: ``weights`` are (K, p, 3, R, R) float32, of the change of texture in the frame."""

    editing: RegisteredEditing
    weights: Tensor


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
        known = LocatedPairs.of(train)
        size = self.resolution or min(train.pairs()[0][0].load().shape[:2])
        shapes = known.shapes(self.calibrate)
        registration = Registration(shapes.frame, size, self._device)
        ridge = LocalRidge(self.receptive_field, self.alpha, residual=True)
        textures = TextureFit(ridge, known.faces, registration, self.calibrate)
        weights = weights_of(textures.groups(known.pairs, known.expressions), known.expressions)
        self._fit = _Fit(RegisteredEditing(shapes, registration), weights)
        self._describe(known.expressions, known.trained_on)
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
        points = points_of(images, landmarks)
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
        check_square(images)
        for label in torch.unique(target).tolist():
            if not 0 <= label < expressions:
                raise UnsupportedEdit(f"{self.card.name} knows targets 0 to {expressions - 1}, not {label}")

    def _meshes(self, landmarks: Points, label: int) -> Meshes | None:
        """Where a face is and where it goes; None where nobody knows and there is a fallback."""
        try:
            return self._fitted().editing.meshes(landmarks, label, self.intensity)
        except LandmarkError:
            if self._stage is None:
                raise
            return None

    def _changed(self, images: Tensor, target: Tensor, meshes: Sequence[Meshes]) -> Tensor:
        fit = self._fitted()
        faces = MovedFaces(fit.editing.registration, images, meshes)
        registered = unit_range(faces.registered())
        change = torch.empty_like(registered)
        for label in torch.unique(target).tolist():
            chosen = target == label
            change[chosen] = apply_windows(registered[chosen], fit.weights[label], "same", residual=False)
        change *= 2 * self.intensity * fit.editing.registration.mask
        return faces.edited(change)

    def _fitted(self) -> _Fit:
        if self._fit is None:
            raise BenchError(f"{self.card.name} is not fitted: call fit or load_state first")
        return self._fit

    def _describe(self, expressions: Sequence[str], trained_on: str) -> None:
        fit = self._fitted()
        numbers = fit.weights.numel() + sum(array.size for array in fit.editing.shapes.state().values())
        self.card = replace(
            self.card, expressions=tuple(expressions), trained_on=trained_on, parameters=numbers
        )

    def to(self, device: str) -> RegisteredRegression:
        """Move the weights to a device, where later fits compute too."""
        self._device = device
        if self._stage is not None:
            self._stage.to(device)
        if (fit := self._fit) is not None:
            shapes = fit.editing.shapes
            moved = Registration(shapes.frame, fit.editing.registration.size, device)
            self._fit = _Fit(RegisteredEditing(shapes, moved), fit.weights.to(device))
        return self

    def state(self) -> Mapping[str, NDArray[np.generic]]:
        """Return ``texture``, (expressions, features, 3, R, R) float32, the shape's arrays, and ``about``."""
        fit, fallback = self._fitted(), self._stage.state() if self._stage is not None else {}
        about = json.dumps([self.card.expressions, self.card.trained_on])
        return {
            "texture": fit.weights.cpu().numpy(),
            "about": np.frombuffer(about.encode(), dtype=np.uint8),
            **fit.editing.shapes.state(),
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
        self._fit = _Fit(RegisteredEditing(shapes, registration), weights.to(self._device))
        self._describe(expressions, trained_on)
