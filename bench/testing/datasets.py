"""Conformance checks of data sets."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from fesbench.datasets.loading import described

from ..core.contracts import (
    Dataset,
    Sample,
)
from .findings import Finding, run_checks

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,149}")


def check_dataset(dataset: Dataset, *others: Dataset, images: int = 16) -> tuple[Finding, ...]:
    """Check a data set, and that it shares no subject with ``others``, its other splits.

    Args:
        dataset: The split to check.
        others: Other splits of the same data.
        images: How many samples, evenly spread, are loaded.

    Raises:
        ConformanceError: any check failed.
    """
    checks: dict[str, Callable[[Dataset], str | None]] = {
        **DATASET_CHECKS,
        "images load as RGB": lambda part: _loading(part, images),
        "splits share no subject": lambda part: _shared_subjects(part, others),
    }
    return run_checks(f"data set {getattr(dataset, 'name', dataset)}", dataset, checks)


def _labels(dataset: Dataset) -> str | None:
    if not dataset.expressions or len(set(dataset.expressions)) < len(dataset.expressions):
        return f"expressions must be distinct and not empty, not {dataset.expressions}"
    known = (*dataset.expressions, None)
    foreign = {str(sample.expression) for sample in dataset.samples() if sample.expression not in known}
    return f"labels outside its expressions: {', '.join(sorted(foreign))}" if foreign else None


def _ids(dataset: Dataset) -> str | None:
    ids = [sample.id for sample in dataset.samples()]
    if not ids:
        return "has no samples"
    if len({name.lower() for name in ids}) < len(ids):
        return "ids repeat (upper and lower case count as the same, as on some file systems)"
    unsafe = [name for name in ids if not SAFE_NAME.fullmatch(name)]
    return f"ids that are no safe file names: {', '.join(unsafe[:3])}" if unsafe else None


def _stable(dataset: Dataset) -> str | None:
    first, second = list(dataset.samples()), list(dataset.samples())
    if first != second:
        return "samples() gives another answer the second time"
    if not re.fullmatch(r"[0-9a-f]{64}", dataset.digest) or dataset.digest != dataset.digest:
        return f"digest must be a stable sha256 in hexadecimal, not {dataset.digest!r}"
    return None


def _disjoint_references(dataset: Dataset) -> str | None:
    return _shared(dataset.samples(), dataset.references(), "references")


def _loading(dataset: Dataset, count: int) -> str | None:
    samples = dataset.samples()
    step = max(1, len(samples) // count)
    problems = (problem for sample in samples[::step] if (problem := _bad_image(sample)))
    return next(problems, None)


def _bad_image(sample: Sample) -> str | None:
    image: object = sample.load()
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        return f"{sample.id} loads as {described(image)}, not (H, W, 3) uint8"
    if not np.array_equal(image, sample.load()):
        return f"{sample.id} loads differently the second time"
    mask: object = sample.load_mask() if sample.load_mask else np.zeros(image.shape[:2], bool)
    if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.shape != image.shape[:2]:
        return f"the mask of {sample.id} is {described(mask)}, not {image.shape[:2]} bool"
    return None


def _shared_subjects(dataset: Dataset, others: Sequence[Dataset]) -> str | None:
    problems = (_shared(dataset.samples(), other.samples(), other.split) for other in others)
    return next((problem for problem in problems if problem), None)


def _shared(samples: Sequence[Sample], others: Sequence[Sample], name: str) -> str | None:
    both = {sample.subject for sample in samples} & {sample.subject for sample in others}
    return f"shares subjects with {name}: {', '.join(sorted(both)[:3])}" if both else None


DATASET_CHECKS: dict[str, Callable[[Dataset], str | None]] = {
    "labels are its expressions": _labels,
    "ids are unique and file-safe": _ids,
    "stable order and digest": _stable,
    "references are other subjects": _disjoint_references,
}
