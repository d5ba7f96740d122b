"""Training images in memory: every image is loaded once, and batches are slices of one tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fesbench.datasets.action_units import means
from fesbench.datasets.images import resize
from fesbench.datasets.registration import landmarks_of
from fesbench.datasets.registration.frame import COUNT
from fesbench.datasets.workers import picklable, worker_pool

from ..core.contracts import NEUTRAL, STUDIO, Dataset, Image, Problem, Sample
from ..core.errors import DatasetError, ImageError, LandmarkError
from ..core.plurals import counted

SMALL = 64
"""Fewer images than this load faster without worker processes."""


class FirstStage(NamedTuple):
    """A stage in closed form that was fitted before the training of a second one.

    Attributes:
        state: Its arrays, by name.
        intermediates: (N, 3, R, R) uint8, what it makes of ``TrainingImages.neutrals``, by fits without these
            people.
    """

    state: Mapping[str, Tensor]
    intermediates: Tensor


class TrainingImages(NamedTuple):
    """A data set in memory.

    Attributes:
        images: (N, 3, R, R) uint8.
        labels: (N,) int64 into ``expressions``.
        subjects: (N,) int64 from 0.
        neutrals: (N,) int64, the row of a neutral image of the same subject; the image's own where unpaired.
        paired: (N,) bool, whether the subject has a neutral image.
        expressions: Names of the labels.
        problems: Samples that could not be read.
        action_units: (N, 17) float32 in 0..1, NaN where an image has none; None where nothing states them.
        shots: Loads ``truths`` at its first call; None where they are ``images``. Rendered faces are
            registered to the pixel; photos of one person with two expressions are not.
        ids: Of the N samples.
        expression_units: The units that ask for each expression where they were measured, (17,) each.
        registered: Where the images are registered faces, the digest of how they are; else empty.
        first_stage: What was fitted to the images beforehand; None where the model has no such stage.
    """

    images: Tensor
    labels: Tensor
    subjects: Tensor
    neutrals: Tensor
    paired: Tensor
    expressions: tuple[str, ...]
    problems: tuple[Problem, ...]
    action_units: Tensor | None = None
    shots: Callable[[], Tensor] | None = None
    ids: tuple[str, ...] = ()
    expression_units: Mapping[str, NDArray[np.float32]] | None = None
    registered: str = ""
    first_stage: FirstStage | None = None

    @property
    def truths(self) -> Tensor:
        """(N, 3, R, R) uint8, the true targets of ``neutrals`` in paired training."""
        return self.images if self.shots is None else self.shots()


def load_images(dataset: Dataset, resolution: int, workers: int = 2) -> TrainingImages:
    """Load every labelled studio image, resized as for inference.

    Raises:
        DatasetError: there is no such image, or fewer than two expressions.
    """
    samples = [sample for sample in dataset.samples() if sample.domain == STUDIO and sample.expression]
    loaded = list(zip(samples, _load_all(samples, resolution, workers), strict=True))
    usable = [(sample, pixels) for sample, pixels in loaded if not isinstance(pixels, str)]
    present = {sample.expression for sample, _ in usable}
    expressions = tuple(name for name in dataset.expressions if name in present)
    if len(expressions) < 2:
        raise DatasetError(
            f"{dataset.name} has {counted(len(usable), f'usable labelled {STUDIO} image')} of "
            f"{counted(len(expressions), 'expression')}; training needs images of two or more"
        )
    names = list(dict.fromkeys(sample.subject for sample, _ in usable))
    neutral = {s.subject: row for row, (s, _) in reversed(list(enumerate(usable))) if s.expression == NEUTRAL}
    return TrainingImages(
        _stacked([pixels for _, pixels in usable]),
        torch.tensor([expressions.index(str(sample.expression)) for sample, _ in usable]),
        torch.tensor([names.index(sample.subject) for sample, _ in usable]),
        torch.tensor([neutral.get(sample.subject, row) for row, (sample, _) in enumerate(usable)]),
        torch.tensor([sample.subject in neutral for sample, _ in usable]),
        expressions,
        tuple(Problem(sample.id, pixels) for sample, pixels in loaded if isinstance(pixels, str)),
        _action_units(dataset, [sample for sample, _ in usable]),
        _shots(dataset, usable, resolution, workers),
        tuple(sample.id for sample, _ in usable),
    )


def with_units(images: TrainingImages, measured: Mapping[str, NDArray[np.float32]]) -> TrainingImages:
    """Return the images with action units that a user measured.

    Args:
        images: The images.
        measured: (17,) units by sample id; images without any learn from the means of their expression.

    Raises:
        DatasetError: an expression has no measured image.
    """
    names = [images.expressions[label] for label in images.labels.tolist()]
    shown = [(name, measured[key]) for name, key in zip(names, images.ids, strict=True) if key in measured]
    found = means(shown)
    lacking = [name for name in images.expressions if name not in found]
    if lacking:
        raise DatasetError(
            f"no action units were measured on images of {', '.join(lacking)}; each expression needs some"
        )
    unknown = np.full_like(shown[0][1], np.nan)
    rows = torch.from_numpy(np.stack([measured.get(key, unknown) for key in images.ids]))
    return images._replace(action_units=rows, expression_units=found)


def preview_images(dataset: Dataset, resolution: int, count: int = 6) -> Tensor:
    """Return neutral studio images of the first ``count`` subjects: (count or fewer, 3, R, R) uint8."""
    pixels = _load_all(_neutral(dataset)[:count], resolution, workers=1)
    found = [image for image in pixels if not isinstance(image, str)]
    return _stacked(found) if found else torch.zeros(0, 3, resolution, resolution, dtype=torch.uint8)


def located_preview(dataset: Dataset, resolution: int, count: int = 6) -> tuple[Tensor, Tensor]:
    """Return ``preview_images`` of subjects whose landmarks are known, and the landmarks: (N, 68, 2) float32.

    Raises:
        BenchError: landmarks have to be found, and dlib or its predictor is not there.
    """
    pixels: list[Image] = []
    landmarks: list[Tensor] = []
    for sample in _neutral(dataset):
        if len(pixels) == count:
            break
        with suppress(LandmarkError, ImageError):
            landmarks.append(torch.from_numpy(landmarks_of(sample)))
            pixels.append(resize(sample.load(), resolution))
    if not pixels:
        return preview_images(dataset, resolution, 0), torch.zeros(0, COUNT, 2)
    return _stacked(pixels), torch.stack(landmarks)


def _neutral(dataset: Dataset) -> list[Sample]:
    """A neutral studio image of each subject."""
    neutral = {
        sample.subject: sample
        for sample in reversed(dataset.samples())
        if sample.domain == STUDIO and sample.expression == NEUTRAL
    }
    return sorted(neutral.values(), key=lambda sample: sample.id)


def _stacked(pixels: Sequence[Image]) -> Tensor:
    return torch.from_numpy(np.stack(list(pixels))).permute(0, 3, 1, 2).contiguous()


def _shots(
    dataset: Dataset, usable: Sequence[tuple[Sample, Image]], resolution: int, workers: int
) -> Callable[[], Tensor] | None:
    """Return a loader of the targets of the data set's pairs, None where they are its samples."""
    targets = {(t.subject, t.expression): t for _, t in dataset.pairs() if t.domain == STUDIO}
    rows = [row for row, (s, _) in enumerate(usable) if targets.get((s.subject, s.expression), s).id != s.id]
    if not rows:
        return None

    @cache
    def load() -> Tensor:
        wanted = [targets[usable[row][0].subject, usable[row][0].expression] for row in rows]
        pixels = [image for _, image in usable]
        for row, image in zip(rows, _load_all(wanted, resolution, workers), strict=True):
            pixels[row] = pixels[row] if isinstance(image, str) else image
        return _stacked(pixels)

    return load


def _action_units(dataset: Dataset, samples: Sequence[Sample]) -> Tensor | None:
    """The units of each sample, if the data set has a method ``action_units(sample_id)``."""
    units_of = getattr(dataset, "action_units", None)
    return torch.from_numpy(np.stack([units_of(sample.id) for sample in samples])) if units_of else None


def _load_all(samples: Sequence[Sample], resolution: int, workers: int) -> list[Image | str]:
    """The pixels of each sample, or why there are none."""
    tasks = [partial(_pixels, sample.load, resolution) for sample in samples]
    if workers < 2 or len(tasks) < SMALL or not picklable(tasks[0]):
        return [task() for task in tasks]
    with worker_pool(workers) as pool:
        return list(pool.map(_call, tasks, chunksize=16))


def _pixels(load: Callable[[], Image], resolution: int) -> Image | str:
    try:
        return resize(load(), resolution)
    except ImageError as error:
        return str(error)


def _call(task: Callable[[], Image | str]) -> Image | str:
    return task()
