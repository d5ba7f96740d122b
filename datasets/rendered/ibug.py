"""The 68 points of iBUG 300-W on a rendered face, from the curves that it is drawn by.

Points 0 to 16 follow the outline of the head from one eye's height to the other's, evenly spaced; those of
the brows lie on their middle lines. Left and right in names are the viewer's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .raster import Plane
from .relief import outline
from .shape import EyeShape, FaceShape, MouthShape, brow_line, eye_lids, lip_curves

BROW = np.array([1.0, 0.5, 0.0, -0.5, -1.0], np.float32)
"""From the outer end to the inner."""
EYE = np.array([1.0, 0.35, -0.35, -1.0, -0.35, 0.35], np.float32)
"""Outer corner, upper lid, inner corner, lower lid; in half widths of the eye, outwards."""
OUTER_LIP = np.array([-0.6, -0.22, 0.0, 0.22, 0.6], np.float32)
"""Points of a lip's outer edge between the corners, in half widths of the mouth."""
INNER_LIP = np.array([-0.38, 0.0, 0.38], np.float32)
CORNER = 0.86
"""Inner corner of the mouth, in half widths."""


def ibug_points(face: FaceShape) -> NDArray[np.float32]:
    """Return the 68 points in face coordinates: (68, 2) float32."""
    brow, eye = _brow(face), _eye(face.eyes)
    inwards = [3, 2, 1, 0, 5, 4]
    parts = [_jaw(face), _left(brow), brow[::-1], _nose(face), _left(eye), eye[inwards], _mouth(face.mouth)]
    return np.concatenate(parts).astype(np.float32)


def _left(points: Plane) -> Plane:
    """Points of the right half on the left."""
    return points * np.array([-1, 1], np.float32)


def _jaw(face: FaceShape) -> Plane:
    heights = np.linspace(face.head.chin, face.eyes.y, 400, dtype=np.float32)
    curve = np.stack([outline(face.head, heights), heights], axis=1)
    length = np.concatenate([[0], np.hypot(*np.diff(curve, axis=0).T).cumsum()])
    even = np.linspace(0, length[-1], 9)
    right = np.stack([np.interp(even, length, curve[:, axis]) for axis in range(2)], axis=1)
    return np.concatenate([_left(right[:0:-1]), right])


def _brow(face: FaceShape) -> Plane:
    brows = face.brows
    return np.stack([brows.x + brows.length * BROW, brow_line(brows, BROW)], axis=1)


def _nose(face: FaceShape) -> Plane:
    nose = face.nose
    bridge = np.linspace(face.eyes.y, nose.y - 0.5 * nose.lift, 4)
    across = nose.width * np.array([-1, -0.5, 0, 0.5, 1])
    down = nose.y - nose.lift + np.array([0.015, 0.045, 0.06, 0.045, 0.015])
    return np.concatenate([np.stack([np.zeros(4), bridge], 1), np.stack([across, down], 1)])


def _eye(eyes: EyeShape) -> Plane:
    upper, lower = eye_lids(eyes, EYE)
    below = np.concatenate([[0], upper[1:3], [0], lower[4:]])
    cosine, sine = np.cos(eyes.tilt), np.sin(eyes.tilt)
    along = EYE * eyes.half_width
    return np.stack([eyes.x + along * cosine + below * sine, eyes.y - along * sine + below * cosine], axis=1)


def _mouth(mouth: MouthShape) -> Plane:
    corners = lip_curves(mouth, np.array([-1, 1], np.float32) * mouth.half_width).rest
    inner = lip_curves(mouth, np.array([-CORNER, CORNER], np.float32) * mouth.half_width)
    outer, middle = (lip_curves(mouth, at * mouth.half_width) for at in (OUTER_LIP, INNER_LIP))
    rest = (inner.upper_inner + inner.lower_inner) / 2
    heights = [
        *(corners[:1], outer.upper_outer, corners[1:], outer.lower_outer[::-1]),
        *(rest[:1], middle.upper_inner, rest[1:], middle.lower_inner[::-1]),
    ]
    across = np.array(
        [
            *(-1, *OUTER_LIP, 1, *OUTER_LIP[::-1]),
            *(-CORNER, *INNER_LIP, CORNER, *INNER_LIP[::-1]),
        ]
    )
    return np.stack([across * mouth.half_width, np.concatenate(heights)], axis=1)
