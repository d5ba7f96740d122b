"""Hair: in front of and behind the head, with strands; none of it depends on the expression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .identity import Identity
from .raster import Plane, coverage, fractal_noise, power, smoothstep, value_noise
from .scene import Scene
from .shape import CROWN, HEAD_CENTRE
from .view import View, view

LENGTH = {"long": 1.5, "bob": 0.66}


@dataclass(frozen=True)
class Hair:
    """Coverage in front of the face and behind the head; ``strands`` is noise of about unit variance."""

    front: Plane
    back: Plane
    strands: Plane


@dataclass(frozen=True)
class _Scalp:
    """What all styles are cut from: distances are negative inside, in head widths."""

    view: View
    person: Identity
    width: float
    skull: Plane
    window: Plane
    wisps: Plane


@lru_cache(maxsize=8)
def hair(person: Identity, scene: Scene, size: int) -> Hair:
    """Return the hair of a subject in a scene."""
    seen = view(person, scene, size)
    scalp = _scalp(person, seen, person.face_width * (1 + 0.04 * (scene.domain == "avatar")))
    front, back = _STYLES[person.hair](scalp)
    return Hair(front, back, _strands(person, seen))


def _scalp(person: Identity, seen: View, width: float) -> _Scalp:
    x, y, volume = seen.x, seen.y, person.hair_volume
    across = x * (1 / (width * 1.045 + volume * 0.8))
    up = (y - HEAD_CENTRE) * (1 / (HEAD_CENTRE - CROWN + 0.01 + volume))
    wisps = value_noise(person.texture + 2, x * 34, y * 2.2)
    line = _hairline(person, seen)
    opening = power(seen.across * (1 / (width * 0.865)), 2.6)
    window = 1 - opening - np.where(y < 0, power(np.abs(y) / line, 2.6), 0)
    return _Scalp(seen, person, width, np.sqrt(across * across + up * up) - 1, window, wisps)


def _hairline(person: Identity, seen: View) -> Plane:
    """Height of the forehead above the eyes' level."""
    if person.hair == "bob":
        return 0.37 + 0.02 * value_noise(person.texture + 2, seen.x * 16, seen.y)
    line = person.hairline + 0.03 * value_noise(person.texture + 2, seen.x * 9 + 3, seen.y * 2)
    if person.hair == "parted":
        line -= 0.10 * np.clip(seen.x * float(np.sign(person.parting)) + 0.15, -0.5, 0.5)
    return line


def _strands(person: Identity, seen: View) -> Plane:
    if person.hair == "curly":
        return fractal_noise(person.texture + 2, seen.x * 13, seen.y * 13, 2)
    fanned = seen.x / np.sqrt(np.maximum(1.1 - seen.y * seen.y * 0.7, 0.25))
    broad = value_noise(person.texture + 2, fanned * 26, seen.y * 2.2)
    return 0.6 * broad + 0.4 * value_noise(person.texture + 2, seen.x * 48, seen.y * 3 + 7)


def _cropped(scalp: _Scalp) -> tuple[Plane, Plane]:
    """Short hair, tapering to the ears."""
    y, pixel = scalp.view.y, scalp.view.pixel
    skull = (scalp.skull + 1) * (1 + 0.11 * smoothstep(-0.45, 0.02, y)) - 1
    front = coverage(skull * 0.7, pixel) * coverage(scalp.window * 0.25, pixel * 2)
    front *= smoothstep(0.10, -0.02, y + 0.06 * scalp.wisps)
    return front, np.zeros_like(front)


def _shaven(scalp: _Scalp) -> tuple[Plane, Plane]:
    """Return a bald head, or the shadow of shaven hair."""
    seen, y = scalp.view, scalp.view.y
    across, up = seen.x * (1 / scalp.width), (y - HEAD_CENTRE) * (1 / (HEAD_CENTRE - CROWN))
    front = coverage((np.sqrt(across * across + up * up) - 0.99) * 0.62, seen.pixel)
    shadow = 0.0 if scalp.person.parting > 0 else 0.55
    front *= shadow * smoothstep(0.10, -0.30, scalp.window) * smoothstep(0.02, -0.12, y)
    return front, np.zeros_like(front)


def _loose(scalp: _Scalp) -> tuple[Plane, Plane]:
    """Hair that falls beside the face: to the shoulders, or cut at the jaw with a rounded edge."""
    seen, width = scalp.view, scalp.width
    y, across, pixel = seen.y, seen.across, seen.pixel
    wave = 0.03 * value_noise(scalp.person.texture + 2, across * 3, y * 3)
    flare = 0.09 * np.clip(y - HEAD_CENTRE, 0, 1) + wave * smoothstep(HEAD_CENTRE, HEAD_CENTRE + 0.25, y)
    outer = width * 1.045 + scalp.person.hair_volume * 0.8 + flare
    end = LENGTH[scalp.person.hair] + wave + 0.025 * scalp.wisps
    hanging = power(across / outer, 5) + power(np.maximum(y - HEAD_CENTRE, 0) / (end - HEAD_CENTRE), 5)
    body = coverage(np.where(y < HEAD_CENTRE, scalp.skull, power(hanging, 0.2) - 1) * 0.7, pixel)
    beside = np.where(y > 0.3, across + 0.12 * (y - 0.3), across + 1)
    front = body * coverage(scalp.window * 0.25, pixel * 1.5) * smoothstep(width * 0.80, width * 0.86, beside)
    return front, body * (y > -0.2)


def _curls(scalp: _Scalp) -> tuple[Plane, Plane]:
    """Return a round mass with a bumpy outline."""
    seen, texture, volume = scalp.view, scalp.person.texture + 2, scalp.person.hair_volume
    bumps = 0.055 * value_noise(texture, seen.x * 7, seen.y * 7)
    bumps += 0.03 * value_noise(texture, seen.x * 15, seen.y * 15)
    across = seen.x * (1 / (scalp.width * 1.14 + volume * 1.3))
    up = (seen.y + 0.18) * (1 / (0.93 + volume))
    mass = (
        np.sqrt(across * across + up * up) + np.clip(bumps, -0.08, 0.08) * smoothstep(0.25, -0.15, seen.y) - 1
    )
    front = coverage(mass * 0.7, seen.pixel)
    front *= coverage(scalp.window * 0.25 - bumps * 0.5, seen.pixel * 1.5)
    front *= smoothstep(0.34, 0.18, seen.y + bumps * 0.6)
    return front, front


def _tied(scalp: _Scalp) -> tuple[Plane, Plane]:
    """Pulled back."""
    y, pixel = scalp.view.y, scalp.view.pixel
    front = coverage(scalp.skull * 0.7, pixel) * coverage(scalp.window * 0.25, pixel * 1.5)
    front *= smoothstep(0.05, -0.10, y)
    return front, np.zeros_like(front)


_STYLES = {
    "bald": _shaven,
    "short": _cropped,
    "parted": _cropped,
    "long": _loose,
    "bob": _loose,
    "curly": _curls,
    "tied": _tied,
}
