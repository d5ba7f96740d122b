"""Misaligned photos: images shifted, scaled or rotated by a known amount.

Face detectors err by a few pixels, a few per cent and a few degrees; ``bench robustness`` measures what such
errors cost a model.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import numpy as np
from PIL import Image as Pillow

from fesbench.core.contracts import Edit, Image, Landmarks, Mask, Sample

from .images import image_to_mask, mask_to_image, resize

Kind = Literal["shift", "scale", "turn"]

UNCHANGED: dict[Kind, float] = {"shift": 0.0, "scale": 1.0, "turn": 0.0}
"""The amount of each kind that leaves an image as it is."""
DIRECTIONS = 8
"""Number of directions of shifts. Each subject has one, the same at every distance."""


@dataclass(frozen=True)
class Perturbation:
    """A misalignment: a shift in pixels of the run's resolution, a factor, or degrees clockwise."""

    kind: Kind
    amount: float

    @property
    def label(self) -> str:
        """The amount with its unit, as a heading."""
        if self.amount == UNCHANGED[self.kind]:
            return "aligned"
        labels = {
            "shift": f"{self.amount:g} px",
            "scale": f"{self.amount:g}",
            "turn": f"{self.amount:+g}°".replace("-", "−"),
        }
        return labels[self.kind]

    @property
    def slug(self) -> str:
        """The prefix of the ids of perturbed samples and edits; a dash follows it."""
        return f"{self.kind}{self.amount:g}".replace("-", "m")


ALIGNED = Perturbation("shift", 0.0)
PERTURBATIONS = (
    ALIGNED,
    *(Perturbation("shift", pixels) for pixels in (1.0, 2.0, 4.0, 8.0)),
    *(Perturbation("scale", factor) for factor in (0.9, 0.95, 1.05, 1.1)),
    *(Perturbation("turn", degrees) for degrees in (-10.0, -5.0, -2.0, 2.0, 5.0, 10.0)),
)
"""The perturbations of ``bench robustness``; the aligned image is the zero of every kind."""


_BY_SLUG = {perturbation.slug: perturbation for perturbation in PERTURBATIONS}


def perturbation_of(edit: str) -> Perturbation:
    """Return the perturbation that the id of a perturbed edit names."""
    return _BY_SLUG[edit.partition("-")[0]]


@dataclass(frozen=True)
class Transform:
    """A similarity about the centre of a square image.

    Attributes:
        right: Shift to the right, as a share of the side.
        down: Shift downwards, as a share of the side.
        factor: Magnification.
        degrees: Rotation, clockwise.
    """

    right: float = 0.0
    down: float = 0.0
    factor: float = 1.0
    degrees: float = 0.0


def transform_of(perturbation: Perturbation, subject: str, resolution: int) -> Transform:
    """Return what a perturbation does to the images of a subject in a run at ``resolution`` pixels."""
    if perturbation.kind == "scale":
        return Transform(factor=perturbation.amount)
    if perturbation.kind == "turn":
        return Transform(degrees=perturbation.amount)
    drawn = hashlib.sha256(subject.encode("utf-8", "surrogateescape")).digest()[0] % DIRECTIONS
    angle, share = 2 * math.pi * drawn / DIRECTIONS, perturbation.amount / resolution
    return Transform(share * math.cos(angle), share * math.sin(angle))


def perturbed_edit(edit: Edit, perturbation: Perturbation, resolution: int) -> Edit:
    """Return the edit with source and truth perturbed alike, under an id of its own.

    Images are loaded at ``resolution`` x ``resolution`` pixels. Masks and landmarks are transformed with
    them; annotations are left out.
    """
    transform = transform_of(perturbation, edit.source.subject, resolution)
    change = partial(_perturbed_sample, slug=perturbation.slug, transform=transform, side=resolution)
    return replace(edit, source=change(edit.source), truth=change(edit.truth) if edit.truth else None)


def _perturbed_sample(sample: Sample, slug: str, transform: Transform, side: int) -> Sample:
    mask = partial(load_perturbed_mask, sample.load_mask, transform, side) if sample.load_mask else None
    known = sample.load_landmarks
    return Sample(
        id=f"{slug}-{sample.id}",
        subject=sample.subject,
        expression=sample.expression,
        domain=sample.domain,
        load=partial(load_perturbed, sample.load, transform, side),
        load_mask=mask,
        load_landmarks=partial(load_perturbed_landmarks, known, transform) if known else None,
    )


def load_perturbed(load: Callable[[], Image], transform: Transform, side: int) -> Image:
    """Load an image and transform it: (side, side, 3) uint8."""
    return transformed(resize(load(), side), transform)


def load_perturbed_mask(load: Callable[[], Mask], transform: Transform, side: int) -> Mask:
    """Load a mask and transform it as its image: (side, side) bool."""
    return image_to_mask(load_perturbed(lambda: mask_to_image(load()), transform, side))


def load_perturbed_landmarks(load: Callable[[], Landmarks], transform: Transform) -> Landmarks:
    """Load landmarks and transform them as their image: (68, 2) float32."""
    angle = math.radians(transform.degrees)
    cosine, sine = math.cos(angle) * transform.factor, math.sin(angle) * transform.factor
    centre = np.array([0.5 + transform.right, 0.5 + transform.down])
    turned = (load() - 0.5) @ np.array([[cosine, sine], [-sine, cosine]])
    moved: Landmarks = (turned + centre).astype(np.float32)
    return moved


def transformed(image: Image, transform: Transform) -> Image:
    """Transform a square image by cubic interpolation, at the same size; its edge pixels are repeated."""
    if transform == Transform():
        return image
    side = image.shape[0]
    margin = side // 2
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    angle = math.radians(transform.degrees)
    cosine, sine = math.cos(angle) / transform.factor, math.sin(angle) / transform.factor
    centre = margin + side / 2
    x, y = centre + transform.right * side, centre + transform.down * side
    back = (
        *(cosine, sine, centre - cosine * x - sine * y),
        *(-sine, cosine, centre + sine * x - cosine * y),
    )
    turned = Pillow.fromarray(wide).transform(
        wide.shape[1::-1], Pillow.Transform.AFFINE, back, Pillow.Resampling.BICUBIC
    )
    return np.asarray(turned)[margin : margin + side, margin : margin + side]
