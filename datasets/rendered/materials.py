"""What a figure is made of: living skin (studio, celebrity, portrait), stone and bronze, or cartoon tones.

Every ``paint_*`` returns a (3, H, W) image in linear light.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .backdrop import backdrop
from .features import Eyes, Mouth
from .figure import Figure
from .identity import Identity
from .light import Light, light_on
from .raster import (
    Plane,
    Planes,
    bell,
    bell2,
    blend,
    blur,
    box_blur,
    colour,
    fractal_noise,
    power,
    smoothstep,
    tint,
    value_noise,
)
from .scene import Scene
from .skin import albedo
from .view import view

DYES = (colour(0.55, 0.30, 0.75), colour(0.20, 0.55, 0.65), colour(0.85, 0.35, 0.55))
STONE_GLOSS = ((0.22, 30), (0.42, 18), (0.05, 10))
"""Strength and exponent of the highlight of marble, bronze and sandstone."""


def paint_skin(figure: Figure) -> Planes:
    """Return a living person."""
    light = light_on(figure.height, figure.view.pixel, figure.scene)
    diffuse = light.diffuse()
    surface = _skin_surface(figure)
    face = surface * (diffuse + _glow_under_skin(light) * light.key_colour) * light.occlusion(1.25)
    face += _skin_gloss(figure, light) * light.key_colour
    exposure = np.clip(0.55 + 0.5 * (light.lit * figure.scene.key + light.ambient), 0.4, 1.1)
    _paint_eyes(face, figure, exposure, colour(0.90, 0.885, 0.87) * 0.92, 1.0)
    _paint_mouth(face, figure.mouth, exposure)
    neck_light = diffuse.mean(axis=0) * 0.85 * _chin_shadow(figure)
    return _compose(
        figure,
        face=face,
        hair=_lit_hair(figure, light, diffuse),
        neck=figure.skin.tone * neck_light,
        cloth=colour(*figure.scene.cloth) * (0.7 + 0.3 * np.maximum(light.facing, 0)),
    )


def paint_cartoon(figure: Figure) -> Planes:
    """Three flat tones and dark outlines."""
    light = light_on(figure.height, figure.view.pixel, figure.scene)
    tones = _three_tones(light.facing)
    surface = _skin_surface(figure)
    saturation = power(surface / np.maximum(surface.mean(axis=0), 1e-4), 0.25)
    shade = tones * (0.30 + 0.70 * np.minimum(light.occlusion(0.8), 1.1))
    face = surface * shade * saturation * tint(1.08, 1.04, 1.02)
    lit = np.ones_like(shade)
    _paint_eyes(face, figure, lit, colour(0.97, 0.97, 0.97), 1.25)
    _paint_mouth(face, figure.mouth, lit)
    image = _compose(
        figure,
        face=face,
        hair=_cartoon_hair(figure) * (tones * (0.92 + 0.30 * smoothstep(0.2, 0.5, figure.hair.strands))),
        neck=figure.skin.tone * np.full_like(shade, 0.62),
        cloth=colour(*figure.scene.cloth) * (0.8 + 0.2 * tones),
    )
    blend(image, colour(0.14, 0.09, 0.10), _outlines(figure))
    return image


def paint_stone(figure: Figure) -> Planes:
    """Marble, bronze or sandstone: the features are carved, not coloured."""
    height = _carve(figure)
    light = light_on(height, figure.view.pixel, figure.scene)
    strength, exponent = STONE_GLOSS[figure.scene.style]
    lit = _stone_surface(figure, light) * light.diffuse()
    occlusion = light.occlusion(1.6)
    gloss = strength * light.gloss**exponent * np.minimum(occlusion, 1) * (1 - 0.75 * figure.hair.front)
    face = lit * occlusion + gloss * light.key_colour
    neck = lit * (0.70 * _chin_shadow(figure))
    image = backdrop(figure.scene, figure.view.size).copy()
    blend(image, neck, figure.neck)
    blend(image, lit * 0.80, figure.cloth)
    behind = np.maximum(figure.hair.back, figure.hair.front) * (1 - figure.head)
    blend(image, face * 0.62, behind)
    blend(image, lit * 0.75, figure.ears)
    blend(image, face, figure.head)
    blend(image, face, figure.hair.front)
    return image * np.float32(figure.scene.exposure)


def _skin_surface(figure: Figure) -> Planes:
    """Albedo with lines, nostrils, brows and the seam of the lips drawn in."""
    tone, surface = figure.skin.tone, albedo(figure.face, figure.view, figure.mouth, figure.skin)
    dark = tone * tint(0.42, 0.30, 0.27)
    blend(surface, dark, np.clip(figure.relief.line * 0.5, 0, 0.8))
    eyes, brows, extras, mouth = figure.eyes, figure.brows, figure.extras, figure.mouth
    blend(surface[:, eyes.band.rows], dark * 0.75, eyes.crease * 0.45)
    blend(surface[:, extras.nose.rows], dark * 0.35, extras.nostrils * 0.85)
    blend(surface[:, brows.band.rows], figure.skin.hair * 0.85 + tone * 0.06, brows.cover * 0.92)
    blend(surface[:, mouth.band.rows], dark * 0.35, np.minimum(mouth.seam, 1))
    return surface


def _glow_under_skin(light: Light) -> Planes:
    """Red light that comes out again just past the terminator."""
    glow: Planes = tint(0.10, 0.02, 0) * (
        np.clip(light.facing + 0.4, 0, 1) * np.clip(0.5 - light.facing, 0, 1)
    )
    return glow


def _skin_gloss(figure: Figure, light: Light) -> Plane:
    middle = 0.7 + 0.6 * bell2(figure.view.across, figure.view.y, (0, 0.2), (0.25, 0.6))
    gloss = 0.10 * light.gloss**22 * figure.head * middle
    rows = figure.mouth.band.rows
    gloss[rows] += 0.16 * light.gloss[rows] ** 12 * figure.mouth.lips
    return gloss


def _paint_eyes(image: Planes, figure: Figure, exposure: Plane, white: Planes, vivid: float) -> None:
    eyes = figure.eyes
    part, lit, y = image[:, eyes.band.rows], exposure[eyes.band.rows], eyes.band.y
    blend(part, white * (np.clip(0.55 + eyes.depth * 9, 0.45, 1) * lit), eyes.opening)
    rim = 1 - 0.65 * smoothstep(0.72, 1.0, eyes.radius)
    below = 1.25 + 0.5 * smoothstep(-0.02, 0.04, y - figure.face.eyes.y)
    blend(part, figure.skin.iris * (vivid * below * rim * lit), eyes.iris)
    blend(part, colour(0.03, 0.03, 0.03), eyes.pupil)
    blend(part, colour(0.02, 0.015, 0.015) + 0.12 * figure.skin.hair, eyes.lashes)
    blend(part, colour(0.98, 0.98, 0.98), eyes.glint * 0.9)


def _paint_mouth(image: Planes, mouth: Mouth, exposure: Plane) -> None:
    lit = exposure[mouth.band.rows]
    inside = colour(0.24, 0.08, 0.08) * np.ones_like(lit)
    blend(inside, colour(0.66, 0.30, 0.30), mouth.tongue * 0.8)
    blend(inside, colour(0.94, 0.92, 0.87), mouth.teeth)
    blend(image[:, mouth.band.rows], inside * lit, mouth.opening)


def _chin_shadow(figure: Figure) -> Plane:
    return 1 - 0.55 * smoothstep(0.30, 0.0, figure.view.y - figure.face.head.chin)


def _lit_hair(figure: Figure, light: Light, diffuse: Planes) -> Planes:
    strands, shade = figure.hair.strands, figure.skin.hair
    shine = 0.10 * np.clip(1 - np.abs(light.gloss - 0.93) * 9, 0, 1) * (0.6 + 0.5 * strands)
    lit: Planes = shade * (0.78 + 0.26 * strands) * (diffuse * 0.85 + 0.06) + shine * (shade + 0.05)
    return lit


def _cartoon_hair(figure: Figure) -> Planes:
    """Some avatars dye their hair."""
    choice = figure.scene.backdrop
    if choice[5] > 0.72:
        return DYES[int(choice[6] * 2.99)]
    return figure.skin.hair ** np.float32(0.85) * 1.3


def _compose(figure: Figure, face: Planes, hair: Planes, neck: Planes, cloth: Planes) -> Planes:
    """From back to front; hair throws a soft shadow on the forehead."""
    image = backdrop(figure.scene, figure.view.size).copy()
    blend(image, hair * 0.55, figure.hair.back)
    blend(image, neck, figure.neck)
    blend(image, cloth, figure.cloth)
    blend(image, face * 0.85, figure.ears)
    blend(image, face, figure.head)
    front = figure.hair.front
    shadow = blur(front, max(1, int(0.05 / figure.view.pixel))) - front
    image *= 1 - 0.30 * np.clip(shadow, 0, 1) * figure.head
    blend(image, hair, front)
    extras = figure.extras
    if extras.glasses is not None:
        blend(image[:, extras.eyes.rows], colour(0.10, 0.09, 0.09), extras.glasses * 0.9)
    return image * np.float32(figure.scene.exposure)


def _three_tones(facing: Plane) -> Plane:
    return 0.60 + 0.24 * smoothstep(0.40, 0.48, facing) + 0.16 * smoothstep(0.78, 0.86, facing)


def _outlines(figure: Figure) -> Plane:
    radius = max(1, int(0.013 / figure.view.pixel))
    head = np.clip(figure.head + figure.ears, 0, 1) * (1 - figure.hair.front)
    locks = np.clip(figure.hair.front + figure.hair.back * (1 - figure.head), 0, 1)
    lines = 0.8 * np.maximum(_edge(head, radius), _edge(locks, radius))
    both: Plane = np.maximum(lines, 0.6 * _edge(figure.cloth, radius))
    return both


def _edge(mask: Plane, radius: int) -> Plane:
    near = box_blur(mask, radius)
    return np.clip(4.8 * near * (1 - near), 0, 1)


def _carve(figure: Figure) -> Plane:
    """Deepen the face and cut what other domains only colour."""
    height = figure.height.copy()
    strands = figure.hair.strands
    height += (0.016 if figure.scene.style != 1 else 0.006) * strands * figure.hair.front
    height += figure.skin.beard * (0.022 + 0.012 * strands) - 0.020 * figure.relief.line
    brows, mouth, eyes = figure.brows, figure.mouth, figure.eyes
    height[brows.band.rows] += 0.022 * brows.cover
    height[mouth.band.rows] -= 0.020 * np.minimum(mouth.seam, 1)
    height[eyes.band.rows] -= 0.012 * eyes.lashes
    return height


def _stone_surface(figure: Figure, light: Light) -> Planes:
    surface = _raw_stone(figure.face.identity, figure.scene, figure.view.size).copy()
    if figure.scene.style == 1:
        verdigris = np.clip(np.maximum(light.hollow, 0) * 18 - 0.05, 0, 0.6)
        blend(surface, colour(0.34, 0.50, 0.43), verdigris)
    darkness = 0.50 * figure.relief.line
    brows, mouth, extras, eyes = figure.brows, figure.mouth, figure.extras, figure.eyes
    darkness[brows.band.rows] += 0.24 * brows.cover
    darkness[extras.nose.rows] += 0.55 * extras.nostrils
    darkness[mouth.band.rows] += 0.07 * mouth.lips + 0.7 * mouth.seam
    darkness[mouth.band.rows] += 0.62 * mouth.opening * (1 - 0.85 * mouth.teeth)
    darkness[eyes.band.rows] += _drilled_eyes(eyes)
    darkness += figure.hair.front * (0.14 - 0.06 * figure.hair.strands)
    carved: Planes = surface * (1 - np.clip(darkness, -0.1, 0.85))
    return carved


def _drilled_eyes(eyes: Eyes) -> Plane:
    """Iris and pupil as ancient sculptors cut them, between dark lids."""
    ring = 0.28 * bell(eyes.radius - 1, 0.16) + 0.42 * bell(eyes.radius, 0.32)
    darkness: Plane = eyes.opening * (ring - 0.08) + 0.50 * eyes.lashes + 0.20 * eyes.crease
    return darkness


@lru_cache(maxsize=8)
def _raw_stone(person: Identity, scene: Scene, size: int) -> Planes:
    """Veined marble, patchy bronze or grainy sandstone."""
    seen, texture = view(person, scene, size), scene.texture
    x, y = seen.x, seen.y
    if scene.style == 0:
        bent = x * 2.2 + 0.6 * value_noise(texture, x * 3, y * 3)
        veins = smoothstep(0.12, 0.0, np.abs(fractal_noise(texture, bent, y * 2.2, 3)))
        return colour(0.85, 0.84, 0.815) * (1 - 0.18 * veins)
    if scene.style == 1:
        patches = np.clip(0.12 + 0.08 * fractal_noise(texture, x * 5, y * 5, 2), 0, 0.4)
        bronze = colour(0.58, 0.43, 0.28) * np.ones_like(x)
        blend(bronze, colour(0.34, 0.50, 0.43), patches)
        return bronze
    grain = 0.07 * fractal_noise(texture, x * 22, y * 22, 2) + 0.06 * value_noise(texture, x * 4, y * 9)
    stone: Planes = colour(0.80, 0.70, 0.55) * (1 + grain)
    return stone
