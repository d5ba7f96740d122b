"""An identity's features as its action units and the domain's exaggeration leave them: plain numbers.

Everything here is in face units (see ``identity``). The functions of ``x`` give curves of the mouth and the
eyes; the drawing modules fill them and ``face`` reads the landmarks off them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .action_units import ActionUnits
from .identity import Identity
from .raster import Plane, bell, mix, power, smoothstep

HEAD_CENTRE = -0.05
CROWN = -1.0


@dataclass(frozen=True)
class HeadShape:
    """Outline of the head; ``jaw_drop`` is the opening of the jaw, 0..1."""

    width: float
    chin: float
    squareness: float
    taper: float
    cheek: float
    jaw_drop: float


@dataclass(frozen=True)
class EyeShape:
    """One eye (the other mirrors it): centre, half width, lids and what the units did to them."""

    x: float
    y: float
    half_width: float
    tilt: float
    upper: float
    lower: float
    cheek_raise: float
    inner_lift: float
    iris_radius: float
    pupil_radius: float
    iris_shift: float

    @property
    def iris_x(self) -> float:
        """Distance of the pupil from the mid-line."""
        return self.x + self.iris_shift


@dataclass(frozen=True)
class BrowShape:
    """One brow: where its middle line runs and how thick it is."""

    x: float
    y: float
    length: float
    thickness: float
    arch: float
    tilt: float
    inner_raise: float
    outer_raise: float
    lower: float
    inner_lower: float


@dataclass(frozen=True)
class NoseShape:
    """The nose; ``lift`` is what a sneer pulls it up by."""

    y: float
    width: float
    bridge: float
    height: float
    tip: float
    hump: float
    lift: float


@dataclass(frozen=True)
class MouthShape:
    """The mouth: corners, lip heights and the opening between the lips, split at the resting line."""

    y: float
    half_width: float
    corner: float
    asymmetry: float
    sag: float
    rise: float
    gap_upper: float
    gap_lower: float
    upper_lip: float
    lower_lip: float
    lower_push: float
    cupid: float
    roundness: float

    @property
    def gap(self) -> float:
        """Height of the opening in the middle."""
        return self.gap_upper + self.gap_lower


@dataclass(frozen=True)
class FaceShape:
    """All of it, beside the identity and units it came from; ``cartoon`` is 1 for avatars, else 0."""

    identity: Identity
    units: ActionUnits
    cartoon: float
    head: HeadShape
    eyes: EyeShape
    brows: BrowShape
    nose: NoseShape
    mouth: MouthShape


def face_shape(person: Identity, units: ActionUnits, cartoon: float) -> FaceShape:
    """Resolve every feature."""
    head = _head(person, units, cartoon)
    eyes = eye_shape(person, units, cartoon)
    nose = _nose(person, units, cartoon)
    return FaceShape(
        identity=person,
        units=units,
        cartoon=cartoon,
        head=head,
        eyes=eyes,
        brows=_brows(person, units, cartoon, eyes),
        nose=nose,
        mouth=_mouth(person, units, cartoon, nose, head),
    )


def _head(person: Identity, units: ActionUnits, cartoon: float) -> HeadShape:
    jaw_drop = units[26]
    chin = person.chin + 0.115 * jaw_drop - 0.02 * units[17]
    return HeadShape(
        width=person.face_width * (1 + 0.04 * cartoon),
        chin=mix(chin, 0.88 + (chin - 0.92) * 0.8, cartoon),
        squareness=person.jaw_square,
        taper=person.jaw_taper + 0.08 * cartoon,
        cheek=person.cheek,
        jaw_drop=jaw_drop,
    )


def eye_shape(person: Identity, units: ActionUnits, cartoon: float) -> EyeShape:
    """Return the eyes; their centre depends on the person alone, so a crop aligned on it stays registered."""
    opening, enlarge = person.eye_opening * (1 + 0.42 * cartoon), 1 + 0.42 * cartoon
    half_width = person.eye_width * (1 + 0.28 * cartoon)
    upper = 1 + 0.62 * units[5] - 0.36 * units[7] - (0.16 + 0.14 * units[12]) * units[6] - 0.30 * units[9]
    lower = 1 + 0.22 * units[5] - 0.62 * units[7] - 0.75 * units[6] - 0.50 * units[9]
    lifted, knit = units[1], units[4]
    return EyeShape(
        x=person.eye_x * (1 + 0.06 * cartoon),
        y=person.eye_y + 0.03 * cartoon,
        half_width=half_width,
        tilt=person.eye_tilt,
        upper=opening * max(upper, 0.12) * (1 - units[45]),
        lower=0.040 * enlarge * max(lower, -0.30) * (1 - units[45]),
        cheek_raise=0.012 * units[6],
        inner_lift=0.020 * lifted * (knit + 0.2) - 0.010 * knit * (1 - lifted),
        iris_radius=0.069 * (1 + 0.26 * cartoon),
        pupil_radius=0.069 * (1 + 0.26 * cartoon) * (0.40 + 0.10 * units[5]),
        iris_shift=-0.04 * half_width,
    )


def _brows(person: Identity, units: ActionUnits, cartoon: float, eyes: EyeShape) -> BrowShape:
    return BrowShape(
        x=eyes.x + 0.015 - 0.030 * units[4],
        y=eyes.y - person.brow_gap - 0.05 * cartoon,
        length=person.brow_length * (1 + 0.06 * cartoon),
        thickness=person.brow_thickness * (1 + 0.35 * cartoon),
        arch=person.brow_arch,
        tilt=person.brow_tilt,
        inner_raise=0.105 * units[1],
        outer_raise=0.105 * units[2],
        lower=0.085 * units[4] * (1 - 0.65 * units[1]),
        inner_lower=0.030 * units[9],
    )


def _nose(person: Identity, units: ActionUnits, cartoon: float) -> NoseShape:
    flare = 1 + 0.10 * units[9] + 0.07 * units[10] + 0.06 * units[12]
    return NoseShape(
        y=person.nose - 0.03 * cartoon,
        width=person.nose_width * flare * (1 - 0.28 * cartoon),
        bridge=person.bridge_width,
        height=person.nose_height,
        tip=person.nose_tip,
        hump=person.nose_hump,
        lift=0.035 * units[9] + 0.018 * units[10],
    )


def _mouth(
    person: Identity, units: ActionUnits, cartoon: float, nose: NoseShape, head: HeadShape
) -> MouthShape:
    a, jaw = units, head.jaw_drop
    level = mix(nose.y, person.chin - 0.02 * cartoon, person.mouth_level)
    stretch = 0.30 * a[12] + 0.30 * a[20] + 0.05 * a[14] - 0.16 * a[23] - 0.05 * a[17] - 0.18 * jaw
    gap = a[25] * (0.030 + 0.030 * a[12] + 0.022 * a[20]) + 0.145 * jaw
    gap_upper = min(0.35 * gap, 0.055)
    thin = 1 - 0.50 * a[23] - 0.18 * a[12] - 0.20 * a[20] - 0.15 * jaw
    return MouthShape(
        y=level + 0.015 * a[12] - 0.030 * a[17] - 0.012 * a[10] - 0.01 * a[9],
        half_width=person.mouth_width * (1 + stretch + 0.03 * a[15]) * (1 + 0.02 * cartoon),
        corner=-0.105 * a[12] - 0.015 * a[14] + 0.105 * a[15] + 0.045 * a[20] + 0.02 * a[10],
        asymmetry=units.asymmetry,
        sag=0.02 * a[15],
        rise=0.016 * a[25] + 0.020 * a[25] * a[12] + 0.050 * a[10] + 0.016 * a[9] + 0.010 * jaw,
        gap_upper=gap_upper,
        gap_lower=gap - gap_upper,
        upper_lip=person.upper_lip * thin * (1 - 0.15 * a[10]),
        lower_lip=person.lower_lip * thin * (1 - 0.10 * a[17]),
        lower_push=0.012 * a[17],
        cupid=person.cupid,
        roundness=min(jaw / 0.3, 1.0),
    )


@dataclass(frozen=True)
class LipCurves:
    """Heights of the mouth's four curves and its resting line at some x; ``t`` is |x| in half widths."""

    t: Plane
    rest: Plane
    upper_outer: Plane
    upper_inner: Plane
    lower_inner: Plane
    lower_outer: Plane


def lip_curves(mouth: MouthShape, x: Plane) -> LipCurves:
    """Return the mouth at positions ``x``."""
    t = np.abs(x) * (1 / mouth.half_width)
    dome = np.maximum(1 - t * t, 0)
    full = power(dome, 0.75)
    opening = dome + (np.sqrt(dome) - dome) * mouth.roundness
    corner = mouth.corner * power(np.minimum(t, 1.15), 1.7) * (1 + mouth.asymmetry * np.sign(x))
    rest = mouth.y + corner - mouth.sag * dome
    canine = np.clip(1 - np.abs(t - 0.42), 0, 1) * dome
    rise = mouth.rise * (0.35 * dome + 0.65 * canine)
    upper_inner = rest - mouth.gap_upper * dome - rise * 0.75
    lower_inner = rest + mouth.gap_lower * opening
    bow = 1 - mouth.cupid * bell(t, 0.16) + 0.10 * bell(t - 0.25, 0.16)
    return LipCurves(
        t=t,
        rest=rest,
        upper_outer=upper_inner - mouth.upper_lip * full * bow - rise * 0.25,
        upper_inner=upper_inner,
        lower_inner=lower_inner,
        lower_outer=lower_inner + mouth.lower_lip * full - mouth.lower_push * dome,
    )


def eye_local(eyes: EyeShape, across: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Coordinates along (half widths, outwards) and below an eye's axis."""
    cosine, sine = float(np.cos(eyes.tilt)), float(np.sin(eyes.tilt))
    dx, dy = across - eyes.x, y - eyes.y
    return (dx * cosine - dy * sine) * (1 / eyes.half_width), dx * sine + dy * cosine


def eye_lids(eyes: EyeShape, along: Plane) -> tuple[Plane, Plane]:
    """Heights of the upper and the lower lid along an eye's axis, y downwards."""
    arc = np.maximum(1 - power(np.abs(along), 2.3), -0.5)
    bow = np.maximum(1 - along * along, -0.5)
    upper = -eyes.upper * arc * (1 - 0.12 * along) + eyes.inner_lift * along * np.maximum(arc, 0)
    lower = eyes.lower * bow * (1 + 0.15 * along) - eyes.cheek_raise * np.maximum(bow, 0)
    return upper, lower


def brow_line(brows: BrowShape, along: Plane) -> Plane:
    """Height of a brow's middle line; ``along`` runs from -1 (inner end) to 1."""
    inner, outer = smoothstep(0.5, -0.9, along), smoothstep(-0.5, 0.7, along)
    line = brows.y + 0.02 + brows.tilt * along - brows.arch * (1 - (along - 0.25) ** 2)
    raised = brows.inner_raise * inner + brows.outer_raise * (0.6 * outer + 0.4)
    height: Plane = line - raised + brows.lower * (0.75 * inner + 0.25) + brows.inner_lower * inner
    return height
