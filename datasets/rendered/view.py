"""Where each pixel looks: the crop, aligned on the eyes as the London crops are, and the pose of the head.

A crop puts the eye centres at 40% of the height, 28% of the width apart and level (``datasets.prepare`` does
so with real photos); the scene's roll, scale and shift are what such an alignment leaves over.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .action_units import AU_NUMBERS, ActionUnits
from .identity import Identity
from .raster import Plane, bell2
from .scene import Scene
from .shape import eye_shape

EYE_LINE = 0.40
EYE_SPAN = 0.28
RELAXED = ActionUnits((0.0,) * len(AU_NUMBERS))


class Band(NamedTuple):
    """Some rows of a view: face coordinates of every pixel, ``across`` = |x|, ``side`` = sign of x."""

    rows: slice
    x: Plane
    y: Plane
    across: Plane
    side: Plane
    pixel: float


@dataclass(frozen=True)
class Head3D:
    """A paraboloid with a nose, turned by yaw and pitch (radians)."""

    nose: float
    yaw: float
    pitch: float

    def depth(self, x: Plane, y: Plane) -> Plane:
        """Distance towards the camera from the axis of rotation."""
        dome = 0.55 - (x * (0.5244 / 0.8)) ** 2 - (y * (0.5244 / 1.1)) ** 2
        depth: Plane = np.maximum(dome + 0.18 * bell2(x, y, (0, self.nose - 0.06), (0.11, 0.17)), -0.1) - 0.35
        return depth

    def project(self, x: Plane, y: Plane) -> tuple[Plane, Plane]:
        """Face coordinates to the image plane."""
        depth = self.depth(x, y)
        return (
            x * math.cos(self.yaw) + depth * math.sin(self.yaw),
            y * math.cos(self.pitch) + depth * math.sin(self.pitch),
        )

    def unproject(self, u: Plane, v: Plane) -> tuple[Plane, Plane]:
        """Return the inverse of ``project``, by fixed-point iteration."""
        x, y = u, v
        for _ in range(3):
            depth = self.depth(x, y)
            x = (u - depth * math.sin(self.yaw)) * (1 / math.cos(self.yaw))
            y = (v - depth * math.sin(self.pitch)) * (1 / math.cos(self.pitch))
        return x, y


@dataclass(frozen=True)
class Crop:
    """A similarity from the image plane to the unit square: origin at its top left, y downwards."""

    zoom: float
    angle: float
    centre: tuple[float, float]
    target: tuple[float, float]

    def to_image(self, u: Plane, v: Plane) -> tuple[Plane, Plane]:
        """Plane coordinates to shares of the image."""
        du, dv = (u - self.centre[0]) * self.zoom, (v - self.centre[1]) * self.zoom
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        return self.target[0] + du * cosine - dv * sine, self.target[1] + du * sine + dv * cosine

    def to_plane(self, column: Plane, row: Plane) -> tuple[Plane, Plane]:
        """Shares of the image to plane coordinates."""
        du, dv = column - self.target[0], row - self.target[1]
        cosine, sine = math.cos(self.angle) / self.zoom, math.sin(self.angle) / self.zoom
        return self.centre[0] + du * cosine + dv * sine, self.centre[1] - du * sine + dv * cosine


@dataclass(frozen=True)
class View:
    """A grid of ``size`` x ``size`` pixels in face coordinates; ``pixel`` is their size in face units.

    The grid is computed when it is first needed; landmarks do not need it.
    """

    size: int
    pixel: float
    head: Head3D
    crop: Crop

    @cached_property
    def _grid(self) -> tuple[Plane, Plane]:
        centres = (np.arange(self.size, dtype=np.float32) + 0.5) * np.float32(1 / self.size)
        column, row = np.meshgrid(centres, centres)
        return self.head.unproject(*self.crop.to_plane(column, row))

    @property
    def x(self) -> Plane:
        """Across the face, of every pixel."""
        return self._grid[0]

    @property
    def y(self) -> Plane:
        """Down the face, of every pixel."""
        return self._grid[1]

    @cached_property
    def across(self) -> Plane:
        """``|x|``."""
        return np.abs(self.x)

    @cached_property
    def side(self) -> Plane:
        """The sign of x."""
        return np.sign(self.x)

    @cached_property
    def _heights(self) -> tuple[Plane, Plane]:
        """The largest and the smallest y of each row."""
        return self.y.max(axis=1), self.y.min(axis=1)

    def band(self, low: float, high: float) -> Band:
        """Return the rows that show anything between two heights of the face."""
        lowest, highest = self._heights
        shown = np.flatnonzero((lowest >= low) & (highest <= high))
        rows = slice(int(shown[0]), int(shown[-1]) + 1) if len(shown) else slice(0, 0)
        return Band(rows, self.x[rows], self.y[rows], self.across[rows], self.side[rows], self.pixel)

    def whole(self) -> Band:
        """Return all rows."""
        return Band(slice(0, self.size), self.x, self.y, self.across, self.side, self.pixel)

    def pixels(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """(K, 2) face coordinates to (K, 2) pixel coordinates (x, y); (0, 0) is the first pixel's centre."""
        column, row = self.crop.to_image(*self.head.project(points[:, 0], points[:, 1]))
        return (np.stack([column, row], axis=1) * self.size - 0.5).astype(np.float32)


@lru_cache(maxsize=8)
def view(person: Identity, scene: Scene, size: int) -> View:
    """Return the view of a scene; it does not depend on the expression."""
    eyes = eye_shape(person, RELAXED, float(scene.domain == "avatar"))
    head = Head3D(person.nose, scene.yaw, scene.pitch)
    crop = _crop(head, eyes.iris_x, eyes.y, scene)
    return View(size, 1 / (size * crop.zoom), head, crop)


def _crop(head: Head3D, eye_x: float, eye_y: float, scene: Scene) -> Crop:
    u, v = head.project(np.array([-eye_x, eye_x]), np.array([eye_y, eye_y]))
    level = math.atan2(float(v[1] - v[0]), float(u[1] - u[0]))
    span = math.hypot(float(v[1] - v[0]), float(u[1] - u[0]))
    return Crop(
        zoom=EYE_SPAN / span * scene.scale,
        angle=scene.roll - level,
        centre=(float(u.mean()), float(v.mean())),
        target=(0.5 + scene.shift_x, EYE_LINE + scene.shift_y),
    )
