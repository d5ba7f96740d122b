"""Scores of a shard of outputs; each image passes once through each network."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fesbench.datasets.images import image_to_mask, mask_to_image, resize

from ..core.contracts import (
    Batch,
    Edit,
    Failure,
    Image,
    ImageMetric,
    Mask,
    MetricCard,
    Sample,
)
from ..core.errors import BenchError, ImageError, explain
from ..core.reasons import FAILED, UNSCORED, Reason, reason_kind
from ..statistics.intervals import within
from ..statistics.measures import OUTPUT
from .scorer import Array, Scorer, T

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class References:
    """The sources and truths of a shard and their features, which all generators are scored against.

    ``lost`` are networks that failed, with the reason.
    """

    edits: Sequence[Edit]
    sources: NDArray[np.uint8]
    truths: Sequence[Image | None]
    masks: Sequence[Mask | None]
    features: Mapping[str, Mapping[str, Array]]
    lost: Mapping[str, str] = field(default_factory=dict)


def shard_references(edits: Sequence[Edit], broken: Mapping[int, Failure], scorer: Scorer) -> References:
    """Load and resize the sources and truths of a shard, and compute their features."""
    size = scorer.resolution
    usable = [None if i in broken else edit.source for i, edit in enumerate(edits)]
    sources = _each_once(usable, lambda sample: resize(sample.load(), size))
    truths = _each_once([edit.truth for edit in edits], lambda sample: _truth(sample, size))
    lost: dict[str, str] = {}
    roles = {
        "source": _features_of(sources, scorer.reading("source"), lost),
        "truth": _features_of(truths, scorer.reading("truth"), lost),
    }
    features = {
        name: {role: by_network[name] for role, by_network in roles.items() if name in by_network}
        for name in scorer.networks
    }
    masks = _each_once([edit.source for edit in edits], lambda sample: _mask(sample, size))
    return References(edits, np.stack([_or_blank(x, size) for x in sources]), truths, masks, features, lost)


def _each_once(samples: Sequence[Sample | None], read: Callable[[Sample], T]) -> list[T | None]:
    """Read each sample once, and return the result for each place; many samples repeat."""
    distinct = {sample.id: read(sample) for sample in {s.id: s for s in samples if s}.values()}
    return [None if sample is None else distinct[sample.id] for sample in samples]


def _or_blank(image: Image | Failure | None, size: int) -> Image:
    return np.zeros((size, size, 3), np.uint8) if image is None or isinstance(image, Failure) else image


def _features_of(images: Sequence[Image | None], scorer: Scorer, lost: dict[str, str]) -> dict[str, Array]:
    """Return (N, d) features by network; equal images are computed once, rows of missing ones are NaN."""
    keys = [b"" if image is None else image.tobytes() for image in images]
    distinct = {key: image for key, image in zip(keys, images, strict=True) if image is not None}
    rows = {key: row for row, key in enumerate(distinct)}
    size = scorer.resolution
    stack = np.stack(list(distinct.values())) if distinct else np.empty((0, size, size, 3), np.uint8)
    found = {}
    for name, values in scorer.features(stack, lost).items():
        with_gap = np.concatenate([values, np.full((1, values.shape[1]), np.nan, np.float32)])
        found[name] = with_gap[[rows.get(key, -1) for key in keys]]
    return found


def _truth(sample: Sample, size: int) -> Image | None:
    try:
        return resize(sample.load(), size)
    except ImageError:
        return None


def _mask(sample: Sample, size: int) -> Mask | None:
    if sample.load_mask is None:
        return None
    return image_to_mask(resize(mask_to_image(sample.load_mask()), size))


@dataclass(frozen=True)
class ShardScores:
    """Rows of a shard (without the generator's and the data set's name) and its features, by network.

    Networks that failed are left out. ``unscored`` are the ids of metrics that failed on an output.
    """

    rows: pd.DataFrame
    features: dict[str, Array]
    unscored: frozenset[str]


def score_shard(outputs: Sequence[Image | Failure], references: References, scorer: Scorer) -> ShardScores:
    """Score one generator's outputs, which are already at the run's resolution.

    A metric that fails on an output leaves its score missing, with the error as the reason.
    """
    images = np.stack([_or_blank(output, scorer.resolution) for output in outputs])
    lost = dict(references.lost)
    output_features = scorer.features(images, lost)
    batch = Batch(
        references.edits,
        images,
        references.sources,
        references.truths,
        references.masks,
        {name: {**references.features[name], "output": values} for name, values in output_features.items()},
    )
    failures = [output.reason if isinstance(output, Failure) else None for output in outputs]
    attempts = {metric.card.id: _attempt_unless(lost, metric, batch) for metric in scorer.image_metrics}
    columns = [_output_column(failures)]
    for metric in scorer.image_metrics:
        columns += _metric_columns(metric, attempts[metric.card.id], batch, failures)
    kept = {metric.network.card.name for metric in scorer.set_metrics}
    failed = np.array([reason is not None for reason in failures])
    for name in kept - lost.keys():
        output_features[name][failed] = np.nan
    features = {name: output_features[name] for name in sorted(kept - lost.keys())}
    unscored = frozenset(
        name for name, attempt in attempts.items() if any(np.array(attempt.errors)[~failed] != "")
    ) | {metric.card.id for metric in scorer.set_metrics if metric.network.card.name in lost}
    return ShardScores(_rows(batch.edits, columns), features, unscored)


@dataclass(frozen=True)
class _Attempt:
    """The scores of a batch by a metric: (N,) values of each column, and N errors or empty texts."""

    values: Mapping[str, NDArray[np.float64]]
    errors: Sequence[str]


def _attempt_unless(lost: Mapping[str, str], metric: ImageMetric, batch: Batch) -> _Attempt:
    """Score a batch, unless a network of the metric failed."""
    reasons = [f"{name}: {lost[name]}" for n in metric.networks if (name := n.card.name) in lost]
    if not reasons:
        return _attempt(metric, batch)
    count = len(batch.edits)
    values = {name: np.full(count, np.nan) for name in metric.card.column_names}
    return _Attempt(values, [f"{UNSCORED}{reasons[0]}"] * count)


def _attempt(metric: ImageMetric, batch: Batch) -> _Attempt:
    """Score a batch; where the metric fails, edit by edit, so that one bad edit costs no other its score."""
    columns, count = metric.card.column_names, len(batch.edits)
    try:
        scores = metric.score(_copied(batch))
        values = {name: np.array(scores[name], dtype=np.float64).reshape(count) for name in columns}
        _check_range(metric.card, values)
        return _Attempt(values, [""] * count)
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as error:
        if count == 1:
            log.warning("%s on %s", metric.card.id, batch.edits[0].id, exc_info=error)
            reason = f"{UNSCORED}{explain(error)}"
            return _Attempt({name: np.full(1, np.nan) for name in columns}, [reason])
    singles = [_attempt(metric, _alone(batch, i)) for i in range(count)]
    merged = {name: np.concatenate([single.values[name] for single in singles]) for name in columns}
    return _Attempt(merged, [error for single in singles for error in single.errors])


def _check_range(card: MetricCard, values: Mapping[str, NDArray[np.float64]]) -> None:
    """Check that scores are inside the ranges on the card, on which intervals rest.

    Raises:
        BenchError: one is not.
    """
    for column in card.described_columns:
        found = values[column.name]
        outside = found[~np.isnan(found) & ~within(found, (column.low, column.high))]
        if len(outside):
            raise BenchError(
                f"{column.name} is {outside[0]:g}, outside [{column.low:g}, {column.high:g}] on the card of "
                f"{card.id}; correct the metric or its card"
            )


def _copied(batch: Batch) -> Batch:
    """Return a batch with arrays of its own: a metric that changes them changes them for no other."""
    features = {
        network: {role: values.copy() for role, values in roles.items()}
        for network, roles in batch.features.items()
    }
    return Batch(
        list(batch.edits),
        batch.outputs.copy(),
        batch.sources.copy(),
        [None if truth is None else truth.copy() for truth in batch.truths],
        [None if mask is None else mask.copy() for mask in batch.masks],
        features,
    )


def _alone(batch: Batch, index: int) -> Batch:
    """Return the part of a batch that holds one edit."""
    row = slice(index, index + 1)
    features = {
        network: {role: values[row] for role, values in roles.items()}
        for network, roles in batch.features.items()
    }
    images = batch.outputs[row], batch.sources[row], batch.truths[row], batch.masks[row]
    return Batch(batch.edits[row], *images, features)


class _Column(NamedTuple):
    """The values of a column for each edit of a batch, and why each is missing, if it is."""

    name: str
    values: Sequence[float] | NDArray[np.float64]
    reasons: Sequence[str | None]


def _output_column(failures: Sequence[str | None]) -> _Column:
    """Return the column that tells which edits have an output; it does not depend on the metrics."""
    answered = [float(failure is None) for failure in failures]
    return _Column(OUTPUT, answered, _reasons(failures, [""] * len(failures)))


def _metric_columns(
    metric: ImageMetric, attempt: _Attempt, batch: Batch, failures: Sequence[str | None]
) -> list[_Column]:
    failed, fallback = np.array([reason is not None for reason in failures]), _fallback(metric)
    reasons = _reasons(failures, [""] * len(failures))
    left_out = np.array([reason_kind(reason or "") is Reason.NO_TRUTH for reason in reasons])
    columns = []
    for column, values in attempt.values.items():
        possible = np.array([not metric.reason(edit, column) for edit in batch.edits])
        filled = np.where(failed & possible, fallback[column], values)
        filled[left_out] = np.nan
        gaps = [
            "" if np.isfinite(value) else error or _why_missing(metric, column, edit, truth)
            for value, error, edit, truth in zip(
                filled, attempt.errors, batch.edits, batch.truths, strict=True
            )
        ]
        columns.append(_Column(column, filled, _reasons(failures, gaps)))
    return columns


def _fallback(metric: ImageMetric) -> dict[str, float]:
    """Return the score of a missing output in each column; NaN where the metric gives none."""
    none = dict.fromkeys(metric.card.column_names, float("nan"))
    try:
        stated = metric.failed()
        found = none | {column: float(stated[column]) for column in none.keys() & stated.keys()}
        _check_range(metric.card, {column: np.array([value]) for column, value in found.items()})
        return found
    except Exception as error:  # a plug-in may raise anything
        log.warning("%s gives no score of a missing output", metric.card.id, exc_info=error)
        return none


def _reasons(failures: Sequence[str | None], gaps: Sequence[str]) -> list[str | None]:
    """Return the reason of each value: of a missing output, or of a missing value."""
    return [
        (gap or None) if failure is None else f"{FAILED}{failure}"
        for failure, gap in zip(failures, gaps, strict=True)
    ]


def _rows(edits: Sequence[Edit], columns: Sequence[_Column]) -> pd.DataFrame:
    """Return a row for each column and edit, the edits of a column together; one frame, made at once."""
    repeated = [edit for _ in columns for edit in edits]
    reasons = [reason for column in columns for reason in column.reasons]
    return pd.DataFrame(
        {
            "domain": [edit.source.domain for edit in repeated],
            "subject": [edit.source.subject for edit in repeated],
            "edit": [edit.id for edit in repeated],
            "source": [edit.source.expression for edit in repeated],
            "target": [edit.target for edit in repeated],
            "metric": [column.name for column in columns for _ in edits],
            "value": np.concatenate([np.asarray(column.values, np.float64) for column in columns]),
            "reason": pd.Series(reasons, dtype=object),
        }
    )


def _why_missing(metric: ImageMetric, column: str, edit: Edit, truth: Image | None) -> str:
    if reason := metric.reason(edit, column):
        return reason
    if metric.card.needs_truth and truth is None:
        return "the image of the true target cannot be read"
    return f"{column} is not defined for this edit"
