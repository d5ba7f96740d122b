"""One rendered face: picture, face region and landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fesbench.core.contracts import Image, Landmarks, Mask

from .action_units import ActionUnits, action_units_of
from .figure import Figure, figure
from .finish import finish
from .ibug import ibug_points
from .identity import Identity, make_identity
from .materials import paint_cartoon, paint_skin, paint_stone
from .raster import Plane
from .scene import Scene, another_shot, make_scene
from .shape import FaceShape, brow_line, eye_lids, face_shape, lip_curves
from .view import View, view

RENDERER_VERSION = 1
"""Rises with every change that alters a pixel, and with it the digests of rendered data sets."""

LANDMARKS = (
    *("eye_left", "eye_right", "eye_left_outer", "eye_left_inner", "eye_right_inner", "eye_right_outer"),
    *("lid_left_upper", "lid_left_lower", "lid_right_upper", "lid_right_lower"),
    *("brow_left_outer", "brow_left_middle", "brow_left_inner"),
    *("brow_right_inner", "brow_right_middle", "brow_right_outer"),
    *("nose_tip", "nose_left", "nose_right", "mouth_left", "mouth_right"),
    *("lip_upper_outer", "lip_upper_inner", "lip_lower_inner", "lip_lower_outer", "chin"),
)
"""Names of the landmarks in order; left and right are the viewer's. Eyes are pupil centres."""

PAINTERS = {"statue": paint_stone, "avatar": paint_cartoon}


@dataclass(frozen=True)
class RenderedFace:
    """A picture and what is known about it.

    ``image`` is (H, W, 3) uint8 RGB; ``mask`` (H, W) bool, the head without hair; ``landmarks`` (26, 2)
    float32, pixel (x, y) in the order of ``LANDMARKS``, (0, 0) being the centre of the first pixel.
    """

    image: Image
    mask: Mask
    landmarks: NDArray[np.float32]


@dataclass(frozen=True)
class Shot:
    """All that determines one rendered photo.

    ``sitting`` None is the scene itself; another number is another photo of the same sitting (see
    ``scene.another_shot``). ``intensity`` None draws the subject's own.
    """

    subject_seed: int
    expression: str
    domain: str
    scene_seed: int
    size: int
    intensity: float | None = None
    sitting: int | None = None

    def units(self) -> ActionUnits:
        """Return the action units it shows."""
        return action_units_of(self.subject_seed, self.expression, self.intensity)

    def scene(self) -> Scene:
        """Return the scene it is taken in."""
        first = _scene(self.domain, self.scene_seed)
        return first if self.sitting is None else another_shot(first, self.sitting)


_identity = lru_cache(maxsize=64)(make_identity)
_scene = lru_cache(maxsize=64)(make_scene)


def render(person: Identity, units: ActionUnits, place: Scene, size: int) -> RenderedFace:
    """Render a subject showing action units in a scene, ``size`` x ``size`` pixels (64 to 512)."""
    drawn = figure(person, units, place, size)
    image = finish(PAINTERS.get(place.domain, paint_skin)(drawn), place)
    pixels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return RenderedFace(
        image=np.ascontiguousarray(pixels.transpose(1, 2, 0)),
        mask=_region(drawn) > 0.5,
        landmarks=_landmarks(drawn.face, drawn.view),
    )


@lru_cache(maxsize=4)
def render_shot(shot: Shot) -> RenderedFace:
    """Render a shot; the last few are remembered, so do not write into them."""
    return render(_identity(shot.subject_seed), shot.units(), shot.scene(), shot.size)


def landmarks_of(shot: Shot) -> NDArray[np.float32]:
    """(26, 2) float32 the landmarks of a shot, as shares of width and height; nothing is rendered."""
    shape, seen = _shape_and_view(shot)
    return _shares(_landmarks(shape, seen), shot.size)


def ibug_landmarks_of(shot: Shot) -> Landmarks:
    """(68, 2) float32 the iBUG points of a shot, see ``Landmarks``; nothing is rendered."""
    shape, seen = _shape_and_view(shot)
    return _shares(seen.pixels(ibug_points(shape)), shot.size)


def _shape_and_view(shot: Shot) -> tuple[FaceShape, View]:
    person, place = _identity(shot.subject_seed), shot.scene()
    shape = face_shape(person, shot.units(), float(place.domain == "avatar"))
    return shape, view(person, place, shot.size)


def _shares(pixels: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    shares: NDArray[np.float32] = (pixels + 0.5) / np.float32(size)
    return shares


def render_face(
    subject_seed: int,
    expression: str,
    domain: str = "studio",
    scene_seed: int = 0,
    intensity: float | None = None,
    size: int = 128,
) -> RenderedFace:
    """Render one face from seeds: a subject keeps their looks in every scene, expression and domain.

    Args:
        subject_seed: Who (any non-negative integer; ``dataset.subject_seed`` gives those of the splits).
        expression: One of ``action_units.EXPRESSIONS``.
        domain: One of ``scene.DOMAINS``.
        scene_seed: Pose, light, backdrop, style and grain.
        intensity: 0..1; None draws the subject's own from 0.6..1.
        size: Height and width in pixels, 64 to 512.
    """
    shot = Shot(subject_seed, expression, domain, scene_seed, size, intensity)
    return render(_identity(subject_seed), shot.units(), shot.scene(), size)


def _region(drawn: Figure) -> Plane:
    return drawn.head * (1 - drawn.hair.front)


def _landmarks(shape: FaceShape, view: View) -> NDArray[np.float32]:
    right = _eye_points(shape) | _brow_points(shape) | _nose_and_mouth_points(shape)
    points = []
    for name in LANDMARKS:
        x, y = right[name.replace("_left", "").replace("_right", "")]
        points.append((-x if "_left" in name else x, y))
    return view.pixels(np.array(points, np.float32))


def _eye_points(shape: FaceShape) -> dict[str, tuple[float, float]]:
    eyes = shape.eyes
    sine = float(np.sin(eyes.tilt)) * eyes.half_width
    upper, lower = eye_lids(eyes, np.zeros(1, np.float32))
    return {
        "eye": (eyes.iris_x, eyes.y),
        "eye_outer": (eyes.x + eyes.half_width, eyes.y - sine),
        "eye_inner": (eyes.x - eyes.half_width, eyes.y + sine),
        "lid_upper": (eyes.x, eyes.y + float(upper[0])),
        "lid_lower": (eyes.x, eyes.y + float(lower[0])),
    }


def _brow_points(shape: FaceShape) -> dict[str, tuple[float, float]]:
    brows, along = shape.brows, np.array([-1, 0, 1], np.float32)
    line = brow_line(brows, along)
    names = ("brow_inner", "brow_middle", "brow_outer")
    return {
        name: (brows.x + brows.length * float(t), float(y))
        for name, t, y in zip(names, along, line, strict=True)
    }


def _nose_and_mouth_points(shape: FaceShape) -> dict[str, tuple[float, float]]:
    nose, mouth = shape.nose, shape.mouth
    middle = lip_curves(mouth, np.zeros(1, np.float32))
    return {
        "nose_tip": (0.0, nose.y - 0.5 * nose.lift),
        "nose": (nose.width, nose.y + 0.015 - nose.lift),
        "mouth": (mouth.half_width, mouth.y + mouth.corner),
        "lip_upper_outer": (0.0, float(middle.upper_outer[0])),
        "lip_upper_inner": (0.0, float(middle.upper_inner[0])),
        "lip_lower_inner": (0.0, float(middle.lower_inner[0])),
        "lip_lower_outer": (0.0, float(middle.lower_outer[0])),
        "chin": (0.0, shape.head.chin),
    }
