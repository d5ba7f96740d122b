"""Results of a run from its parts: rows of scores, calibrations, and levels of real photos."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.contracts import ImageMetric, SetMetric
from ...metrics.calibration import Calibration
from ...metrics.ecs import ExpressionConsistency
from ...metrics.fss import FaceSimilarity
from ...scoring.scorer import Scorer
from ...scoring.shards import concatenate
from ..models import Cell
from ..plan import DatasetPlan
from ..store.parts import ShardParts
from .references import DomainReferences
from .sets import References

log = logging.getLogger(__name__)


def collect_scores(parts: ShardParts, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the rows of all cells, in the order of cells, shards and edits."""
    return concatenate(
        [
            parts.read_rows(cell.card.name, cell.dataset.name, shard)
            for cell in cells
            for shard in range(len(cell.dataset.shards))
        ]
    )


def calibrations(scorer: Scorer, references: References) -> list[dict[str, object]]:
    """Calibrate each set metric on each data set and domain; see ``metrics.calibration``.

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


def face_levels(parts: ShardParts, plans: Sequence[DatasetPlan], scorer: Scorer) -> list[dict[str, object]]:
    """Return the level of real photos in each face similarity, by data set and domain; see ``Levels``."""
    metrics = [metric for metric in scorer.image_metrics if isinstance(metric, FaceSimilarity)]
    return [row for plan in plans for metric in metrics for row in _levels_in(parts, plan, metric)]


def _levels_in(parts: ShardParts, plan: DatasetPlan, metric: FaceSimilarity) -> list[dict[str, object]]:
    sources, truths = (
        _features_of(parts, plan, metric, role).astype(np.float64) for role in ("source", "truth")
    )
    rows: list[dict[str, object]] = []
    for domain in plan.dataset.domains:
        here = [i for i, edit in enumerate(plan.edits) if edit.source.domain == domain]
        subjects = [plan.edits[i].source.subject for i in here]
        levels = metric.levels(sources[here], truths[here], subjects)._asdict()
        finite = {key: None if np.isnan(value) else value for key, value in levels.items()}
        rows.append({"dataset": plan.name, "domain": domain, "metric": metric.card.id} | finite)
    return rows


def _features_of(parts: ShardParts, plan: DatasetPlan, metric: ImageMetric, role: str) -> NDArray[np.float32]:
    """Return (N, d) features of the edits' sources or truths by the metric's network."""
    key = f"{metric.networks[0].card.name}/{role}"
    shards = range(len(plan.shards))
    return np.concatenate([parts.read_reference_features(plan.name, shard)[key] for shard in shards])


def ceilings(parts: ShardParts, plans: Sequence[DatasetPlan], scorer: Scorer) -> list[dict[str, object]]:
    """Return the accuracy of expression classifiers on the true targets of each domain; see ``Ceiling``."""
    judges = [metric for metric in scorer.image_metrics if isinstance(metric, ExpressionConsistency)]
    return [row for plan in plans for judge in judges for row in _ceilings_in(parts, plan, judge)]


def _ceilings_in(
    parts: ShardParts, plan: DatasetPlan, judge: ExpressionConsistency
) -> Iterator[dict[str, object]]:
    seen = _features_of(parts, plan, judge, "truth")
    for domain in plan.dataset.domains:
        truths = {
            edit.truth.id: (edit, row)
            for edit, row in zip(plan.edits, seen, strict=True)
            if edit.truth and edit.source.domain == domain and np.isfinite(row).all()
        }
        found = judge.ceiling(truths)
        if found.images:
            place = {"dataset": plan.name, "domain": domain, "metric": judge.card.id}
            yield {**place, "labels": list(judge.labels), **found._asdict()}
