"""Gathers what the shards of a run hold: rows of scores, and set metrics computed from stored features."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from .contracts import SetMetric
from .execute.cells import Cell
from .execute.references import DomainReferences
from .execute.scoring import Scorer
from .metrics.calibration import Calibration
from .metrics.fss import FaceSimilarity
from .plan import DatasetPlan
from .statistics.measures import UNSCORED
from .store import RunStore, concatenate

log = logging.getLogger(__name__)

Array = NDArray[np.float32]

SMALLEST_SET = 16
"""A set metric of fewer outputs or references than this is not computed."""


def collect_scores(store: RunStore, cells: Sequence[Cell]) -> pd.DataFrame:
    """The rows of all cells, in the order of cells, shards and edits."""
    return concatenate(
        [
            store.read_part(cell.card.name, cell.dataset.name, shard)
            for cell in cells
            for shard in range(len(cell.dataset.shards))
        ]
    )


References = Mapping[str, Mapping[str, DomainReferences]]
"""Data set to domain to its references; data sets without set metrics have none."""


def set_scores(
    store: RunStore, cells: Sequence[Cell], scorer: Scorer, references: References
) -> pd.DataFrame:
    """Every set metric of every cell and domain, with a 95% delete-one-subject jackknife interval.

    Returns:
        Columns generator, dataset, domain, metric, value, low, high, n_outputs, n_references, references,
        reason; value and interval are NaN where ``reason`` says why.
    """
    rows = [row for cell in cells for row in _cell_rows(store, cell, scorer, references[cell.dataset.name])]
    return pd.DataFrame(rows, columns=COLUMNS)


def calibrations(scorer: Scorer, references: References) -> list[dict[str, object]]:
    """Whether each set metric can rank models on each data set and domain; see ``metrics.calibration``.

    Returns:
        Records with dataset, domain, metric, images, references, value, gaps (version to difference, low and
        high), fit_to_rank and verdict.
    """
    return [
        {"dataset": dataset, "domain": domain, "metric": metric.card.id} | _calibrated(metric, real)
        for dataset, domains in references.items()
        for metric in scorer.set_metrics
        for domain, real in domains.items()
    ]


def _calibrated(metric: SetMetric, references: DomainReferences) -> dict[str, object]:
    try:
        found = references.calibration(metric)
    except MemoryError:
        raise
    except Exception as error:
        log.warning("%s cannot be calibrated", metric.card.id, exc_info=error)
        found = Calibration(0, 0, float("nan"), {}, f"{type(error).__name__}: {error}")
    return {
        "images": found.images,
        "references": found.references,
        "value": None if np.isnan(found.value) else found.value,
        "gaps": {name: gap._asdict() for name, gap in found.gaps.items()},
        "fit_to_rank": found.fit_to_rank,
        "verdict": found.verdict,
    }


COLUMNS = [
    "generator",
    "dataset",
    "domain",
    "metric",
    "value",
    "low",
    "high",
    "n_outputs",
    "n_references",
    "references",
    "reason",
]


def face_levels(store: RunStore, plans: Sequence[DatasetPlan], scorer: Scorer) -> list[dict[str, object]]:
    """What real photos of each data set and domain reach in each face similarity; see ``Levels``."""
    metrics = [metric for metric in scorer.image_metrics if isinstance(metric, FaceSimilarity)]
    return [row for plan in plans for metric in metrics for row in _levels_in(store, plan, metric)]


def _levels_in(store: RunStore, plan: DatasetPlan, metric: FaceSimilarity) -> list[dict[str, object]]:
    network = metric.networks[0].card.name
    shards = [store.read_reference_features(plan.name, shard) for shard in range(len(plan.shards))]
    sources, truths = (
        np.concatenate([shard[f"{network}/{role}"] for shard in shards]).astype(np.float64)
        for role in ("source", "truth")
    )
    rows: list[dict[str, object]] = []
    for domain in plan.dataset.domains:
        here = [i for i, edit in enumerate(plan.edits) if edit.source.domain == domain]
        subjects = [plan.edits[i].source.subject for i in here]
        levels = metric.levels(sources[here], truths[here], subjects)._asdict()
        finite = {key: None if np.isnan(value) else value for key, value in levels.items()}
        rows.append({"dataset": plan.name, "domain": domain, "metric": metric.card.id} | finite)
    return rows


def _cell_rows(
    store: RunStore, cell: Cell, scorer: Scorer, references: Mapping[str, DomainReferences]
) -> list[dict[str, object]]:
    name, plan = cell.card.name, cell.dataset
    parts = [store.read_features(name, plan.name, shard) for shard in range(len(plan.shards))]
    domains = np.array([edit.source.domain for edit in plan.edits])
    subjects = np.array([edit.source.subject for edit in plan.edits])
    rows = []
    for metric in scorer.set_metrics:
        network = metric.network.card.name
        features = np.concatenate([part[network] for part in parts])
        for domain in plan.dataset.domains:
            here = (domains == domain) & np.isfinite(features).all(axis=1)
            known = references[domain].features[network] if domain in references else features[:0]
            rows.append(
                {"generator": name, "dataset": plan.name, "domain": domain, "metric": metric.card.id}
                | {"references": plan.references[domain].label}
                | set_value(metric, features[here], subjects[here], known)
            )
    return rows


def set_value(
    metric: SetMetric, outputs: Array, subjects: NDArray[np.str_], references: Array
) -> dict[str, object]:
    """A set metric with its jackknife interval over subjects.

    Returns:
        value, low, high, n_outputs, n_references, reason; the first three are NaN where ``reason`` says why.
    """
    counts = {"n_outputs": len(outputs), "n_references": len(references)}
    missing = counts | dict.fromkeys(("value", "low", "high"), np.nan)
    if min(counts.values()) < SMALLEST_SET:
        reason = f"needs {SMALLEST_SET} outputs and references, has {len(outputs)} and {len(references)}"
        return missing | {"reason": reason}
    try:
        value = metric.compute(outputs, references)
        half = _jackknife_half_width(metric, outputs, subjects, references)
    except MemoryError:
        raise
    except Exception as error:
        log.warning("%s", metric.card.id, exc_info=error)
        return missing | {"reason": f"{UNSCORED}{type(error).__name__}: {error}"}
    return counts | {"value": value, "low": value - half, "high": value + half, "reason": None}


def _jackknife_half_width(
    metric: SetMetric, outputs: Array, subjects: NDArray[np.str_], references: Array
) -> float:
    names = np.unique(subjects)
    if len(names) < 3:
        return float("nan")
    values = np.array([metric.compute(outputs[subjects != name], references) for name in names])
    error = np.sqrt((len(names) - 1) / len(names) * ((values - values.mean()) ** 2).sum())
    return float(stats.t.ppf(0.975, len(names) - 1) * error)
