"""How light falls on a height field: normals, wrapped Lambert, half-vector gloss, occlusion of hollows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .raster import Plane, Planes, blur, tint
from .scene import Scene

WRAP = 0.22
OCCLUSION_REACH = 0.045


@dataclass(frozen=True)
class Light:
    """What reaches each pixel.

    ``facing`` is the cosine to the light, ``lit`` its wrapped form in 0..1, ``gloss`` the cosine to the half
    vector; ``hollow`` is how far a point lies below its surroundings (face units, negative on ridges).
    """

    facing: Plane
    lit: Plane
    gloss: Plane
    ambient: Plane
    hollow: Plane
    key_colour: Planes
    ambient_colour: Planes

    def occlusion(self, strength: float) -> Plane:
        """Factor that darkens hollows and brightens ridges."""
        ridge = 1 + 0.8 * np.clip(-self.hollow, 0, 0.12)
        factor: Plane = np.exp(np.maximum(self.hollow, 0) * (-9.0 * strength)) * ridge
        return factor

    def diffuse(self) -> Planes:
        """Key and ambient light together."""
        return self.lit * self.key_colour + self.ambient * self.ambient_colour


def light_on(height: Plane, pixel: float, scene: Scene) -> Light:
    """Light a height field whose pixels are ``pixel`` face units wide."""
    slope_y, slope_x = np.gradient(height, np.float32(pixel))
    up = 1 / np.sqrt(slope_x * slope_x + slope_y * slope_y + 1)
    lx, ly, lz = _unit(*scene.light)
    hx, hy, hz = _unit(lx, ly, lz + 1)
    facing = (lz - slope_x * lx - slope_y * ly) * up
    return Light(
        facing=facing,
        lit=np.clip((facing + WRAP) * (1 / (1 + WRAP)), 0, 1),
        gloss=np.clip((hz - slope_x * hx - slope_y * hy) * up, 0, 1),
        ambient=scene.ambient * (0.80 + 0.20 * slope_y * up),
        hollow=blur(height, max(1, round(OCCLUSION_REACH / pixel))) - height,
        key_colour=tint(1 + 0.10 * scene.warmth, 1, 1 - 0.14 * scene.warmth) * np.float32(scene.key),
        ambient_colour=tint(1 - 0.04 * scene.warmth, 1, 1 + 0.06 * scene.warmth),
    )


def _unit(x: float, y: float, z: float) -> tuple[float, float, float]:
    length = (x * x + y * y + z * z) ** 0.5
    return x / length, y / length, z / length
