"""What is behind the head, per domain; fixed for a scene, so it is computed once."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .raster import Plane, Planes, blend, colour, fractal_noise, smoothstep, value_noise
from .scene import Scene

AVATAR_PALETTE = (
    colour(0.55, 0.80, 0.95),
    colour(0.98, 0.78, 0.55),
    colour(0.75, 0.90, 0.65),
    colour(0.85, 0.72, 0.95),
    colour(0.98, 0.92, 0.62),
    colour(0.60, 0.88, 0.85),
)


@lru_cache(maxsize=8)
def backdrop(scene: Scene, size: int) -> Planes:
    """(3, H, W) linear light; read-only."""
    centres = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(1 / size)
    x, y = np.meshgrid(centres, centres)
    image = np.ascontiguousarray(_BACKDROPS[scene.domain](scene, x, y), np.float32)
    image.setflags(write=False)
    return image


def _studio(scene: Scene, x: Plane, y: Plane) -> Planes:
    return colour(0.78, 0.79, 0.81) * (1.04 - 0.18 * ((x - 0.5) ** 2 + (y - 0.45) ** 2))


def _celebrity(scene: Scene, x: Plane, y: Plane) -> Planes:
    """Two blurred colours, often with the discs of distant lights."""
    b = scene.backdrop
    first = colour(b[0] * 0.55 + 0.2, b[1] * 0.55 + 0.2, b[2] * 0.55 + 0.2)
    second = colour(b[3] * 0.5 + 0.05, b[4] * 0.5 + 0.05, b[5] * 0.5 + 0.1)
    image = first + (second - first) * smoothstep(-0.9, 0.9, value_noise(scene.texture, x * 2.5 + 3, y * 2.5))
    if b[6] > 0.4:
        generator = np.random.default_rng(scene.texture)
        for _ in range(9):
            column, row, radius, power = generator.random(4).tolist()
            radius = 0.03 + 0.06 * radius
            disc = smoothstep(radius, radius * 0.75, np.hypot(x - column, y - row))
            blend(image, colour(0.9, 0.85, 0.7) * (0.4 + 0.6 * power), disc * 0.45)
    return image


def _portrait(scene: Scene, x: Plane, y: Plane) -> Planes:
    """Brown dusk, lighter behind the shoulders."""
    b = scene.backdrop
    light = colour(0.34 + 0.15 * b[0], 0.27 + 0.12 * b[0], 0.18 + 0.10 * b[1])
    dark = colour(0.12 + 0.08 * b[2], 0.10 + 0.06 * b[2], 0.07 + 0.10 * b[3])
    clouds = 0.5 + 0.35 * fractal_noise(scene.texture, x * 4, y * 4, 2) - 1.1 * (y - 0.4)
    image: Planes = dark + (light - dark) * np.clip(clouds, 0, 1.2)
    return image


def _statue(scene: Scene, x: Plane, y: Plane) -> Planes:
    grey = scene.backdrop[0] * 0.5
    middle = colour(0.25 + grey, 0.25 + grey, 0.27 + grey)
    image: Planes = middle * (1 - 0.65 * np.clip(np.hypot(x - 0.5, y - 0.4) * 1.3, 0, 1))
    return image


def _avatar(scene: Scene, x: Plane, y: Plane) -> Planes:
    """Return a flat colour with a lighter disc."""
    flat = AVATAR_PALETTE[int(scene.backdrop[0] * 5.99)]
    radius, pixel = 0.42 + 0.06 * scene.backdrop[1], 1 / len(x)
    return flat * (1 - 0.30 * smoothstep(radius - pixel, radius + pixel, np.hypot(x - 0.5, y - 0.55)))


_BACKDROPS = {
    "studio": _studio,
    "celebrity": _celebrity,
    "portrait": _portrait,
    "statue": _statue,
    "avatar": _avatar,
}
