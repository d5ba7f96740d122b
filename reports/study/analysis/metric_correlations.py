"""Correlations between the answers of participants and the metrics' scores of the same images and models."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from fesbench.statistics.comparisons import ALL
from fesbench.statistics.two_way import Estimate

from ..schema import Key
from .answers import Answers
from .correlation import point_biserial, spearman
from .results import Metric, RunScores


def metric_correlations(
    found: Sequence[Answers], key: Key, scores: RunScores, shares: pd.DataFrame, side_by_side: bool
) -> Iterator[dict[str, object]]:
    """Yield the correlation of the answers to each question with each metric, by model and by image.

    Args:
        found: The answers to each question.
        key: The key of the study.
        scores: The scores of the run.
        shares: ``Analysis.shares``.
        side_by_side: Whether models are shown together; image scores are then centred within each answer.

    Yields:
        Rows of ``Analysis.correlations``.
    """
    for answers in found:
        whole = shares[(shares["question"] == answers.question) & (shares["domain"] == ALL)]
        human = whole.set_index("model")["value"].reindex(list(key.models)).to_numpy(np.float64)
        for metric in scores.metrics:
            sign = 1.0 if metric.higher else -1.0
            about: dict[str, object] = {"question": answers.question, "metric": metric.id}
            values = scores.models[scores.models["metric"] == metric.id].set_index("generator")["value"]
            by_model = sign * values.reindex(list(key.models)).to_numpy(np.float64)
            yield about | {"level": "model"} | spearman(human, by_model)._asdict()
            image = _image_level(answers, key, scores, metric, side_by_side)
            if image is not None:
                yield about | {"level": "image"} | image._asdict()


def _image_level(
    answers: Answers, key: Key, scores: RunScores, metric: Metric, side_by_side: bool
) -> Estimate | None:
    """Correlate over answers and models; scores of images shown together are centred at their mean."""
    own = scores.outputs[scores.outputs["metric"] == metric.id]
    if own.empty:
        return None
    sign = 1.0 if metric.higher else -1.0
    table = own.pivot_table(index=["dataset", "edit"], columns="generator", values="value", aggfunc="first")
    edits = {item.id: (item.dataset, item.edit) for item in key.items}
    names = [name for name in answers.columns if name in key.models]
    places = pd.MultiIndex.from_tuples([edits.get(item, ("", "")) for item in answers.items])
    scored = sign * table.reindex(index=places, columns=names).to_numpy(np.float64)
    values = answers.values[:, [answers.columns.index(name) for name in names]]
    known = ~(np.isnan(values) | np.isnan(scored))
    if side_by_side:
        counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
        scored = scored - np.where(known, scored, 0.0).sum(axis=1, keepdims=True) / counts
    rows = np.nonzero(known)
    return point_biserial(values[rows], scored[rows], answers.clusters[rows[0]])
