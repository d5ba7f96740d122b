"""Results of a run from its parts: rows of scores, calibrations, and levels of real photos."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.contracts import ImageMetric, SetMetric
from ...core.errors import BenchError, explain
from ...metrics.calibration import Calibration
from ...metrics.ecs import ExpressionConsistency
from ...metrics.fss import FaceSimilarity
from ...scoring.score_rows import concatenate
from ...scoring.scorer import Scorer
from ..models import Cell
from ..plan import DatasetPlan
from ..progress import SILENT, Listener
from ..store.parts import ShardParts
from ..store.records import CalibrationGap, CalibrationRecord, CeilingRecord, FaceLevelRecord
from .references import DomainReferences
from .sets import References

log = logging.getLogger(__name__)


def collect_scores(parts: ShardParts, cells: Sequence[Cell]) -> pd.DataFrame:
    """Return the rows of all cells, in the order of cells, shards and edits; of a part of a run, its own.

    Raises:
        BenchError: the rows of a shard are missing or damaged; without them a mean would be of other edits.
    """
    return concatenate([_rows_of(parts, cell, shard) for cell in cells for shard in cell.dataset.own_shards])


def _rows_of(parts: ShardParts, cell: Cell, shard: int) -> pd.DataFrame:
    rows = parts.read_rows(cell.card.name, cell.dataset.name, shard)
    if list(rows["edit"].unique()) != [edit.id for edit in cell.dataset.shards[shard]]:
        raise BenchError(
            f"the scores of {cell.card.name} on {cell.dataset.name}, part {shard}, are missing or damaged; "
            "run the same command again: it computes them again"
        )
    return rows


def calibrations(
    scorer: Scorer, references: References, listener: Listener = SILENT
) -> list[CalibrationRecord]:
    """Return whether each set metric can rank models on each data set and domain."""
    places = [
        (dataset, domain, metric, real)
        for dataset, domains in references.items()
        for metric in scorer.set_metrics
        for domain, real in domains.items()
    ]
    if places:
        listener.stage("calibration of set metrics", len(places))
    found = []
    for dataset, domain, metric, real in places:
        listener.step(f"{metric.card.id} on {dataset} {domain}")
        found.append(_calibration(dataset, domain, metric, real))
    return found


def _calibration(
    dataset: str, domain: str, metric: SetMetric, references: DomainReferences
) -> CalibrationRecord:
    try:
        found = references.calibration(metric)
    except MemoryError:
        raise
    except Exception as error:
        log.warning("%s cannot be calibrated", metric.card.id, exc_info=error)
        found = Calibration(0, 0, float("nan"), {}, explain(error))
    return CalibrationRecord(
        dataset=dataset,
        domain=domain,
        metric=metric.card.id,
        images=found.images,
        references=found.references,
        value=found.value,
        gaps={name: CalibrationGap(**gap._asdict()) for name, gap in found.gaps.items()},
        fit_to_rank=found.fit_to_rank,
        verdict=found.verdict,
    )


def face_levels(parts: ShardParts, plans: Sequence[DatasetPlan], scorer: Scorer) -> list[FaceLevelRecord]:
    """Return what real photos of each data set and domain reach in each face similarity."""
    metrics = [metric for metric in scorer.image_metrics if isinstance(metric, FaceSimilarity)]
    return [row for plan in plans for metric in metrics for row in _levels_in(parts, plan, metric)]


def _levels_in(parts: ShardParts, plan: DatasetPlan, metric: FaceSimilarity) -> Iterator[FaceLevelRecord]:
    seen = [_features_of(parts, plan, metric, role) for role in ("source", "truth")]
    if any(features is None for features in seen):
        return
    sources, truths = (features.astype(np.float64) for features in seen if features is not None)
    for domain in plan.dataset.domains:
        here = [i for i, edit in enumerate(plan.edits) if edit.source.domain == domain]
        subjects = [plan.edits[i].source.subject for i in here]
        levels = metric.levels(sources[here], truths[here], subjects)
        yield FaceLevelRecord(dataset=plan.name, domain=domain, metric=metric.card.id, **levels._asdict())


def _features_of(
    parts: ShardParts, plan: DatasetPlan, metric: ImageMetric, role: str
) -> NDArray[np.float32] | None:
    """Return (N, d) features of the edits' sources or truths by the metric's network.

    None where the network, of other people's code, failed on a shard.
    """
    key = f"{metric.networks[0].card.name}/{role}"
    stored = (parts.read_reference_features(plan.name, shard) for shard in range(len(plan.shards)))
    found = [features.get(key) for features in stored]
    known = [features for features in found if features is not None]
    return np.concatenate(known) if len(known) == len(found) else None


def ceilings(parts: ShardParts, plans: Sequence[DatasetPlan], scorer: Scorer) -> list[CeilingRecord]:
    """Return what each expression classifier gets right on the true targets of each domain."""
    judges = [metric for metric in scorer.image_metrics if isinstance(metric, ExpressionConsistency)]
    return [row for plan in plans for judge in judges for row in _ceilings_in(parts, plan, judge)]


def _ceilings_in(
    parts: ShardParts, plan: DatasetPlan, judge: ExpressionConsistency
) -> Iterator[CeilingRecord]:
    seen = _features_of(parts, plan, judge, "truth")
    if seen is None:
        return
    for domain in plan.dataset.domains:
        truths = {
            edit.truth.id: (edit, row)
            for edit, row in zip(plan.edits, seen, strict=True)
            if edit.truth and edit.source.domain == domain and np.isfinite(row).all()
        }
        found = judge.ceiling(truths)
        if found.images:
            yield CeilingRecord(
                dataset=plan.name,
                domain=domain,
                metric=judge.card.id,
                labels=judge.labels,
                **found._asdict(),
            )
