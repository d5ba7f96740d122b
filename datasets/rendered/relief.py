"""The height of the face and the creases that expressions and years cut into it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .raster import Plane, bell, bell2, coverage, power, smoothstep, value_noise
from .shape import CROWN, HEAD_CENTRE, FaceShape, HeadShape, lip_curves
from .view import Band, View

DEPTH = 0.72
FOLD_DEPTH = 0.026


@dataclass(frozen=True)
class Relief:
    """Height towards the viewer in face units, coverage of the head, and creases to be drawn darker."""

    height: Plane
    head: Plane
    line: Plane


class _Sculpture:
    """Sums of bumps, folds and lines while the features are added, band by band."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.bump = np.zeros_like(view.x)
        self.fold = np.zeros_like(view.x)
        self.line = np.zeros_like(view.x)

    def raise_at(self, height: float, centre: tuple[float, float], spread: tuple[float, float]) -> None:
        """Add a bump on both sides of the face."""
        band = self.view.band(centre[1] - 2.4 * spread[1], centre[1] + 2.4 * spread[1])
        self.bump[band.rows] += height * bell2(band.across, band.y, centre, spread)

    def crease(self, band: Band, strength: float, profile: Plane, line: float | None = None) -> None:
        """Cut a fold, ``profile`` being 1 at its bottom; ``line`` (or ``strength``) darkens it."""
        self.fold[band.rows] += strength * profile
        self.line[band.rows] += (strength if line is None else line) * profile


def relief(face: FaceShape, view: View) -> Relief:
    """Sculpt the face."""
    squared_radius = _squared_radius(face.head, view)
    head = coverage((np.sqrt(np.maximum(squared_radius, 1e-6)) - 1) * 0.62, view.pixel)
    sculpture = _Sculpture(view)
    _bones(sculpture, face)
    _nose(sculpture, face)
    _lips(sculpture, face)
    _eyeballs(sculpture, face)
    _smile_folds(sculpture, face)
    _eye_creases(sculpture, face)
    _forehead_creases(sculpture, face)
    _frown_creases(sculpture, face)
    _mouth_creases(sculpture, face)
    softness = 1 - 0.33 * face.cartoon
    dome = DEPTH * np.sqrt(np.maximum(1 - squared_radius, 0) + 0.004)
    height = dome + (softness * sculpture.bump - FOLD_DEPTH * sculpture.fold) * head
    return Relief(height, head, sculpture.line * head)


def _squared_radius(head: HeadShape, view: View) -> Plane:
    """0 on the axis of the head, 1 on its outline."""
    width, exponent, vertical = _profile(head, view.y)
    return power(view.across / width, exponent) + vertical


def _profile(head: HeadShape, y: Plane) -> tuple[Plane, Plane, Plane]:
    """Width and exponent of the squared radius at some heights, and its vertical part."""
    below = y > HEAD_CENTRE
    level = (y - HEAD_CENTRE) / np.where(below, head.chin - HEAD_CENTRE, HEAD_CENTRE - CROWN)
    low = np.clip(level, 0, 1.3)
    width = head.width * (1 - head.taper * low * low + 0.03 * head.cheek * bell(y - 0.15, 0.2))
    exponent = 2 + (head.squareness - 2) * smoothstep(HEAD_CENTRE, HEAD_CENTRE + 0.45, y)
    vertical = np.where(below, power(np.abs(level), 2.1 + 0.25 * (head.squareness - 2)), level * level)
    return width, exponent, vertical


def outline(head: HeadShape, y: Plane) -> Plane:
    """Return half the width of the head at some heights."""
    width, exponent, vertical = _profile(head, y)
    half: Plane = width * np.maximum(1 - vertical, 0) ** (1 / exponent)
    return half


def _bones(sculpture: _Sculpture, face: FaceShape) -> None:
    """Brow ridge, sockets, cheekbones, hollow cheeks, muzzle and chin."""
    person, units, eyes = face.identity, face.units, face.eyes
    ridge = 0.035 + 0.02 * person.masculinity + 0.035 * person.brow_ridge
    sculpture.raise_at(ridge, (eyes.x * 0.9, face.brows.y + 0.04 + 0.03 * units[4]), (0.20, 0.07))
    sculpture.raise_at(-0.055 - 0.045 * person.eye_depth, (eyes.x * 0.85, eyes.y - 0.005), (0.17, 0.10))
    sculpture.raise_at(0.03 + 0.03 * person.cheek, (0.38, 0.19), (0.17, 0.14))
    sculpture.raise_at(0.055 * person.cheekbone, (0.44, 0.11), (0.12, 0.09))
    sculpture.raise_at(-0.045 * person.hollow * (1 - 0.6 * units[12]), (0.42, 0.42), (0.13, 0.15))
    raised = 0.055 * units[6] + 0.040 * units[12]
    sculpture.raise_at(raised, (0.36, 0.20 - 0.04 * units[6]), (0.13, 0.10))
    sculpture.raise_at(0.05, (0, face.mouth.y), (0.27, 0.17))
    chin = face.head.chin - 0.13 - 0.02 * units[17]
    sculpture.raise_at(0.055 * person.chin_size + 0.03 * units[17], (0, chin), (0.15, 0.10))
    if person.cleft:
        band = sculpture.view.band(chin - 0.08, chin + 0.16)
        sculpture.crease(
            band, 0.7 * person.cleft, bell2(band.x, band.y, (0, chin + 0.04), (0.018, 0.05)), 0.2
        )


def _nose(sculpture: _Sculpture, face: FaceShape) -> None:
    nose, eye_y = face.nose, face.eyes.y
    band = sculpture.view.band(eye_y - 0.25, nose.y + 0.2)
    descent = (band.y - eye_y) * (1 / (nose.y - eye_y))
    ramp = np.clip(descent + 0.25, 0, 1.35)
    end = smoothstep(nose.y + 0.115 - nose.lift, nose.y - 0.045 - nose.lift, band.y)
    profile = 0.36 * bell(band.x, nose.bridge + 0.028) + 0.64 * bell(band.x, nose.bridge * 1.7 + 0.06)
    bump = 0.8 * nose.height * ramp * profile * end * smoothstep(-0.42, 0.10, descent)
    tip = (0, nose.y - 0.01 - 0.5 * nose.lift)
    bump += 0.070 * nose.tip * bell2(band.x, band.y, tip, (0.075, 0.070))
    bump += 0.085 * bell2(
        band.across, band.y, (nose.width * 0.74, nose.y + 0.015 - nose.lift), (0.048, 0.052)
    )
    bump += nose.hump * bell2(band.x, band.y, (0, 0.45 * eye_y + 0.45 * nose.y), (0.055, 0.08))
    sculpture.bump[band.rows] += (1 - 0.35 * face.cartoon) * bump


def _lips(sculpture: _Sculpture, face: FaceShape) -> None:
    mouth, y = face.mouth, face.mouth.y
    band = sculpture.view.band(y - 0.3, y + 0.42)
    curves = lip_curves(mouth, band.x)
    within = (curves.t < 1).astype(np.float32)
    upper = (band.y - curves.upper_outer) / np.maximum(curves.upper_inner - curves.upper_outer, 0.006)
    lower = (band.y - curves.lower_inner) / np.maximum(curves.lower_outer - curves.lower_inner, 0.006)
    inside = coverage(np.maximum(curves.upper_inner - band.y, band.y - curves.lower_inner), band.pixel)
    bump = (0.030 + 0.25 * mouth.upper_lip) * _swell(upper, 1.15)
    bump += (0.038 + 0.25 * mouth.lower_lip) * _swell(lower, 0.85)
    sculpture.bump[band.rows] += within * (bump - (0.06 * inside if mouth.gap > 0.004 else 0))
    below = y + mouth.gap_lower + mouth.lower_lip + 0.045
    groove = bell2(band.x, band.y, (0, below), (mouth.half_width * 0.6, 0.024))
    sculpture.fold[band.rows] += 0.7 * (1 + 0.5 * face.units[17]) * groove
    nose_y = face.nose.y
    span = smoothstep(nose_y + 0.04, nose_y + 0.08, band.y) * smoothstep(y - 0.02, y - 0.06, band.y)
    sculpture.fold[band.rows] += 0.25 * bell(band.x, 0.022) * span


def _swell(share: Plane, crest: float) -> Plane:
    """Return a rounded lip between share 0 and 1."""
    inside = (share > 0) & (share < 1)
    height: Plane = np.sqrt(np.maximum(1 - (2 * np.clip(share, 0, 1) - crest) ** 2, 0)) * inside
    return height


def _eyeballs(sculpture: _Sculpture, face: FaceShape) -> None:
    eyes = face.eyes
    band = sculpture.view.band(eyes.y - 0.16, eyes.y + 0.16)
    along, below = (band.across - eyes.x) * (0.85 / eyes.half_width), (band.y - eyes.y) * (1 / 0.11)
    sculpture.bump[band.rows] += 0.05 * np.sqrt(np.maximum(1 - along * along - below * below, 0))


def _smile_folds(sculpture: _Sculpture, face: FaceShape) -> None:
    """Nasolabial folds: from the nose wings round the corners of the mouth."""
    units, nose, mouth = face.units, face.nose, face.mouth
    top, bottom = nose.y - 0.04 - nose.lift, mouth.y + 0.07
    band = sculpture.view.band(top - 0.05, bottom + 0.07)
    share = np.clip((band.y - top) * (1 / (bottom - top)), 0, 1)
    reach = mouth.half_width + 0.075 - nose.width
    bow = 0.05 * units[12] + 0.02 * units[6]
    offset = (
        band.across - (nose.width * 1.12 + 0.01) - reach * power(share, 0.85) - bow * np.sin(math.pi * share)
    )
    depth = 0.14 + 0.45 * face.identity.age + 0.85 * units[12] + 0.75 * units[10] + 0.70 * units[9]
    depth = min(depth + 0.25 * units[20] + 0.2 * units[15], 1.25) * (1 - 0.45 * face.cartoon)
    ends = smoothstep(top - 0.03, top + 0.05, band.y) * smoothstep(bottom + 0.05, bottom - 0.10, band.y)
    sculpture.fold[band.rows] += depth * ends * (bell(offset, 0.026) - 0.55 * bell(offset - 0.06, 0.055))
    sculpture.line[band.rows] += 0.8 * depth * ends * bell(offset, 0.016)


def _eye_creases(sculpture: _Sculpture, face: FaceShape) -> None:
    """Bags under the eyes and crow's feet beside them."""
    eyes, units, age = face.eyes, face.units, face.identity.age
    band = sculpture.view.band(eyes.y - 0.16, eyes.y + 0.22)
    sideways = (band.across - eyes.x) * 5
    bag_y = band.y - (eyes.y + eyes.lower + 0.055) + 0.02 * sideways * sideways
    bag = (0.15 + 0.5 * age + 0.45 * units[6] + 0.35 * units[7] + 0.3 * units[9]) * (1 - 0.6 * face.cartoon)
    profile = bell(band.across - eyes.x + 0.01, 0.15) * bell(bag_y, 0.018)
    sculpture.crease(band, 0.45 * bag, profile, 0.3 * bag)
    feet = (0.30 * age + 0.9 * units[6]) * (1 - 0.7 * face.cartoon)
    if feet > 0.03:
        dx, dy = band.across - (eyes.x + eyes.half_width * 0.9), band.y - eyes.y
        angle, distance = np.arctan2(dy, dx), np.hypot(dx, dy)
        fan = smoothstep(0.02, 0.05, distance) * smoothstep(0.17, 0.09, distance)
        rays = np.cos(angle * 9) ** 8 * smoothstep(1.1, 0.7, np.abs(angle))
        sculpture.crease(band, 0.40 * feet, fan * rays)


def _forehead_creases(sculpture: _Sculpture, face: FaceShape) -> None:
    """Horizontal lines: the inner brow raiser in the middle, the outer one at the sides."""
    units, brow_y, age = face.units, face.brows.y, face.identity.age
    band = sculpture.view.band(brow_y - 0.37, brow_y - 0.04)
    where = smoothstep(brow_y - 0.36, brow_y - 0.30, band.y) * smoothstep(
        brow_y - 0.05, brow_y - 0.11, band.y
    )
    middle, sides = 0.12 * age + 0.75 * units[1], 0.12 * age + 0.85 * units[2]
    strength = middle * bell(band.x, 0.20) + sides * bell(band.across - 0.34, 0.17)
    wave = 0.03 * np.cos(band.x * 6) + 0.012 * value_noise(face.identity.texture, band.x * 4, band.y * 2)
    ridges = np.maximum(np.cos((band.y - brow_y + wave) * (2 * math.pi / 0.082)), 0) ** 3
    softness = 1 - 0.55 * face.cartoon
    sculpture.crease(band, 0.33 * softness, strength * where * ridges, 0.30 * softness)


def _frown_creases(sculpture: _Sculpture, face: FaceShape) -> None:
    """Upright lines between the brows, and the wrinkled root of a sneering nose."""
    units, brow_y, eye_y = face.units, face.brows.y, face.eyes.y
    softness = 1 - 0.3 * face.cartoon
    band = sculpture.view.band(brow_y - 0.10, eye_y + 0.20)
    frown = (0.10 * face.identity.age + 0.85 * units[4]) * softness
    where = smoothstep(brow_y - 0.09, brow_y - 0.02, band.y) * smoothstep(eye_y - 0.03, brow_y + 0.05, band.y)
    upright = bell(band.across - 0.045 - 0.12 * (brow_y + 0.05 - band.y), 0.020)
    sculpture.crease(band, 0.9 * frown, upright * where, 0.7 * frown)
    sneer = units[9] * softness
    if sneer > 0.03:
        where = smoothstep(eye_y - 0.10, eye_y - 0.03, band.y) * smoothstep(
            eye_y + 0.19, eye_y + 0.12, band.y
        )
        waves = np.maximum(np.cos((band.y + 0.8 * band.across) * (2 * math.pi / 0.088)), 0) ** 2
        sculpture.crease(band, 0.65 * sneer, waves * smoothstep(0.15, 0.09, band.across) * where, 0.5 * sneer)


def _mouth_creases(sculpture: _Sculpture, face: FaceShape) -> None:
    """A puckered chin, folds beside stretched or drooping corners, dimples."""
    units, mouth = face.units, face.mouth
    band = sculpture.view.band(mouth.y - 0.22, face.head.chin)
    softness = 1 - 0.45 * face.cartoon
    if units[17] > 0.02:
        where = bell2(band.x, band.y, (0, face.head.chin - 0.13), (0.13, 0.07))
        pits = value_noise(face.identity.texture, band.x * 24, band.y * 24)
        sculpture.fold[band.rows] += 0.45 * units[17] * softness * where * pits
    droop = (0.55 * units[20] + 0.7 * units[15]) * softness
    corner_y = mouth.y + mouth.corner
    if droop > 0.03:
        lean = 0.15 if units[15] > units[20] else -0.03
        offset = band.across - mouth.half_width - 0.06 - lean * (band.y - mouth.y)
        where = smoothstep(corner_y - 0.06, corner_y + 0.01, band.y)
        where *= smoothstep(mouth.y + 0.22, mouth.y + 0.12, band.y)
        sculpture.crease(band, 0.55 * droop, where * bell(offset, 0.020))
    if units[14] > 0.02:
        dimple = bell2(band.across, band.y, (mouth.half_width + 0.05, corner_y), (0.020, 0.045))
        sculpture.crease(band, 0.8 * units[14] * softness, dimple, 0.4 * units[14] * softness)
