"""Fit the embedded estimator of facial movement by ridge regression on pairs of rendered faces."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fesbench.datasets.rendered import (
    DOMAINS,
    EXPRESSIONS,
    RENDERER_VERSION,
    Shot,
    landmarks_of,
    render_shot,
    subject_seed,
)

from ...core.contracts import NEUTRAL, Annotation
from ...metrics.networks import embedded
from ...metrics.networks.movement import (
    GRADIENTS,
    POINTS,
    SIDE,
    UNITS,
    Movement,
    movement,
    point_errors,
    unit_errors,
)
from ..progress import Note
from .augmentation import blur

RENDERED_AT = 128
"""Pixels."""
FIT, HELD_OUT = range(60), range(984, 1004)
"""Subjects of each domain in the judge split."""
WEAK = 0.15
"""Half of the expressions have an intensity drawn from [WEAK, 1], the others that of their subject."""
SHARPNESS, GRAIN = (0.2, 0.9), 0.024
"""Each image is used twice, the second time blurred (sigma in pixels) and noisy (standard deviation)."""
RIDGE = 3.0
"""The penalty of the regression."""
BATCH = 64


class Pairs(NamedTuple):
    """Neutral and expressive images of the same scenes.

    Attributes:
        neutral: (N, 3, SIDE, SIDE) float32 in [0, 1].
        shown: The same scenes with an expression.
        moved: (N, 17 + 2 x 26): changes of action units, and of landmarks in distances between the eyes.
        domain: (N,) positions in ``DOMAINS``.
    """

    neutral: Tensor
    shown: Tensor
    moved: NDArray[np.float64]
    domain: NDArray[np.int64]


def fit(out: Path, seed: int, report: Note, pool: Executor) -> dict[str, Any]:
    """Render, fit, measure on held-out subjects, write ``movement.safetensors`` and its card.

    The same seed gives the same file on the same kind of machine with the same versions.

    Args:
        out: The folder of the files.
        seed: Of the faces.
        report: Receives lines of progress.
        pool: Renders the faces.

    Returns:
        The card.
    """
    started = time.monotonic()
    pairs, held_out = (_pairs(subjects, seed, report, pool) for subjects in (FIT, HELD_OUT))
    module = Movement()
    with torch.no_grad():
        module.head.weight.copy_(torch.from_numpy(_solve(module, pairs, seed)))
    described = _described(seed)
    embedded.save("movement", module, described | {"reached": {}}, out)
    module.head.weight.data = module.head.weight.half().float()
    reached = _reached(module, held_out)
    described |= {"reached": reached, "seconds": round(time.monotonic() - started)}
    embedded.save("movement", module, described, out)
    return described


def _pairs(subjects: Sequence[int], seed: int, report: Note, pool: Executor) -> Pairs:
    """Render the subjects of every domain in every expression."""
    people = [(domain, index) for domain in range(len(DOMAINS)) for index in subjects]
    rendered = []
    for count, rows in enumerate(pool.map(partial(_person, seed=seed), people, chunksize=4)):
        rendered.append(rows)
        if (count + 1) % 50 == 0:
            report(f"rendering: {count + 1} of {len(people)} people")
    neutral, shown, moved = (np.concatenate([rows[part] for rows in rendered]) for part in range(3))
    domain = np.repeat([number for number, _ in people], len(EXPRESSIONS) - 1)
    before, after = (embedded.area(torch.from_numpy(images), SIDE) for images in (neutral, shown))
    return Pairs(before, after, moved, domain)


def _person(
    numbers: tuple[int, int], seed: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.float64]]:
    """Render a subject, given by the numbers of domain and subject.

    Returns:
        (6, 3, H, W) copies of the neutral face, (6, 3, H, W) the other expressions, (6, d) what moved.
    """
    domain, index = numbers
    person = subject_seed("judge", DOMAINS[domain], index, seed)
    random = np.random.default_rng([seed, person, 31])
    rest = Shot(person, NEUTRAL, DOMAINS[domain], person, RENDERED_AT)
    others = [name for name in EXPRESSIONS if name != NEUTRAL]
    shots = [replace(rest, expression=name, intensity=_intensity(random)) for name in others]
    shown = np.stack([_picture(shot) for shot in shots])
    neutral = np.repeat(_picture(rest)[None], len(shots), axis=0)
    before = _annotated(rest)
    return neutral, shown, np.stack([movement(before, _annotated(shot)) for shot in shots])


def _intensity(random: np.random.Generator) -> float | None:
    strength = float(random.uniform(WEAK, 1))
    return strength if random.random() < 0.5 else None


def _picture(shot: Shot) -> NDArray[np.uint8]:
    return np.ascontiguousarray(render_shot(shot).image.transpose(2, 0, 1))


def _annotated(shot: Shot) -> Annotation:
    return Annotation(landmarks_of(shot), shot.units().vector())


def _solve(module: Movement, pairs: Pairs, seed: int) -> NDArray[np.float32]:
    """Return the (17 + 2 x 26, 2048) ridge solution for the images as they are and degraded."""
    base = _gradients(module, pairs.neutral)
    versions = (pairs.shown, _degraded(pairs.shown, seed))
    gram, right = np.zeros((GRADIENTS, GRADIENTS)), np.zeros((GRADIENTS, UNITS + 2 * POINTS))
    for shown in versions:
        change = _gradients(module, shown) - base
        gram += change.T @ change
        right += change.T @ pairs.moved
    solution = np.linalg.solve(gram + RIDGE * np.eye(GRADIENTS), right)
    return np.ascontiguousarray(solution.T, np.float32)


@torch.inference_mode()
def _gradients(module: Movement, images: Tensor) -> NDArray[np.float64]:
    parts = [module.gradients(part) for part in torch.split(images, BATCH)]
    gradients: NDArray[np.float64] = torch.cat(parts).double().numpy()
    return gradients


def _degraded(images: Tensor, seed: int) -> Tensor:
    """Blur each image and add noise, with another strength for each."""
    random = torch.Generator().manual_seed(seed)
    low, high = SHARPNESS
    sigmas = low + (high - low) * torch.rand(len(images), generator=random)
    blurred = torch.stack([blur(one, float(s)) for one, s in zip(images, sigmas, strict=True)])
    strength = GRAIN * torch.rand(len(images), 1, 1, 1, generator=random)
    return (blurred + strength * torch.randn(images.shape, generator=random)).clamp(0, 1)


def _reached(module: Movement, pairs: Pairs) -> dict[str, dict[str, float]]:
    """Return errors on held-out subjects by domain, and those of predicting no movement, to compare."""
    weights = module.head.weight.detach().double().numpy()
    change = _gradients(module, pairs.shown) - _gradients(module, pairs.neutral)
    predicted = {"estimated": change @ weights.T, "nothing moved": np.zeros_like(pairs.moved)}
    return {
        f"{name}, {what}": {
            domain: round(float(error(moved - pairs.moved)[pairs.domain == number].mean()), 4)
            for number, domain in enumerate(DOMAINS)
        }
        for what, moved in predicted.items()
        for name, error in ERRORS.items()
    }


ERRORS: Mapping[str, Callable[[NDArray[np.float64]], NDArray[np.float64]]] = {
    "landmarks": point_errors,
    "action units": unit_errors,
}


def _described(seed: int) -> dict[str, Any]:
    """Return how the estimator was made, for its card."""
    return {
        "parameters": GRADIENTS * (UNITS + 2 * POINTS),
        "dimension": UNITS + 2 * POINTS,
        "labels": (),
        "seed": seed,
        "data": {
            "renderer_version": RENDERER_VERSION,
            "split": "judge",
            "domains": DOMAINS,
            "subjects_per_domain": [FIT.start, FIT.stop],
            "held_out_subjects_per_domain": [HELD_OUT.start, HELD_OUT.stop],
        },
    }
