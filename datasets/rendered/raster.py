"""Drawing with arrays: soft edges, bells, value noise, blurs, blending; float32 throughout.

A plane is (H, W); an image in the making is planar, (3, H, W), linear light or sRGB in about [0, 1].
Edges are anti-aliased analytically, by the coverage of a signed distance, so nothing is supersampled.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
"""(H, W) float32 (NumPy's annotations cannot express that a Python number leaves float32 as it is)."""

Planes = NDArray[np.floating[Any]]
"""(3, H, W) float32; a colour is (3, 1, 1)."""

LATTICE = 64


def smoothstep(low: float, high: float, value: Plane) -> Plane:
    """0 at ``low``, 1 at ``high``, smooth between and constant outside; ``low > high`` falls instead."""
    t = np.clip((value - low) * (1.0 / (high - low)), 0, 1)
    smooth: Plane = t * t * (3 - 2 * t)
    return smooth


def coverage(distance: Plane, width: float) -> Plane:
    """Share of a pixel of size ``width`` that lies inside (``distance`` is negative inside)."""
    share: Plane = np.clip(0.5 - distance * (1.0 / width), 0, 1)
    return share


def bell(distance: Plane, spread: float) -> Plane:
    """exp(-(distance / spread)^2)."""
    scaled = distance * (1.0 / spread)
    return np.exp(-scaled * scaled)


def bell2(x: Plane, y: Plane, centre: tuple[float, float], spread: tuple[float, float]) -> Plane:
    """Return a two-dimensional bell of height 1 around ``centre``."""
    dx = (x - centre[0]) * (1.0 / spread[0])
    dy = (y - centre[1]) * (1.0 / spread[1])
    height: Plane = np.exp(-dx * dx - dy * dy)
    return height


def power(base: Plane, exponent: float | Plane) -> Plane:
    """``base`` to any power for base >= 0; much faster than ``np.power`` in float32."""
    return np.exp(np.log(np.maximum(base, 1e-6)) * exponent)


def box_blur(array: Plane, radius: int) -> Plane:
    """Mean over a (2 radius + 1)^2 window of the last two axes, edges repeated."""
    if radius < 1:
        return array
    for axis in (-1, -2):
        array = _running_mean(array, radius, axis)
    return array


def _running_mean(array: Plane, radius: int, axis: int) -> Plane:
    span, length = 2 * radius + 1, array.shape[axis]
    places = np.clip(np.arange(-radius - 1, length + radius), 0, length - 1)
    total = np.cumsum(array.take(places, axis), axis=axis, dtype=np.float32)
    after, before = [slice(None)] * array.ndim, [slice(None)] * array.ndim
    after[axis], before[axis] = slice(span, None), slice(0, length)
    return (total[tuple(after)] - total[tuple(before)]) * (1.0 / span)


def blur(array: Plane, radius: int) -> Plane:
    """Two box blurs: near enough to a Gaussian."""
    return box_blur(box_blur(array, radius), radius)


@lru_cache(maxsize=64)
def lattice(seed: int) -> NDArray[np.float32]:
    """Return the (64, 64) standard normal numbers behind one texture, flattened."""
    return np.random.default_rng(seed).standard_normal(LATTICE * LATTICE, dtype=np.float32)


def value_noise(seed: int, x: Plane, y: Plane) -> Plane:
    """Smooth noise of about unit variance with one feature per unit; periodic in 64."""
    left, top = np.floor(x), np.floor(y)
    u, v = x - left, y - top
    u, v = u * u * (3 - 2 * u), v * v * (3 - 2 * v)
    column, row = left.astype(np.int32) & (LATTICE - 1), top.astype(np.int32) & (LATTICE - 1)
    right = (column + 1) & (LATTICE - 1)
    upper, lower = row * LATTICE, ((row + 1) & (LATTICE - 1)) * LATTICE
    grid = lattice(seed)
    a, b = grid.take(upper + column), grid.take(upper + right)
    c, d = grid.take(lower + column), grid.take(lower + right)
    above = a + (b - a) * u
    return above + (c + (d - c) * u - above) * v


def fractal_noise(seed: int, x: Plane, y: Plane, octaves: int) -> Plane:
    """Value noise plus half of it at twice the frequency, and so on."""
    total = value_noise(seed, x, y)
    for k in range(1, octaves):
        total += 0.5**k * value_noise(seed, x * 2.0**k + 17.3 * k, y * 2.0**k + 9.1 * k)
    return total


def mix(start: float, end: float, share: float) -> float:
    """Linear interpolation between two numbers."""
    return start + (end - start) * share


def colour(red: float, green: float, blue: float) -> Planes:
    """Return an sRGB colour (0..1) in linear light, (3, 1, 1)."""
    return np.array([red, green, blue], np.float32).reshape(3, 1, 1) ** np.float32(2.2)


def tint(red: float, green: float, blue: float) -> Planes:
    """Three factors as (3, 1, 1)."""
    return np.array([red, green, blue], np.float32).reshape(3, 1, 1)


def blend(image: Planes, paint: Planes, mask: Plane) -> None:
    """Lay ``paint`` over ``image`` where ``mask`` (0..1) says so, in place."""
    marked = mask != 0
    rows, columns = _extent(marked.any(axis=1)), _extent(marked.any(axis=0))
    part = image[:, rows, columns]
    if paint.shape[1:] != (1, 1):
        paint = paint[:, rows, columns]
    part += (paint - part) * mask[rows, columns]  # not in parts: a mask may be of double precision


def _extent(marked: NDArray[np.bool_]) -> slice:
    """Return the slice from the first to the last marked place; empty without any."""
    places = np.flatnonzero(marked)
    return slice(places[0], places[-1] + 1) if len(places) else slice(0)
