"""How the texture of registered faces changes with an expression: local ridge regression in the frame."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from fesbench.core.contracts import Sample
from fesbench.core.errors import LandmarkError
from fesbench.datasets.images import resize
from fesbench.datasets.registration import landmarks_of
from fesbench.datasets.registration.frame import Points
from fesbench.generators.registration import Registration, pictured, stacked
from fesbench.generators.synthesis import image_to_input

from .calibration import folds_of, strength_of
from .paired import BATCH_BYTES, jointly_solvable
from .regression import LocalRidge

KEPT_BYTES = 512 * 2**20
"""Most bytes of registered images that stay in memory for the second use."""

Rows = Sequence[Sequence[Sample]]
"""Each a source and its targets, one for each of K expressions."""

Blocks = Iterable[tuple[Rows, Tensor]]
"""Rows and their images in the frame: (n, 1 + K, 3, R, R) float32 in [0, 1]."""


class Face(NamedTuple):
    """A training image and its landmarks, (68, 2) float64."""

    sample: Sample
    landmarks: Points


class RegisteredEdit(NamedTuple):
    """A pair in the frame, and what a regression makes of its source.

    Attributes:
        pair: Source and target.
        source: (3, R, R) float32 in [0, 1]; so are ``truth`` and, but for its range, ``predicted``.
        truth: The target, by its own landmarks.
        predicted: The source with the predicted change of texture, everywhere in the frame.
    """

    pair: tuple[Sample, Sample]
    source: Tensor
    truth: Tensor
    predicted: Tensor


class _Part(NamedTuple):
    """The rows of a fold with their images, and the regression on them alone."""

    blocks: Blocks
    fit: LocalRidge


class FittedGroup(NamedTuple):
    """Expressions that exist for the same sources, the folds of these, and the regression on all of them.

    ``strengths`` are those of the predicted changes of each expression.
    """

    names: Sequence[str]
    parts: Sequence[_Part]
    ridge: LocalRidge
    strengths: Sequence[float]


@dataclass(frozen=True)
class TextureFit:
    """The fit of the change of texture of all expressions.

    Attributes:
        ridge: An unfitted regression, whose settings are used.
        faces: Training faces by the ids of their samples.
        registration: To the frame.
        calibrate: Give changes their ``strength`` on people held out.
    """

    ridge: LocalRidge
    faces: Mapping[str, Face]
    registration: Registration
    calibrate: bool

    def groups(
        self, pairs: Sequence[tuple[Sample, Sample]], expressions: Sequence[str]
    ) -> Iterator[FittedGroup]:
        """Yield the fits of expressions that exist for the same sources."""
        folds = folds_of(source.subject for source, _ in pairs)
        for names, rows in jointly_solvable(pairs, expressions):
            parts = [_Part(blocks, self._fitted(blocks)) for blocks in self._read(_parts(rows, folds))]
            first, *rest = (part.fit for part in parts)
            ridge = first.joined(rest) if rest else first
            calibrated = self.calibrate and len(parts) > 1
            strengths = self._strengths(parts, ridge) if calibrated else [1.0] * len(names)
            yield FittedGroup(names, parts, ridge, strengths)

    def _strengths(self, parts: Sequence[_Part], ridge: LocalRidge) -> list[float]:
        """The strength of each expression, by predictions of people who are held out."""
        projections = [
            self._projections(others, block)
            for others, blocks in _held_out(parts, ridge)
            for _, block in blocks
        ]
        products, squares = torch.cat(projections, dim=1).cpu().numpy()
        return [strength_of(*columns) for columns in zip(products.T, squares.T, strict=True)]

    def _read(self, parts: Sequence[Rows]) -> list[Blocks]:
        """Return the rows of each part with their images; if they are few, in memory."""
        images = sum(len(part) * len(part[0]) for part in parts)
        if images * 4 * 3 * self.registration.size**2 <= KEPT_BYTES:
            return [list(self._blocks(part)) for part in parts]
        return [_Repeatable(partial(self._blocks, part)) for part in parts]

    def _fitted(self, blocks: Blocks) -> LocalRidge:
        ridge = copy.copy(self.ridge)
        for _, block in blocks:
            ridge.partial_fit(block[:, 0], block[:, 1:])
        return ridge

    def _projections(self, ridge: LocalRidge, block: Tensor) -> Tensor:
        """Products of true and predicted changes, and squares of these, in the mask: (2, n, K) float64."""
        true, predicted = (
            ((images - block[:, :1]) * self.registration.mask).double()
            for images in (block[:, 1:], ridge.predict(block[:, 0]))
        )
        return torch.stack([(change * predicted).sum(dim=(2, 3, 4)) for change in (true, predicted)])

    def _blocks(self, rows: Rows) -> Iterator[tuple[Rows, Tensor]]:
        """The rows, batch by batch, with their images in the frame: (n, 1 + K, 3, R, R) float32 in [0, 1]."""
        batch = max(1, BATCH_BYTES // (8 * 3 * self.registration.size**2 * len(rows[0])))
        for start in range(0, len(rows), batch):
            chosen = rows[start : start + batch]
            images = self._registered([self.faces[sample.id] for row in chosen for sample in row])
            yield chosen, images.reshape(len(chosen), -1, *images.shape[1:])

    def _registered(self, faces: Sequence[Face]) -> Tensor:
        size, device = self.registration.size, self.registration.mask.device
        images = torch.stack([image_to_input(resize(face.sample.load(), size)) for face in faces])
        meshes = stacked([pictured(self.registration.frame, face.landmarks) for face in faces], device)
        return unit_range(self.registration.to_frame(images.to(device), meshes))


def weights_of(groups: Iterable[FittedGroup], expressions: Sequence[str]) -> Tensor:
    """Return the weights of the change of each expression: (K, features, 3, R, R) float32."""
    found: dict[str, Tensor] = {}
    for group in groups:
        coef = group.ridge.coef_.movedim(-1, 1)
        found |= {name: w * s for name, w, s in zip(group.names, coef, group.strengths, strict=True)}
    return torch.stack([found[name] for name in expressions]).contiguous()


def held_out_edits(groups: Iterable[FittedGroup]) -> Iterator[RegisteredEdit]:
    """Yield every pair in the frame, with what fits without its person make of the source.

    Changes have the strength that they have in ``weights_of``. Where nobody can be held out, the fit is that
    of all people.
    """
    for group in groups:
        strengths = torch.tensor(group.strengths)[:, None, None, None]
        for ridge, blocks in _held_out(group.parts, group.ridge):
            for rows, block in blocks:
                change = (ridge.predict(block[:, 0]) - block[:, :1]) * strengths.to(block)
                for row, images, changes in zip(rows, block, change, strict=True):
                    yield from (
                        RegisteredEdit((row[0], target), images[0], truth, images[0] + made)
                        for target, truth, made in zip(row[1:], images[1:], changes, strict=True)
                    )


def _held_out(parts: Sequence[_Part], ridge: LocalRidge) -> Iterator[tuple[LocalRidge, Blocks]]:
    """Yield the images of each fold after the regression on the others; on all if there is one fold."""
    for part in parts:
        yield ridge.without(part.fit) if len(parts) > 1 else ridge, part.blocks


@dataclass(frozen=True)
class _Repeatable:
    """Rows and images that are made again by each loop over them."""

    make: Callable[[], Iterator[tuple[Rows, Tensor]]]

    def __iter__(self) -> Iterator[tuple[Rows, Tensor]]:
        return self.make()


def located(samples: Sequence[Sample]) -> dict[str, Face]:
    """Return the distinct samples by id, with landmarks; without those whose landmarks are not known."""
    faces = {}
    for sample in {sample.id: sample for sample in samples}.values():
        with suppress(LandmarkError):
            faces[sample.id] = Face(sample, landmarks_of(sample).astype(np.float64))
    return faces


def unit_range(images: Tensor) -> Tensor:
    """Return images in [-1, 1] as images in [0, 1], the range of the regression."""
    return (images + 1) / 2


def _parts(rows: Rows, folds: Mapping[str, int]) -> list[Rows]:
    """The rows of each fold."""
    parts: dict[int, list[Sequence[Sample]]] = {}
    for row in rows:
        parts.setdefault(folds[row[0].subject], []).append(row)
    return list(parts.values())
