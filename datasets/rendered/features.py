"""Coverage of everything drawn on the face: eyes, brows, mouth, teeth, nostrils, glasses.

Each function returns the planes of one band of rows, 0 (absent) to 1 (covers the pixel).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .raster import Plane, bell, bell2, coverage, power, smoothstep, value_noise
from .scene import Scene
from .shape import FaceShape, MouthShape, brow_line, eye_lids, eye_local, lip_curves
from .view import Band, View


@dataclass(frozen=True)
class Eyes:
    """``radius`` is the distance from the pupil in iris radii, ``depth`` the distance below the upper lid."""

    band: Band
    opening: Plane
    iris: Plane
    pupil: Plane
    glint: Plane
    lashes: Plane
    crease: Plane
    radius: Plane
    depth: Plane


@dataclass(frozen=True)
class Brows:
    """Both brows, hairs included."""

    band: Band
    cover: Plane


@dataclass(frozen=True)
class Mouth:
    """Lips, the dark between them, and what is seen in there; ``seam`` is the line of closed lips."""

    band: Band
    lips: Plane
    opening: Plane
    teeth: Plane
    tongue: Plane
    seam: Plane


@dataclass(frozen=True)
class Extras:
    """Nostrils, and the frame of glasses if any."""

    nose: Band
    nostrils: Plane
    eyes: Band
    glasses: Plane | None


def draw_eyes(face: FaceShape, view: View, scene: Scene) -> Eyes:
    """Both eyes, looking straight ahead."""
    eyes, person = face.eyes, face.identity
    band = view.band(eyes.y - 0.22, eyes.y + 0.18)
    along, below = eye_local(eyes, band.across, band.y)
    upper, lower = eye_lids(eyes, along)
    opening = coverage(np.maximum(upper - below, below - lower), band.pixel)
    dx, dy = along * eyes.half_width - eyes.iris_shift, below + 0.004
    distance = np.sqrt(dx * dx + dy * dy)
    depth, ends = below - upper, np.abs(along)
    heavy = 0.0115 * (1 + 0.5 * face.cartoon) + 0.005 * (1 - person.masculinity)
    lashes = 0.88 * bell(depth + 0.004, heavy) * smoothstep(1.12, 0.98, ends)
    lashes += 0.22 * bell(below - lower, 0.008) * smoothstep(1.05, 0.8, ends)
    lid = 0.034 * (1.15 - 0.6 * person.hood) + 0.022 * face.units[5] - 0.012 * face.units[7]
    crease = bell(depth + lid + 0.012 * along * along, 0.011) * smoothstep(1.15, 0.85, ends)
    return Eyes(
        band=band,
        opening=opening,
        iris=coverage(distance - eyes.iris_radius, band.pixel) * opening,
        pupil=coverage(distance - eyes.pupil_radius, band.pixel) * opening,
        glint=_glint(face, band, scene) * opening,
        lashes=np.minimum(lashes, 1),
        crease=crease * (1 - 0.5 * face.units[7]),
        radius=distance * (1 / eyes.iris_radius),
        depth=depth,
    )


def _glint(face: FaceShape, band: Band, scene: Scene) -> Plane:
    toward_light = math.copysign(0.022, scene.light[0])
    dx, dy = band.x - toward_light - band.side * face.eyes.iris_x, band.y - face.eyes.y + 0.026
    return coverage(np.sqrt(dx * dx + dy * dy) - 0.015 * (1 + 0.6 * face.cartoon), band.pixel * 1.2)


def draw_brows(face: FaceShape, view: View) -> Brows:
    """Tapering strokes of hair; flat shapes on avatars."""
    brows, hairy = face.brows, 1 - face.cartoon
    band = view.band(brows.y - 0.26, brows.y + 0.20)
    along = (band.across - brows.x) * (1 / brows.length)
    offset = band.y - brow_line(brows, along)
    taper = 0.55 + 0.5 * smoothstep(-1.05, -0.5, along)
    thick = brows.thickness * taper * (1 - 0.62 * smoothstep(0.0, 1.05, along))
    hairs = hairy * value_noise(
        face.identity.texture + 1,
        (band.across + 0.5 * offset) * 46,
        offset * 7 + (band.across - 0.5 * offset) * 9 + band.side * 5,
    )
    ends = smoothstep(-1.12, -0.95, along) * smoothstep(1.10, 0.92, along)
    edge = coverage(np.abs(offset) - thick + 0.006 * hairs, band.pixel * (1.2 + hairy))
    return Brows(band, edge * ends * np.clip(0.86 + 0.1 * face.cartoon + 0.16 * hairs, 0, 1))


def draw_mouth(face: FaceShape, view: View) -> Mouth:
    """Lips and opening."""
    mouth = face.mouth
    band = view.band(mouth.y - 0.28, mouth.y + 0.42)
    curves = lip_curves(mouth, band.x)
    y, beyond = band.y, (curves.t - 1) * mouth.half_width
    upper = np.maximum(curves.upper_outer - y, y - curves.upper_inner)
    lower = np.maximum(curves.lower_inner - y, y - curves.lower_outer)
    lips = coverage(np.maximum(upper, beyond), band.pixel) + coverage(np.maximum(lower, beyond), band.pixel)
    lips = np.minimum(lips, 1)
    corner_y = mouth.y + mouth.corner
    dx, dy = band.across - mouth.half_width * 0.99, (y - corner_y) * 1.2
    seam = 0.44 * np.exp(-(dx * dx + dy * dy) * (1 / 0.022**2))
    if mouth.gap <= 0.004:
        nothing = np.zeros_like(y)
        width = 0.011 + 0.004 * face.units[23] + 0.004 * face.cartoon
        seam += 0.8 * bell(y - curves.rest, width) * smoothstep(1.06, 0.98, curves.t)
        return Mouth(band, lips, nothing, nothing, nothing, np.minimum(seam, 1))
    inner = np.maximum(curves.upper_inner - y, y - curves.lower_inner)
    opening = coverage(np.maximum(inner, beyond + band.pixel), band.pixel)
    teeth = _teeth(face, band, y - curves.upper_inner, curves.lower_inner - y, curves.t) * opening
    jaw = face.head.jaw_drop
    tongue = (
        smoothstep(-0.10, -0.02, y - curves.lower_inner)
        * smoothstep(0.9, 0.3, curves.t)
        * min(1.0, jaw * 1.2)
    )
    return Mouth(band, lips, opening, teeth, tongue * opening, seam * (1 - opening))


def _teeth(face: FaceShape, band: Band, below_upper: Plane, above_lower: Plane, t: Plane) -> Plane:
    """Two rows of single teeth, shaded towards the corners; how far they show depends on the smile."""
    units, mouth, person = face.units, face.mouth, face.identity
    shown = 0.25 + 1.2 * units[12] + 0.9 * units[20] + 0.7 * units[10] - 0.1 * face.head.jaw_drop
    position = band.across * (1 / person.tooth_width)
    phase = position - np.floor(position)
    rounding = np.abs(phase - 0.5) * 2
    edge = 0.058 - 0.010 * power(rounding, 4) - 0.004 * (position > 1)
    upper = coverage(below_upper - edge, band.pixel) * min(max(shown, 0.15), 1.0)
    lower_edge = 0.030 - 0.006 * power(rounding, 4)
    lower_shown = min(1.6 * max(units[20] - 0.25, 0) + 0.8 * max(units[9] - 0.4, 0), 0.7)
    lower = coverage(above_lower - lower_edge, band.pixel) * lower_shown
    gap = 1 - 0.30 * smoothstep(0.80, 1.0, rounding)
    cover: Plane = np.maximum(upper, lower) * gap * _arch(mouth, t)
    return cover


def _arch(mouth: MouthShape, t: Plane) -> Plane:
    """Return the shade of the teeth: the arch darkens before the corners."""
    return smoothstep(1.0, 0.62, t)


def draw_extras(face: FaceShape, view: View, scene: Scene) -> Extras:
    """Nostrils, and glasses where the domain has them."""
    nose = face.nose
    band = view.band(nose.y - 0.08, nose.y + 0.12)
    centre = (nose.width * 0.50, nose.y + 0.048 - nose.lift)
    nostrils = bell2(band.across, band.y, centre, (0.030 + 0.008 * face.units[9], 0.016))
    eye_band = view.band(face.eyes.y - 0.22, face.eyes.y + 0.24)
    wears = face.identity.glasses != "none" and scene.domain in ("studio", "celebrity", "avatar")
    return Extras(band, nostrils, eye_band, _glasses(face, eye_band) if wears else None)


def _glasses(face: FaceShape, band: Band) -> Plane:
    eyes, across = face.eyes, band.across
    if face.identity.glasses == "round":
        dx, dy = (across - eyes.x) * (1 / 0.205), (band.y - eyes.y - 0.02) * (1 / 0.175)
        frame = np.abs(np.sqrt(dx * dx + dy * dy) - 1) * 0.18
    else:
        frame = np.abs(np.maximum(np.abs(across - eyes.x) - 0.20, np.abs(band.y - eyes.y - 0.025) - 0.135))
    bridge = np.maximum(np.abs(band.y - eyes.y + 0.02) - 0.010, across - eyes.x + 0.2)
    temple = np.maximum(np.abs(band.y - eyes.y + 0.02) - 0.010, eyes.x + 0.2 - across)
    temple = np.maximum(temple, across - face.head.width - 0.02)
    return coverage(np.minimum(np.minimum(frame - 0.011, bridge), temple), band.pixel)
