"""The colours of the face without light: skin, blush, freckles, lips, beard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .features import Mouth
from .identity import Identity
from .raster import Plane, Planes, bell, bell2, blend, colour, coverage, smoothstep, tint, value_noise
from .shape import FaceShape, LipCurves, lip_curves
from .view import Band, View

SKIN_TONES = (
    colour(0.97, 0.83, 0.76),
    colour(0.93, 0.75, 0.64),
    colour(0.83, 0.62, 0.48),
    colour(0.63, 0.43, 0.31),
    colour(0.42, 0.285, 0.21),
)
HAIR_COLOURS = (
    colour(0.12, 0.10, 0.09),
    colour(0.25, 0.16, 0.11),
    colour(0.38, 0.25, 0.15),
    colour(0.72, 0.56, 0.34),
    colour(0.55, 0.26, 0.12),
    colour(0.55, 0.54, 0.53),
    colour(0.82, 0.81, 0.79),
)
IRIS_COLOURS = (
    colour(0.30, 0.18, 0.10),
    colour(0.38, 0.44, 0.50),
    colour(0.30, 0.46, 0.62),
    colour(0.36, 0.44, 0.24),
    colour(0.48, 0.34, 0.16),
)


@dataclass(frozen=True)
class Skin:
    """Linear colours, and the coverage of the beard, which stone is carved by."""

    tone: Planes
    hair: Planes
    iris: Planes
    beard: Plane


def skin_tone(person: Identity) -> Planes:
    """Return the base colour between the five tones."""
    position = person.melanin * (len(SKIN_TONES) - 1)
    index = min(int(position), len(SKIN_TONES) - 2)
    return SKIN_TONES[index] + (SKIN_TONES[index + 1] - SKIN_TONES[index]) * (position - index)


def skin(face: FaceShape, view: View, mouth: Mouth, head: Plane) -> Skin:
    """Choose the colours and grow the beard."""
    person = face.identity
    beard = _beard(face, view, _resting_height(face, view), head)
    beard[mouth.band.rows] *= (1 - mouth.lips) * (1 - mouth.opening)
    return Skin(skin_tone(person), HAIR_COLOURS[person.hair_colour], IRIS_COLOURS[person.iris], beard)


def albedo(face: FaceShape, view: View, mouth: Mouth, colours: Skin) -> Planes:
    """Paint the face in linear light, for the domains that show its colours."""
    person, tone, y = face.identity, colours.tone, _resting_height(face, view)
    paint = tone * _mottle(face, view, y)
    _blush(paint, face, view)
    _marks(paint, face, view, y, tone)
    if person.beard != "none":
        blend(paint, colours.hair * 1.1, colours.beard)
    red = tone * tint(0.80, 0.42, 0.44) * (1 - 0.25 * person.lip_redness)
    lips = red + person.lip_redness * 0.55 * colour(0.55, 0.10, 0.14)
    blend(paint[:, mouth.band.rows], lips, mouth.lips * 0.88)
    return paint


def _resting_height(face: FaceShape, view: View) -> Plane:
    """Return where each pixel's skin lies with the jaw closed: an open jaw takes skin along."""
    return view.y - 0.10 * face.head.jaw_drop * smoothstep(0.3, 0.8, view.y)


def _mottle(face: FaceShape, view: View, y: Plane) -> Plane:
    """Uneven pigment and pores, nearly none on avatars."""
    texture = face.identity.texture + 3
    coarse = 0.035 * value_noise(texture, view.x * 5, y * 5)
    pores = (0.022 + 0.02 * face.identity.age) * value_noise(texture, view.x * 30, y * 30)
    return 1 + (coarse + pores) * (1 - 0.9 * face.cartoon)


def _blush(albedo: Planes, face: FaceShape, view: View) -> None:
    """Red cheeks and nose, dark rings under the eyes."""
    band = view.band(-0.15, 0.62)
    cheeks = bell2(band.across, band.y, (0.40, 0.20), (0.17, 0.13))
    red = cheeks + 0.7 * bell2(band.x, band.y, (0, face.nose.y), (0.10, 0.08))
    albedo[:, band.rows] *= 1 + tint(0.05, -0.22, -0.20) * (0.275 * face.identity.redness * red)
    rings = bell2(band.across, band.y, (face.eyes.x, face.eyes.y + 0.04), (0.16, 0.08))
    albedo[:, band.rows] *= 1 - tint(0.6, 1, 0.9) * (0.16 * (0.5 + face.identity.age) * rings)


def _marks(albedo: Planes, face: FaceShape, view: View, y: Plane, tone: Planes) -> None:
    person = face.identity
    if person.freckles:
        band = view.band(-0.15, 0.5)
        dots = smoothstep(1.0, 1.7, value_noise(person.texture + 4, band.x * 34, y[band.rows] * 34))
        dots *= bell2(band.across, band.y, (0.25, 0.18), (0.25, 0.16))
        albedo[:, band.rows] *= 1 - tint(0.6, 1, 1.1) * (0.45 * person.freckles * dots)
    if person.mole:
        band = view.band(person.mole[1] - 0.05, person.mole[1] + 0.15)
        distance = np.hypot(band.x - person.mole[0], y[band.rows] - person.mole[1])
        blend(albedo[:, band.rows], tone * 0.25, 0.8 * coverage(distance - 0.013, band.pixel * 1.5))


def _beard(face: FaceShape, view: View, y: Plane, head: Plane) -> Plane:
    """Coverage of stubble, moustache or full beard; soft at its borders."""
    person, mouth = face.identity, face.mouth
    beard = np.zeros_like(view.x)
    if person.beard == "none":
        return beard
    band = view.band(face.nose.y, 1.2)
    curves = lip_curves(mouth, band.x)
    hairs = value_noise(person.texture + 5, band.x * 55, y[band.rows] * 11)
    moustache = _moustache(face, band, curves, hairs)
    jaw_line = 0.30 + 0.30 * np.clip(1 - band.across * (1 / face.head.width), 0, 1)
    around_mouth = (mouth.half_width * 1.15, 0.085 + 0.6 * mouth.gap)
    full = smoothstep(0, 0.12, band.y - jaw_line + 0.02 * hairs)
    full *= 1 - bell2(band.x, band.y, (0, mouth.y + 0.5 * mouth.gap), around_mouth)
    low = band.across + 3 * np.maximum(band.y - mouth.y, 0)
    full *= smoothstep(face.head.width * 0.16, face.head.width * 0.30, low)
    both = np.minimum(full + moustache, 1)
    cover = {
        "stubble": np.minimum(full + 0.8 * moustache, 1) * (0.28 + 0.05 * hairs),
        "moustache": moustache * np.clip(0.85 + 0.14 * hairs, 0, 1),
        "full": both * np.clip(0.88 + 0.12 * hairs, 0, 1),
    }[person.beard]
    beard[band.rows] = np.clip(cover, 0, 1) * head[band.rows]
    return beard


def _moustache(face: FaceShape, band: Band, curves: LipCurves, hairs: Plane) -> Plane:
    """From under the nose to the upper lip, thinning and drooping towards its ends."""
    half_width = face.mouth.half_width * 1.12
    share = band.across * (1 / half_width)
    top = face.nose.y + 0.058 + 0.05 * share * share - 0.012 * bell(share - 0.3, 0.25) + 0.004 * hairs
    room = np.maximum(curves.upper_outer + 0.012 - top, 0.02)
    depth = (band.y - top) / (room * (1 - 0.55 * share * share))
    body = smoothstep(-0.10, 0.30, depth) * smoothstep(1.15, 0.85, depth + 0.06 * hairs)
    return body * smoothstep(1.05, 0.85, share + 0.04 * hairs)
