"""The common frame of registered faces: one shape, and one triangulation of it that every face shares.

A face has the 68 landmarks of iBUG 300-W. A ring around it, where hair, ears and neck begin, and points
around the picture complete the mesh. Its pose alone carries them along, so that the motion of the landmarks
fades out towards the ring: brows that rise do not lift the hair.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, Delaunay

from fesbench.core.errors import LandmarkError

from ..preparation.alignment import eye_targets

Points = NDArray[np.float64]
"""(..., n, 2) float64; see ``core.contracts.Landmarks`` for unit and axes."""

COUNT = 68
JAW_ENDS, CHIN = (0, 16), 8
BROWS = slice(17, 27)
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)
STABLE = np.array([27, 28, 29, 30, 36, 39, 42, 45])
"""Bridge of the nose and corners of the eyes: what expressions hardly move, so that they show the pose."""

MARGIN = 0.2
"""Distance of the points around the face from the border of the frame's picture, in its sides."""
RING = 16
"""Points of the ring, an ellipse around the point between the eyes."""
ABOVE, BESIDE, BELOW = 0.5, 1.2, 1.25
"""Its height above the eyes and its depth below them in distances from eyes to chin; half its width in halves
of the width of the jaw."""
SMALLEST = 1e-5
"""Smallest area of a triangle, in the square of the frame's side: a sixth of a pixel of a 128 x 128 image."""
ROUNDS = 200
FARTHEST = 0.05
"""Farthest that the repair of a folded mesh may move a landmark, in sides of the frame."""
FEATHER = 0.06
"""Width of the soft border of the mask, in sides of the frame."""


class Pose(NamedTuple):
    """A similarity from the frame to a picture: ``points @ linear.T + offset``; ``linear`` is (2, 2)."""

    linear: Points
    offset: Points

    def place(self, points: Points) -> Points:
        """Take points of the frame to the picture."""
        return points @ self.linear.T + self.offset

    def normalise(self, points: Points) -> Points:
        """Take points of the picture to the frame."""
        return (points - self.offset) @ np.linalg.inv(self.linear).T


def pose_between(shape: Points, landmarks: Points) -> Pose:
    """Return the similarity that takes points ``shape`` nearest to ``landmarks``, by least squares.

    Raises:
        LandmarkError: the landmarks are not finite, or all in one place.
    """
    if landmarks.shape != shape.shape or not np.isfinite(landmarks).all():
        raise LandmarkError("the landmarks of the face are not known")
    centre, middle = shape.mean(axis=0), landmarks.mean(axis=0)
    a, b = (shape - centre).T, (landmarks - middle).T
    scale = (a * a).sum()
    cosine, sine = (a * b).sum() / scale, (a[0] * b[1] - a[1] * b[0]).sum() / scale
    if np.hypot(cosine, sine) < 0.01:
        raise LandmarkError("the landmarks of the face lie in one place")
    linear = np.array([[cosine, -sine], [sine, cosine]])
    return Pose(linear, middle - linear @ centre)


def eye_centres(landmarks: Points) -> Points:
    """Return the centres of the eyes: (2, 2), the left one in the picture first."""
    return np.stack([landmarks[LEFT_EYE].mean(axis=0), landmarks[RIGHT_EYE].mean(axis=0)])


def normalised_shapes(faces: Points) -> Points:
    """Return (n, 68, 2) faces without their poses, eyes where the crops of the suite have them.

    Each is aligned by its eyes; then all are, by the points that expressions hardly move, to their mean.
    """
    mean = np.mean([pose_between(eye_targets(1), eye_centres(face)).normalise(face) for face in faces], 0)
    return np.stack([pose_between(mean[STABLE], face[STABLE]).normalise(face) for face in faces])


@dataclass(frozen=True)
class Frame:
    """A shape that faces are registered to.

    Attributes:
        shape: (68, 2) float64, in sides of the frame's picture.
    """

    shape: Points

    @cached_property
    def vertices(self) -> Points:
        """The shape, its ring, and the points around the picture: (V, 2) with V = 68 + 16 + 12."""
        thirds = np.linspace(-MARGIN, 1 + MARGIN, 4)
        square = np.stack(np.meshgrid(thirds, thirds), axis=-1).reshape(-1, 2)
        border = np.abs(square - 0.5).max(axis=1) > 0.5
        return np.concatenate([self.shape, _ring(self.shape), square[border]])

    @cached_property
    def triangles(self) -> NDArray[np.int64]:
        """The triangulation: (T, 3), each triangle in the same sense of rotation.

        Raises:
            LandmarkError: the shape has no triangulation.
        """
        found = Delaunay(self.vertices).simplices.astype(np.int64)
        areas = doubled_areas(self.vertices, found)
        if len(np.unique(found)) < len(self.vertices) or not np.abs(areas).min() > 0:
            raise LandmarkError("the mean landmarks of the faces lie in one place or in one line")
        return np.where((areas < 0)[:, None], found[:, ::-1], found)

    def pose(self, landmarks: Points) -> Pose:
        """Return the pose of a face with these (68, 2) landmarks."""
        if landmarks.shape != self.shape.shape:
            raise LandmarkError(f"a face has {self.shape.shape} landmarks, not {landmarks.shape}")
        return pose_between(self.shape[STABLE], landmarks[STABLE])

    def mesh(self, shape: Points, before: Points | None = None) -> Points:
        """Return the mesh of a normalised face: (V, 2), without folds.

        Landmarks of closed lips and eyes often cross each other by a fraction of a pixel, so that triangles
        turn over. Such triangles are given the area ``SMALLEST`` by the smallest moves of their corners.

        Args:
            shape: (68, 2).
            before: (68, 2), the shape before an expression moved it, whose ring stays; None for ``shape``.

        Raises:
            LandmarkError: the mesh still has folds, or a landmark would have to move by over ``FARTHEST``.
        """
        ring = _ring(shape if before is None else before)
        mesh = np.concatenate([shape, ring, self.vertices[COUNT + RING :]])
        unfolded = _unfolded(mesh, self.triangles)
        farthest = float(np.abs(unfolded - mesh).max())
        if doubled_areas(unfolded, self.triangles).min() < SMALLEST or farthest > FARTHEST:
            raise LandmarkError("the landmarks cross each other, so that the mesh of the face would fold")
        return unfolded

    def mask(self, size: int) -> NDArray[np.float32]:
        """Return the region inside landmarks and raised brows, 0 to 1 with a soft border: (size, size).

        The brows, raised by their height above the eyes, take in where a frown folds the forehead. Without
        that the soft border would lie on the brows themselves.
        """
        centres = (np.arange(size) + 0.5) / size
        grid = np.stack(np.meshgrid(centres, centres), axis=-1)
        brows = self.shape[BROWS]
        height = eye_centres(self.shape)[:, 1].mean() - brows[:, 1].mean()
        raised = brows - np.array([0, height])
        borders = ConvexHull(np.concatenate([self.shape, raised])).equations
        inside = -(grid @ borders[:, :2].T + borders[:, 2]).max(axis=-1)
        share = np.clip(inside / FEATHER, 0, 1)
        mask: NDArray[np.float32] = (share * share * (3 - 2 * share)).astype(np.float32)
        return mask


def _ring(shape: Points) -> Points:
    """Return the ring around a normalised shape: (16, 2)."""
    centre = eye_centres(shape).mean(axis=0)
    depth, width = shape[CHIN, 1] - centre[1], (shape[JAW_ENDS[1], 0] - shape[JAW_ENDS[0], 0]) / 2
    angles = np.arange(RING) * 2 * np.pi / RING
    heights = np.where(np.sin(angles) < 0, ABOVE, BELOW) * depth
    ring: Points = centre + np.stack([BESIDE * width * np.cos(angles), heights * np.sin(angles)], axis=1)
    return ring


def doubled_areas(vertices: Points, triangles: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return twice the signed areas of triangles: (T,)."""
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    areas: NDArray[np.float64] = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (
        c[:, 0] - a[:, 0]
    )
    return areas


def _unfolded(mesh: Points, triangles: NDArray[np.int64]) -> Points:
    """Move landmarks until no triangle is turned over or too thin, or ``ROUNDS`` are over.

    Each round moves the corners of such triangles along the gradients of their areas, as far as each triangle
    alone needs; a corner of several moves by the mean.
    """
    moved = mesh.copy()
    for _ in range(ROUNDS):
        areas = doubled_areas(moved, triangles)
        thin = areas < SMALLEST
        if not thin.any():
            break
        corners = triangles[thin]
        opposite = moved[np.roll(corners, -1, axis=1)] - moved[np.roll(corners, -2, axis=1)]
        gradients = np.stack([opposite[..., 1], -opposite[..., 0]], axis=-1)
        length = np.maximum((gradients**2).sum(axis=(1, 2)), SMALLEST)
        steps = gradients * ((1.5 * SMALLEST - areas[thin]) / length)[:, None, None]
        total, count = np.zeros_like(moved), np.zeros(len(moved))
        np.add.at(total, corners, steps)
        np.add.at(count, corners, 1)
        total[COUNT:] = 0
        moved += total / np.maximum(count, 1)[:, None]
    return moved
