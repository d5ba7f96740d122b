"""Facial action units (AUs): what each basic expression moves, in whom, and how strongly.

The prototypes follow EMFACS (Ekman & Friesen 1983) and the frequencies with which people show each unit
in posed basic expressions (Du, Tao & Martinez 2014, PNAS 111(15), table 1): core units are shown by nearly
everyone, optional ones by a share of people (that table's where it gives one, our choice elsewhere).

The seventeen units and their order are those of OpenFace 2.0 (Baltrusaitis et al. 2018), which GANimation
conditions on; intensities are scaled to 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fesbench.core.errors import UnknownName

EXPRESSIONS = ("neutral", "angry", "disgusted", "fearful", "happy", "sad", "surprised")
"""The basic expressions, neutral first."""

AU_NUMBERS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
"""FACS numbers of the units, in OpenFace's order."""

LOW_INTENSITY, HIGH_INTENSITY = 0.6, 1.0
"""People differ in how strongly they pose: the range of a subject's intensity of one expression."""

PERSONAL_SPREAD = 0.12


class Prototype(NamedTuple):
    """An expression: core units to intensity, and optional units to (share of people, intensity)."""

    core: dict[int, float]
    optional: dict[int, tuple[float, float]]


PROTOTYPES = {
    "neutral": Prototype({}, {}),
    "angry": Prototype(
        {4: 1.0, 7: 0.8, 23: 0.85}, {5: (0.4, 0.45), 17: (0.52, 0.5), 10: (0.26, 0.3), 9: (0.15, 0.2)}
    ),
    "disgusted": Prototype(
        {9: 1.0, 10: 0.9, 17: 0.5},
        {4: (0.6, 0.45), 15: (0.3, 0.3), 25: (0.35, 0.35), 6: (0.2, 0.3), 7: (0.4, 0.4)},
    ),
    "fearful": Prototype(
        {1: 0.9, 4: 0.6, 5: 0.9, 20: 0.95, 25: 0.75}, {2: (0.57, 0.45), 26: (0.5, 0.3), 7: (0.3, 0.2)}
    ),
    "happy": Prototype({6: 0.8, 12: 0.95, 25: 0.8}, {7: (0.3, 0.3), 26: (0.25, 0.25), 14: (0.3, 0.5)}),
    "sad": Prototype({1: 0.95, 4: 0.55, 15: 0.95}, {17: (0.67, 0.6), 7: (0.4, 0.3), 6: (0.2, 0.2)}),
    "surprised": Prototype({1: 0.9, 2: 0.95, 5: 0.9, 25: 0.6, 26: 0.85}, {}),
}


@dataclass(frozen=True)
class ActionUnits:
    """Seventeen intensities in 0..1 in the order of ``AU_NUMBERS``; ``asymmetry`` tilts the mouth."""

    values: tuple[float, ...]
    asymmetry: float = 0.0

    def __getitem__(self, number: int) -> float:
        """Intensity of one unit, by its FACS number."""
        return self.values[AU_NUMBERS.index(number)]

    def vector(self) -> NDArray[np.float32]:
        """(17,) float32 in 0..1."""
        return np.array(self.values, np.float32)


def intensity_of(subject_seed: int, expression: str) -> float:
    """Return how strongly a subject poses an expression: uniform in 0.6..1, fixed for the pair."""
    low, high = LOW_INTENSITY, HIGH_INTENSITY
    return float(_generator(subject_seed, expression, 78).uniform(low, high))


def action_units_of(subject_seed: int, expression: str, intensity: float | None = None) -> ActionUnits:
    """One subject's way of showing an expression.

    Args:
        subject_seed: The subject; the same seed always moves the same units.
        expression: One of ``EXPRESSIONS``.
        intensity: Scales all units, 0 (neutral) to 1; None draws the subject's own (``intensity_of``).

    Raises:
        UnknownName: there is no such expression.
    """
    if expression not in PROTOTYPES:
        raise UnknownName("expression", expression, PROTOTYPES)
    strength = intensity_of(subject_seed, expression) if intensity is None else intensity
    generator = _generator(subject_seed, expression, 77)
    units = _personal_units(generator, PROTOTYPES[expression])
    asymmetry = 0.06 * float(generator.standard_normal()) * strength if units else 0.0
    values = [min(max(units.get(number, 0.0) * strength, 0.0), 1.0) for number in AU_NUMBERS]
    return ActionUnits(tuple(values), asymmetry)


def _personal_units(generator: np.random.Generator, prototype: Prototype) -> dict[int, float]:
    def vary(value: float) -> float:
        return value * (1 + PERSONAL_SPREAD * float(generator.standard_normal()))

    units = {number: vary(value) for number, value in prototype.core.items()}
    for number, (share, value) in prototype.optional.items():
        shown, strength = generator.random() < share, vary(value)
        if shown:
            units[number] = strength
    return units


def _generator(subject_seed: int, expression: str, stream: int) -> np.random.Generator:
    return np.random.default_rng([subject_seed, stream, EXPRESSIONS.index(expression)])
