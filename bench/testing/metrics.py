"""Conformance checks of metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from fesbench.datasets.loading import described

from ..core.contracts import (
    Batch,
    Edit,
    FeatureExtractor,
    Image,
    ImageMetric,
    Sample,
    SetMetric,
)
from .findings import Finding, part_name, run_checks

SCORE_TOLERANCE = 1e-5


def check_metric(metric: ImageMetric | SetMetric) -> tuple[Finding, ...]:
    """Check a metric on made-up images: ranges, independence of order and of the rest of the batch.

    Raises:
        ConformanceError: any check failed.
    """
    if isinstance(metric, SetMetric):
        return run_checks(f"metric {part_name(metric)}", metric, SET_METRIC_CHECKS)
    return run_checks(f"metric {part_name(metric)}", metric, IMAGE_METRIC_CHECKS)


def _made_up_images(count: int, seed: int, size: int = 64) -> NDArray[np.uint8]:
    """Blocky random images: (count, size, size, 3) uint8."""
    blocks = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), np.uint8)
    return blocks.repeat(size // 8, axis=1).repeat(size // 8, axis=2)


def _features(network: FeatureExtractor, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    tensor = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
    features: NDArray[np.float32] = network.features(tensor).numpy()
    return features


def _batch(metric: ImageMetric, count: int = 4) -> Batch:
    """Edits of made-up images, all with a truth and a face region."""
    roles = {role: _made_up_images(count, seed) for seed, role in enumerate(("output", "source", "truth"))}
    mask = np.zeros((64, 64), bool)
    mask[8:56, 12:52] = True
    edits = [_edit(i, roles["source"][i], roles["truth"][i]) for i in range(count)]
    features = {
        network.card.name: {role: _features(network, images) for role, images in roles.items()}
        for network in metric.networks
    }
    masks = [mask] * count
    return Batch(edits, roles["output"], roles["source"], list(roles["truth"]), masks, features)


def _edit(index: int, source: Image, truth: Image) -> Edit:
    target = ("happy", "sad", "angry", "surprised")[index % 4]
    neutral = Sample(f"s{index}-neutral", f"s{index}", "neutral", "studio", lambda: source)
    return Edit(neutral, target, Sample(f"s{index}-{target}", f"s{index}", target, "studio", lambda: truth))


def _rows(batch: Batch, rows: Sequence[int]) -> Batch:
    """The batch with some of its rows, in the order given."""
    return Batch(
        [batch.edits[i] for i in rows],
        batch.outputs[rows],
        batch.sources[rows],
        [batch.truths[i] for i in rows],
        [batch.masks[i] for i in rows],
        {name: {k: v[rows] for k, v in roles.items()} for name, roles in batch.features.items()},
    )


def _metric_card(metric: ImageMetric | SetMetric) -> str | None:
    card = metric.card
    wrong = [name for name in ("id", "title", "direction", "meaning") if not getattr(card, name)]
    wrong += ["range (low is not below high)"] if not card.low < card.high else []
    wrong += ["columns (an image metric names its values)"] if _columnless(metric) else []
    return f"missing or wrong on the card: {', '.join(wrong)}" if wrong else None


def _columnless(metric: ImageMetric | SetMetric) -> bool:
    return isinstance(metric, ImageMetric) and not metric.card.columns


def _scores_in_range(metric: ImageMetric) -> str | None:
    scores = metric.score(_batch(metric))
    if set(scores) != set(metric.card.column_names):
        return f"gives columns {sorted(scores)}, not {sorted(metric.card.column_names)}"
    for column, values in scores.items():
        if values.shape != (4,) or values.dtype != np.float64:
            return f"{column} is {described(values)}, not (4,) float64"
    headline = scores[metric.card.column_names[0]]
    return _outside(metric, headline[~np.isnan(headline)])


def _outside(metric: ImageMetric | SetMetric, values: NDArray[np.float64]) -> str | None:
    card = metric.card
    wrong = values[(values < card.low) | (values > card.high)]
    return f"gives {wrong[0]:.4g}, outside [{card.low}, {card.high}]" if len(wrong) else None


def _order_free(metric: ImageMetric) -> str | None:
    return _same_rows(metric, [2, 0, 3, 1], "another order of the batch changes scores")


def _alone(metric: ImageMetric) -> str | None:
    return _same_rows(metric, [1], "an output alone scores differently than in a batch")


def _same_rows(metric: ImageMetric, rows: list[int], problem: str) -> str | None:
    batch = _batch(metric)
    whole, part = metric.score(batch), metric.score(_rows(batch, rows))
    same = all(_close(values[rows], part[column]) for column, values in whole.items())
    return None if same else problem


def _close(first: NDArray[np.float64], second: NDArray[np.float64]) -> bool:
    return np.allclose(first, second, rtol=SCORE_TOLERANCE, atol=SCORE_TOLERANCE, equal_nan=True)


def _sets(metric: SetMetric) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return _features(metric.network, _made_up_images(12, 0)), _features(
        metric.network, _made_up_images(10, 1)
    )


def _distance_in_range(metric: SetMetric) -> str | None:
    value = np.array([metric.compute(*_sets(metric))])
    return _outside(metric, value) if np.isfinite(value).all() else f"gives {value[0]} for ordinary sets"


def _set_order_free(metric: SetMetric) -> str | None:
    outputs, references = _sets(metric)
    first, second = metric.compute(outputs, references), metric.compute(outputs[::-1], references[::-1])
    same = np.isclose(first, second, rtol=SCORE_TOLERANCE, atol=SCORE_TOLERANCE)
    return None if same else f"another order of the images gives {second}, not {first}"


IMAGE_METRIC_CHECKS: dict[str, Callable[[ImageMetric], str | None]] = {
    "card is filled in": _metric_card,
    "columns and range": _scores_in_range,
    "independent of order": _order_free,
    "independent of the batch": _alone,
}


SET_METRIC_CHECKS: dict[str, Callable[[SetMetric], str | None]] = {
    "card is filled in": _metric_card,
    "range": _distance_in_range,
    "independent of order": _set_order_free,
}
