"""Everything that one picture shows, as coverage and height, before any light falls on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .action_units import ActionUnits
from .features import Brows, Extras, Eyes, Mouth, draw_brows, draw_extras, draw_eyes, draw_mouth
from .hair import Hair, hair
from .identity import Identity
from .raster import Plane, bell, coverage
from .relief import Relief, relief
from .scene import Scene
from .shape import FaceShape, face_shape
from .skin import Skin, skin
from .view import View, view


@dataclass(frozen=True)
class Figure:
    """A subject in a scene. Coverage planes are 0..1; ``height`` covers head, ears, neck and hair."""

    face: FaceShape
    scene: Scene
    view: View
    relief: Relief
    eyes: Eyes
    brows: Brows
    mouth: Mouth
    extras: Extras
    skin: Skin
    hair: Hair
    ears: Plane
    neck: Plane
    cloth: Plane
    height: Plane

    @property
    def head(self) -> Plane:
        """Coverage of the head."""
        return self.relief.head


def figure(person: Identity, units: ActionUnits, scene: Scene, size: int) -> Figure:
    """Lay out the picture."""
    seen = view(person, scene, size)
    face = face_shape(person, units, float(scene.domain == "avatar"))
    carved, mouth = relief(face, seen), draw_mouth(face, seen)
    locks, ears = hair(person, scene, size), _ears(face, seen)
    return Figure(
        face=face,
        scene=scene,
        view=seen,
        relief=carved,
        eyes=draw_eyes(face, seen, scene),
        brows=draw_brows(face, seen),
        mouth=mouth,
        extras=draw_extras(face, seen, scene),
        skin=skin(face, seen, mouth, carved.head),
        hair=locks,
        ears=ears * (1 - carved.head),
        neck=_neck(face, seen),
        cloth=_cloth(seen),
        height=_height(face, seen, carved, locks, ears),
    )


def _ears(face: FaceShape, seen: View) -> Plane:
    size = face.identity.ear_size
    across = (seen.across - face.head.width * 0.985) * (1 / (0.085 * size))
    down = (seen.y - 0.07) * (1 / (0.20 * size))
    return coverage((np.sqrt(across * across + down * down) - 1) * 0.08, seen.pixel)


def _neck(face: FaceShape, seen: View) -> Plane:
    below = np.maximum(seen.y - 0.95, 0)
    width = 0.36 + 0.08 * face.identity.masculinity + 2.2 * below * below
    return coverage(np.maximum(seen.across - width, 0.35 - seen.y), seen.pixel)


def _cloth(seen: View) -> Plane:
    """Shoulders with a round neckline."""
    edge = 1.00 + 0.35 * seen.x * seen.x + 0.10 * bell(seen.x, 0.30)
    return coverage(edge - seen.y, seen.pixel)


def _height(face: FaceShape, seen: View, carved: Relief, locks: Hair, ears: Plane) -> Plane:
    beside = seen.across - face.head.width - 0.03
    rim = np.where(ears > 0.05, 0.05 - 6 * beside * beside, _neck_height(seen))
    height = carved.height * carved.head + (1 - carved.head) * rim
    across, down = seen.x * (1 / 0.85), (seen.y + 0.05) * (1 / 1.15)
    mass = 0.72 * np.sqrt(np.maximum(1.35 - across * across - down * down, 0.02))
    return height + (mass + 0.014 * locks.strands - height) * locks.front


def _neck_height(seen: View) -> Plane:
    height: Plane = np.sqrt(np.maximum(0.25 - (0.95 * seen.x) ** 2, 0.01)) - 0.35
    return height
