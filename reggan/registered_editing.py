"""Edits of registered faces: the shape is moved, and what changes in the frame is carried to the photo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from torch import Tensor

from fesbench.core.contracts import Dataset, Image, Sample
from fesbench.core.errors import BenchError, DatasetError, ImageError
from fesbench.core.plurals import counted
from fesbench.datasets.images import resize
from fesbench.datasets.loading import in_memory
from fesbench.datasets.registration import find_landmarks
from fesbench.datasets.registration.frame import COUNT, Points
from fesbench.generators.registration import Registration, stacked
from fesbench.generators.synthesis import output_to_image

from .calibration import folds_of
from .shape_regression import Moves, ShapeRegression
from .texture_regression import Face, located


class Meshes(NamedTuple):
    """The mesh of a face in its picture, (V, 2), and where the expression moves it."""

    before: Points
    after: Points


class MovedFaces:
    """A batch of photos, the meshes of their faces, and where the expressions move these.

    Args:
        registration: To the frame.
        images: (B, 3, R, R) float32 in [-1, 1].
        meshes: Of each face.
    """

    def __init__(self, registration: Registration, images: Tensor, meshes: Sequence[Meshes]) -> None:
        self._registration, self._images = registration, images
        self._before = stacked([mesh.before for mesh in meshes], images.device)
        self._after = stacked([mesh.after for mesh in meshes], images.device)

    def registered(self) -> Tensor:
        """Return the faces in the frame: (B, 3, size of the frame, size of the frame) in [-1, 1]."""
        return self._registration.to_frame(self._images, self._before)

    def edited(self, change: Tensor) -> Tensor:
        """Return the photos with their faces moved, and with a change of the frame's pixels, in [-1, 1]."""
        return self._registration.move(self._images, self._before, self._after, change).clamp(-1, 1)


@dataclass(frozen=True)
class RegisteredEditing:
    """Where landmarks go, and the registration to the frame of the same shapes."""

    shapes: ShapeRegression
    registration: Registration

    def meshes(self, landmarks: Points, label: int, intensity: float = 1.0) -> Meshes:
        """Return where a face with (68, 2) landmarks is, and where an expression moves it.

        Raises:
            LandmarkError: the landmarks are not known, not those of a face, or cross each other.
        """
        pose = self.shapes.frame.pose(landmarks)
        shape = pose.normalise(landmarks)
        self.shapes.check(shape)
        before = self.shapes.frame.mesh(shape)
        moved = self.shapes.moved(before[:COUNT], label, intensity)
        after = self.shapes.frame.mesh(moved, before[:COUNT])
        return Meshes(pose.place(before), pose.place(after))


@dataclass(frozen=True)
class LocatedPairs:
    """The pairs of a training set whose landmarks are known.

    Attributes:
        pairs: Of a neutral and another face of one person.
        expressions: Those of the second faces, in the order of the data set.
        faces: Each image and its landmarks, by the id of its sample.
        trained_on: The training set in words, for a card.
    """

    pairs: Sequence[tuple[Sample, Sample]]
    expressions: Sequence[str]
    faces: Mapping[str, Face]
    trained_on: str

    @classmethod
    def of(cls, train: Dataset) -> LocatedPairs:
        """Find the landmarks of all pairs.

        Raises:
            DatasetError: there are no pairs, or none whose landmarks are known.
            BenchError: landmarks have to be found, and dlib or its predictor is not there.
        """
        pairs = train.pairs()
        if not pairs:
            raise DatasetError(f"{train.name} ({train.split}) has no pairs of neutral and other expressions")
        faces = located([sample for pair in pairs for sample in pair])
        usable = [(x, y) for x, y in pairs if x.id in faces and y.id in faces]
        if not usable:
            raise DatasetError(f"no pair of {train.name} ({train.split}) has landmarks on both of its images")
        expressions = [name for name in train.expressions if any(y.expression == name for _, y in usable)]
        return cls(usable, expressions, faces, _trained_on(train, usable, len(pairs) - len(usable)))

    def in_memory(self, size: int) -> LocatedPairs:
        """Return the same with every image loaded once, at ``size`` pixels, without unreadable ones.

        Raises:
            DatasetError: no pair is left.
        """
        faces = {}
        for name, face in self.faces.items():
            with suppress(ImageError):
                pixels = resize(face.sample.load(), size)
                faces[name] = face._replace(sample=in_memory(face.sample, (pixels, None)))
        usable = [(x, y) for x, y in self.pairs if x.id in faces and y.id in faces]
        if not usable:
            raise DatasetError("no pair whose landmarks are known can be read")
        shown = {y.expression for _, y in usable}
        expressions = [name for name in self.expressions if name in shown]
        return replace(self, pairs=usable, expressions=expressions, faces=faces)

    def shapes(self, calibrate: bool) -> ShapeRegression:
        """Return the fitted maps of the expressions; see ``ShapeRegression.fit``."""
        sources = {source.id: source for source, _ in self.pairs}
        folds = folds_of(source.subject for source, _ in self.pairs)
        moves = []
        for name in self.expressions:
            before, after = zip(*(pair for pair in self.pairs if pair[1].expression == name), strict=True)
            numbers = np.array([folds[sample.subject] for sample in before])
            moves.append(Moves(self._points(before), self._points(after), numbers))
        return ShapeRegression.fit(self._points(sources.values()), moves, calibrate)

    def _points(self, samples: Iterable[Sample]) -> Points:
        return np.stack([self.faces[sample.id].landmarks for sample in samples])


def _trained_on(train: Dataset, pairs: Sequence[tuple[Sample, Sample]], left_out: int) -> str:
    subjects = len({source.subject for source, _ in pairs})
    lacking = f", {counted(left_out, 'pair')} without landmarks left out" if left_out else ""
    return f"{train.name} {train.split}, {subjects} subjects{lacking}"


def check_square(images: Tensor) -> None:
    """Refuse what is no batch of square RGB images.

    Raises:
        BenchError: the images are not (N, 3, R, R).
    """
    if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] != images.shape[3]:
        raise BenchError(f"images must be (N, 3, R, R), not {tuple(images.shape)}")


def points_of(images: Tensor, landmarks: Tensor | None) -> Points:
    """Return the landmarks of a batch, found in (B, 3, R, R) images where None are given: (B, 68, 2)."""
    if landmarks is not None:
        given: Points = landmarks.detach().cpu().double().numpy()
        return given
    pixels: list[Image] = [output_to_image(image) for image in images]
    return np.stack([find_landmarks(image) for image in pixels]).astype(np.float64)
