"""Everything about a photo that is not the subject: pose, crop, light, backdrop, style.

A scene stays fixed between a source and its exactly registered truth. ``another_shot`` is the same sitting
a moment later, as two real photos of one person are: registration, pose and light differ a little.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fesbench.core.errors import UnknownName

DOMAINS: tuple[str, ...] = ("studio", "celebrity", "portrait", "statue", "avatar")
"""In distribution first, then the four out-of-distribution domains."""

POSE_SPREAD = {
    "studio": (0.012, 0.012, 0.008),
    "celebrity": (0.15, 0.06, 0.05),
    "portrait": (0.16, 0.05, 0.04),
    "statue": (0.13, 0.05, 0.03),
    "avatar": (0.08, 0.04, 0.03),
}
"""Standard deviations of yaw, pitch and roll in radians."""


@dataclass(frozen=True)
class Scene:
    """The nuisance of one photo. Angles in radians; shifts in image widths; light x right, y down, z to us.

    ``backdrop`` holds eight free numbers in 0..1 that background, palette and wear draw from; ``texture``
    seeds backdrop, stone and brush; ``grain`` seeds the sensor noise.
    """

    domain: str
    texture: int
    grain: int
    yaw: float
    pitch: float
    roll: float
    scale: float
    shift_x: float
    shift_y: float
    light: tuple[float, float, float]
    key: float
    ambient: float
    warmth: float
    exposure: float
    style: int
    backdrop: tuple[float, ...]
    cloth: tuple[float, float, float]


def make_scene(domain: str, seed: int) -> Scene:
    """Return the scene behind a seed in a domain.

    Raises:
        UnknownName: there is no such domain.
    """
    if domain not in POSE_SPREAD:
        raise UnknownName("domain", domain, DOMAINS)
    generator = np.random.default_rng([seed, 23, DOMAINS.index(domain)])
    texture, grain = (int(number) for number in generator.integers(1 << 30, size=2))
    yaw, pitch, roll = (
        float(np.clip(generator.normal(0, spread), -2 * spread, 2 * spread)) for spread in POSE_SPREAD[domain]
    )
    return Scene(
        domain=domain,
        texture=texture,
        grain=grain,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        style=int(generator.integers(3)),
        backdrop=tuple(float(number) for number in generator.random(8)),
        cloth=(_draw(generator, 0.05, 0.75), _draw(generator, 0.05, 0.75), _draw(generator, 0.05, 0.75)),
        **(_studio_light(generator) if domain == "studio" else _free_light(generator)),
    )


def another_shot(first: Scene, seed: int) -> Scene:
    """Return the next photo of a sitting: about ±1 pixel of 128 off, pose and light a little changed."""
    generator = np.random.default_rng([seed, 29])
    pixel = 1 / 128
    return replace(
        first,
        grain=int(generator.integers(1 << 30)),
        yaw=first.yaw + _draw(generator, -0.02, 0.02),
        pitch=first.pitch + _draw(generator, -0.02, 0.02),
        roll=first.roll + _draw(generator, -0.01, 0.01),
        scale=first.scale * _draw(generator, 0.99, 1.01),
        shift_x=first.shift_x + _draw(generator, -pixel, pixel),
        shift_y=first.shift_y + _draw(generator, -pixel, pixel),
        light=(
            first.light[0] + _draw(generator, -0.06, 0.06),
            first.light[1] + _draw(generator, -0.04, 0.04),
            first.light[2],
        ),
        exposure=first.exposure * _draw(generator, 0.98, 1.02),
    )


def _draw(generator: np.random.Generator, low: float, high: float) -> float:
    return float(generator.uniform(low, high))


def _studio_light(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": _draw(generator, 0.985, 1.015),
        "shift_x": _draw(generator, -0.005, 0.005),
        "shift_y": _draw(generator, -0.005, 0.005),
        "light": (_draw(generator, -0.25, 0.25), _draw(generator, -0.50, -0.40), 1.0),
        "key": _draw(generator, 0.70, 0.75),
        "ambient": _draw(generator, 0.40, 0.44),
        "warmth": _draw(generator, -0.05, 0.05),
        "exposure": _draw(generator, 0.97, 1.03),
    }


def _free_light(generator: np.random.Generator) -> dict[str, Any]:
    return {
        "scale": _draw(generator, 0.95, 1.05),
        "shift_x": _draw(generator, -0.02, 0.02),
        "shift_y": _draw(generator, -0.02, 0.02),
        "light": (_draw(generator, -0.85, 0.85), _draw(generator, -0.80, -0.25), 1.0),
        "key": _draw(generator, 0.65, 1.0),
        "ambient": _draw(generator, 0.26, 0.45),
        "warmth": _draw(generator, -0.5, 0.8),
        "exposure": _draw(generator, 0.85, 1.12),
    }
