"""Misaligned photos: the same picture shifted, scaled or turned by a known amount.

Face crops are aligned by detectors that err by a few pixels, a few percent and a few degrees; how much of a
model's score that costs is what ``bench robustness`` measures.
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

from fesbench.core.contracts import Edit, Image, Mask, Sample

from .images import image_to_mask, mask_to_image, resize

Kind = Literal["shift", "scale", "turn"]

STILL: dict[Kind, float] = {"shift": 0.0, "scale": 1.0, "turn": 0.0}
"""The amount of each kind that leaves a picture as it is."""
DIRECTIONS = 8
"""A shift goes into one of so many directions, drawn for each subject and the same at every distance."""


@dataclass(frozen=True)
class Move:
    """One misalignment: a shift in pixels of the run's resolution, a factor, or degrees clockwise."""

    kind: Kind
    amount: float

    @property
    def label(self) -> str:
        """The amount with its unit, as a heading."""
        if self.amount == STILL[self.kind]:
            return "aligned"
        written = {
            "shift": f"{self.amount:g} px",
            "scale": f"{self.amount:g}",
            "turn": f"{self.amount:+g}°".replace("-", "−"),
        }
        return written[self.kind]

    @property
    def slug(self) -> str:
        """How the ids of moved samples and edits begin, before a dash."""
        return f"{self.kind}{self.amount:g}".replace("-", "m")


ALIGNED = Move("shift", 0.0)
MOVES = (
    ALIGNED,
    *(Move("shift", pixels) for pixels in (1.0, 2.0, 4.0, 8.0)),
    *(Move("scale", factor) for factor in (0.9, 0.95, 1.05, 1.1)),
    *(Move("turn", degrees) for degrees in (-10.0, -5.0, -2.0, 2.0, 5.0, 10.0)),
)
"""All that is tried; the aligned picture stands for none of each kind."""


_BY_SLUG = {move.slug: move for move in MOVES}


def move_of(edit: str) -> Move:
    """The move behind the id of a moved edit."""
    return _BY_SLUG[edit.partition("-")[0]]


@dataclass(frozen=True)
class Placement:
    """A move of a picture about its centre: shares of the side to the right and down, factor, degrees."""

    right: float = 0.0
    down: float = 0.0
    factor: float = 1.0
    degrees: float = 0.0


def placement(move: Move, subject: str, resolution: int) -> Placement:
    """Where a move puts the pictures of a subject, in a run at ``resolution`` pixels."""
    if move.kind == "scale":
        return Placement(factor=move.amount)
    if move.kind == "turn":
        return Placement(degrees=move.amount)
    drawn = hashlib.sha256(subject.encode("utf-8", "surrogateescape")).digest()[0] % DIRECTIONS
    angle, share = 2 * math.pi * drawn / DIRECTIONS, move.amount / resolution
    return Placement(share * math.cos(angle), share * math.sin(angle))


def moved_edit(edit: Edit, move: Move, resolution: int) -> Edit:
    """The edit with source and truth moved alike, under an id of its own.

    The pictures come at ``resolution`` x ``resolution`` pixels; what is known of their faces beyond a mask is
    left out.
    """
    place = placement(move, edit.source.subject, resolution)
    change = partial(_moved_sample, move=move, place=place, side=resolution)
    return replace(edit, source=change(edit.source), truth=change(edit.truth) if edit.truth else None)


def _moved_sample(sample: Sample, move: Move, place: Placement, side: int) -> Sample:
    mask = partial(load_moved_mask, sample.load_mask, place, side) if sample.load_mask else None
    return Sample(
        id=f"{move.slug}-{sample.id}",
        subject=sample.subject,
        expression=sample.expression,
        domain=sample.domain,
        load=partial(load_moved, sample.load, place, side),
        load_mask=mask,
    )


def load_moved(load: Callable[[], Image], place: Placement, side: int) -> Image:
    """(side, side, 3) uint8 the picture moved; what comes in from outside repeats the edge."""
    return moved(resize(load(), side), place)


def load_moved_mask(load: Callable[[], Mask], place: Placement, side: int) -> Mask:
    """(side, side) bool the region moved with its picture."""
    return image_to_mask(load_moved(lambda: mask_to_image(load()), place, side))


def moved(image: Image, place: Placement) -> Image:
    """A square picture moved by cubic interpolation, at the same size."""
    if place == Placement():
        return image
    side = image.shape[0]
    margin = side // 2
    wide = np.pad(image, ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    angle = math.radians(place.degrees)
    cosine, sine = math.cos(angle) / place.factor, math.sin(angle) / place.factor
    centre = margin + side / 2
    x, y = centre + place.right * side, centre + place.down * side
    back = (
        *(cosine, sine, centre - cosine * x - sine * y),
        *(-sine, cosine, centre + sine * x - cosine * y),
    )
    turned = Pillow.fromarray(wide).transform(
        wide.shape[1::-1], Pillow.Transform.AFFINE, back, Pillow.Resampling.BICUBIC
    )
    return np.asarray(turned)[margin : margin + side, margin : margin + side]
