"""Who a subject is: some fifty numbers drawn from a seed.

Lengths are in face units: the head spans about -0.65..0.65 across and -1 (crown) to 0.93 (chin), y downwards,
x = 0 the mid-line, and the eyes sit near (±0.29, -0.05).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

HairStyle = Literal["bald", "short", "parted", "long", "bob", "curly", "tied"]
Beard = Literal["none", "stubble", "moustache", "full"]
Glasses = Literal["none", "round", "square"]


@dataclass(frozen=True)
class Identity:
    """Shape, colours and hair of one subject; shares and strengths are 0..1 unless said otherwise."""

    seed: int
    texture: int
    masculinity: float
    age: float
    # head
    face_width: float
    chin: float
    jaw_square: float
    jaw_taper: float
    cheek: float
    cheekbone: float
    hollow: float
    chin_size: float
    cleft: float
    ear_size: float
    # eyes and brows
    eye_x: float
    eye_y: float
    eye_width: float
    eye_opening: float
    eye_tilt: float
    eye_depth: float
    hood: float
    iris: int
    brow_ridge: float
    brow_gap: float
    brow_thickness: float
    brow_arch: float
    brow_length: float
    brow_tilt: float
    # nose and mouth
    nose: float
    nose_width: float
    bridge_width: float
    nose_height: float
    nose_tip: float
    nose_hump: float
    mouth_width: float
    mouth_level: float
    upper_lip: float
    lower_lip: float
    cupid: float
    tooth_width: float
    # skin and hair
    melanin: float
    redness: float
    lip_redness: float
    freckles: float
    mole: tuple[float, float] | None
    hair: HairStyle
    hair_colour: int
    hairline: float
    hair_volume: float
    parting: float
    beard: Beard
    glasses: Glasses


class _Dice:
    """Draws plain Python numbers."""

    def __init__(self, seed: int) -> None:
        self.generator = np.random.default_rng([seed, 11])

    def uniform(self, low: float, high: float) -> float:
        return float(self.generator.uniform(low, high))

    def normal(self, mean: float, spread: float, low: float, high: float) -> float:
        return float(np.clip(self.generator.normal(mean, spread), low, high))

    def beta(self, a: float, b: float) -> float:
        return float(self.generator.beta(a, b))

    def chance(self, share: float) -> bool:
        return bool(self.generator.random() < share)

    def pick(self, weights: dict[str, float]) -> str:
        shares = np.array(list(weights.values()))
        return list(weights)[int(self.generator.choice(len(shares), p=shares / shares.sum()))]

    def index(self, *weights: float) -> int:
        shares = np.array(weights)
        return int(self.generator.choice(len(shares), p=shares / shares.sum()))


def make_identity(seed: int) -> Identity:
    """Return the subject behind a seed (any non-negative integer)."""
    dice = _Dice(seed)
    masculinity, age = dice.beta(0.7, 0.7), dice.beta(1.3, 2.0)
    eyes = _eyes(dice, masculinity)
    return Identity(
        seed=seed,
        texture=int(dice.generator.integers(1 << 30)),
        masculinity=masculinity,
        age=age,
        **eyes,
        **_head(dice, masculinity, eyes),
        **_nose_and_mouth(dice, masculinity),
        **_skin_and_hair(dice, masculinity, age),
    )


def _head(dice: _Dice, masculinity: float, eyes: dict[str, Any]) -> dict[str, Any]:
    """Width and length go with the distance of the eyes: a crop aligned on them holds the face."""
    return {
        "face_width": eyes["eye_x"] * dice.normal(2.20 + 0.07 * masculinity, 0.11, 1.95, 2.48),
        "chin": eyes["eye_y"] + eyes["eye_x"] * dice.normal(3.24 + 0.10 * masculinity, 0.13, 2.9, 3.5),
        "jaw_square": dice.normal(2.15 + 0.55 * masculinity, 0.3, 1.85, 3.2),
        "jaw_taper": dice.normal(0.20 - 0.09 * masculinity, 0.06, 0.0, 0.34),
        "cheek": dice.uniform(0, 1),
        "cheekbone": dice.uniform(0, 1),
        "hollow": dice.uniform(0, 1),
        "chin_size": dice.uniform(0.3, 1.6),
        "cleft": dice.uniform(0.4, 1) if dice.chance(0.15 + 0.2 * masculinity) else 0.0,
        "ear_size": dice.uniform(0.8, 1.2),
    }


def _eyes(dice: _Dice, masculinity: float) -> dict[str, Any]:
    return {
        "eye_x": dice.normal(0.293, 0.016, 0.255, 0.33),
        "eye_y": dice.normal(-0.05, 0.02, -0.10, 0.0),
        "eye_width": dice.normal(0.147, 0.011, 0.122, 0.172),
        "eye_opening": dice.normal(0.060, 0.008, 0.042, 0.078),
        "eye_tilt": dice.normal(0.03, 0.06, -0.10, 0.17),
        "eye_depth": dice.uniform(0, 1),
        "hood": dice.uniform(0, 1),
        "iris": dice.index(0.4, 0.2, 0.2, 0.1, 0.1),
        "brow_ridge": dice.uniform(0, 1) * (0.4 + 0.6 * masculinity),
        "brow_gap": dice.normal(0.185, 0.018, 0.15, 0.225),
        "brow_thickness": dice.normal(0.030 + 0.018 * masculinity, 0.007, 0.017, 0.064),
        "brow_arch": dice.normal(0.045 - 0.02 * masculinity, 0.014, 0.0, 0.08),
        "brow_length": dice.normal(0.185, 0.014, 0.15, 0.215),
        "brow_tilt": dice.normal(0, 0.018, -0.04, 0.04),
    }


def _nose_and_mouth(dice: _Dice, masculinity: float) -> dict[str, Any]:
    return {
        "nose": dice.normal(0.33, 0.03, 0.26, 0.40),
        "nose_width": dice.normal(0.135 + 0.012 * masculinity, 0.020, 0.095, 0.195),
        "bridge_width": dice.normal(0.055, 0.012, 0.033, 0.090),
        "nose_height": dice.normal(0.20, 0.035, 0.12, 0.29),
        "nose_tip": dice.uniform(0.5, 1.5),
        "nose_hump": dice.normal(0.012, 0.022, -0.03, 0.065),
        "mouth_width": dice.normal(0.232, 0.020, 0.19, 0.285),
        "mouth_level": dice.normal(0.41, 0.025, 0.35, 0.47),
        "upper_lip": dice.normal(0.048 - 0.010 * masculinity, 0.011, 0.022, 0.082),
        "lower_lip": dice.normal(0.070 - 0.010 * masculinity, 0.013, 0.036, 0.108),
        "cupid": dice.uniform(0.1, 0.5),
        "tooth_width": dice.uniform(0.054, 0.070),
    }


def _skin_and_hair(dice: _Dice, masculinity: float, age: float) -> dict[str, Any]:
    melanin = dice.beta(1.0, 1.5)
    return {
        "melanin": melanin,
        "redness": dice.uniform(0.3, 1),
        "lip_redness": dice.uniform(0.2, 1) * (1 - 0.6 * masculinity),
        "freckles": dice.uniform(0.3, 1) if dice.chance(0.2) else 0.0,
        "mole": (dice.uniform(-0.45, 0.45), dice.uniform(0.1, 0.72)) if dice.chance(0.25) else None,
        "hair": _hair_style(dice, masculinity),
        "hair_colour": _hair_colour(dice, melanin, age),
        "hairline": dice.normal(0.60 + 0.04 * masculinity * age, 0.045, 0.50, 0.74),
        "hair_volume": dice.uniform(0.02, 0.12),
        "parting": dice.uniform(-1, 1),
        "beard": dice.pick({"none": 0.55, "stubble": 0.2, "moustache": 0.1, "full": 0.15})
        if masculinity > 0.5
        else "none",
        "glasses": dice.pick({"none": 0.88, "round": 0.07, "square": 0.05}),
    }


def _hair_style(dice: _Dice, masculinity: float) -> str:
    if masculinity > 0.5:
        return dice.pick({"bald": 0.16, "short": 0.40, "parted": 0.34, "curly": 0.10})
    return dice.pick({"long": 0.36, "bob": 0.22, "curly": 0.14, "tied": 0.20, "parted": 0.08})


def _hair_colour(dice: _Dice, melanin: float, age: float) -> int:
    """0 black, 1 and 2 browns, 3 blond, 4 red, 5 grey, 6 white."""
    if melanin > 0.55:
        return (0, 0, 1, 5)[dice.index(1, 1, 1, 1 if age > 0.4 else 0)]
    if age >= 0.62:
        return (0, 1, 5, 6)[dice.index(1, 1, 1, 1)]
    return dice.index(0.30, 0.26, 0.15, 0.14, 0.09, 0.04, 0.02)
