"""From linear light to the look of a domain: tone curve, sensor grain, brush, canvas and craquelure.

Every step is local, so pixels that an expression leaves alone stay the same as in the source.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .raster import Plane, Planes, blur, box_blur, smoothstep, tint, value_noise
from .scene import Scene

VARNISH = (tint(1.06, 0.97, 0.78), tint(1.0, 0.98, 0.90), tint(1.03, 0.94, 0.84))
UMBER = tint(0.117, 0.0765, 0.045)
GRAIN = {"studio": 0.006, "celebrity": 0.008, "statue": 0.006}
CRACK_CELLS = 10
BRUSH_BIAS = 0.004
"""Where the picture is flat, strokes run along one diagonal (gradient per pixel of 128)."""


def finish(image: Planes, scene: Scene) -> Planes:
    """(3, H, W) linear light to sRGB, nominally 0..1, not clipped."""
    image = np.maximum(image, 0)
    if scene.domain != "avatar":
        image = image * (1 + image * 0.12) / (1 + image * 0.22)
    image = np.minimum(image, 1) ** np.float32(1 / 2.2)
    if scene.domain == "portrait":
        return _painted(image, scene)
    if scene.domain == "celebrity":
        image = (image - 0.5) * (0.9 + 0.3 * scene.backdrop[7]) + 0.5
    if scene.domain in GRAIN:
        image = image + GRAIN[scene.domain] * _grain(scene.grain, image.shape[-1])
    return image


@lru_cache(maxsize=8)
def _grain(seed: int, size: int) -> Plane:
    return np.random.default_rng(seed).standard_normal((size, size), dtype=np.float32)


def _painted(image: Planes, scene: Scene) -> Planes:
    """Oil on canvas."""
    size = image.shape[-1]
    unit = size / 128
    image = 0.75 * _kuwahara(image, max(1, round(1.4 * unit))) + 0.25 * image
    image = image * (1 + 0.045 * _strokes(image.mean(axis=0), scene, unit))
    luminance = image.mean(axis=0)
    image = luminance + (image - luminance) * (0.80 + 0.25 * scene.backdrop[4])
    image = UMBER * (1 - luminance) ** 2 + image * VARNISH[scene.style] * 0.97
    return image * _canvas(scene, size)


def _kuwahara(image: Planes, radius: int) -> Planes:
    """Replace each pixel by the mean of the calmest of its four quadrants: flat dabs with crisp edges."""
    luminance = image.mean(axis=0, keepdims=True)
    pad = ((0, 0), (radius, radius), (radius, radius))
    stack = np.pad(np.concatenate([image, luminance, luminance * luminance]), pad, mode="edge")
    means = box_blur(stack, radius)
    rows, columns = image.shape[1:]
    best, calmest = image, np.full((rows, columns), np.inf, np.float32)
    for dy in (0, 2 * radius):
        for dx in (0, 2 * radius):
            quadrant = means[:, dy : dy + rows, dx : dx + columns]
            variance = quadrant[4] - quadrant[3] ** 2
            better = variance < calmest
            best = np.where(better, quadrant[:3], best)
            calmest = np.minimum(variance, calmest)
    return best


def _strokes(luminance: Plane, scene: Scene, unit: float) -> Plane:
    """Bristle marks along the contours: noise averaged along the local tangent."""
    size = len(luminance)
    down, across = np.gradient(blur(luminance, max(1, int(5 * unit))))
    down, across = down - BRUSH_BIAS / unit, across + BRUSH_BIAS / unit
    length = np.sqrt(down * down + across * across) + 1e-6
    step_x, step_y = -down / length * unit, across / length * unit
    noise = box_blur(_grain(scene.texture + 1, size), int(0.5 * unit)).ravel()
    grid = np.arange(size, dtype=np.float32)
    column, row = grid[None, :], grid[:, None]
    total = np.zeros_like(luminance)
    for t in range(-6, 7):
        x = np.clip(np.rint(column + step_x * t), 0, size - 1).astype(np.int32)
        y = np.clip(np.rint(row + step_y * t), 0, size - 1).astype(np.int32)
        total += noise.take(y * size + x)
    return total * (1 / 3.6)


@lru_cache(maxsize=8)
def _canvas(scene: Scene, size: int) -> Plane:
    """Factor of weave, cracks and a darker rim; fixed for a scene."""
    grid = (np.arange(size, dtype=np.float32) + 0.5) * np.float32(128 / size)
    x, y = np.meshgrid(grid, grid)
    weave = 0.022 * (np.sin(x * 2.1) * np.sin(y * 2.1) + 0.5 * np.sin(x * 1.9 + y * 0.2))
    rim = 0.55 * ((x / 128 - 0.5) ** 2 + (y / 128 - 0.5) ** 2)
    factor: Plane = (1 + weave) * (1 - rim)
    if scene.backdrop[6] > 0.35:
        factor *= 1 - (0.06 + 0.12 * scene.backdrop[7]) * _cracks(scene.texture, x, y)
    return factor


def _cracks(seed: int, x: Plane, y: Plane) -> Plane:
    """Borders of the cells around jittered grid points (Worley 1996), unevenly open."""
    u = (x + 2 * value_noise(seed + 3, x / 8, y / 8)) * (CRACK_CELLS / 128)
    v = (y + 2 * value_noise(seed + 4, x / 8, y / 8)) * (CRACK_CELLS / 128)
    offsets = np.random.default_rng(seed + 5).random((2, 32 * 32), dtype=np.float32)
    column, row = np.floor(u).astype(np.int32), np.floor(v).astype(np.int32)
    nearest = np.full_like(u, 9)
    second = nearest.copy()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            cell = ((row + dy) & 31) * 32 + ((column + dx) & 31)
            du, dv = column + dx + offsets[0].take(cell) - u, row + dy + offsets[1].take(cell) - v
            distance = np.sqrt(du * du + dv * dv).astype(np.float32)
            second = np.minimum(second, np.maximum(nearest, distance))
            nearest = np.minimum(nearest, distance)
    openness = smoothstep(-0.6, 0.8, value_noise(seed + 6, x / 30, y / 30))
    return smoothstep(0.075, 0.01, second - nearest) * openness
