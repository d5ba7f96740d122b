"""The summary of a run, from its scores and the results of set metrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from fesbench.datasets.loading import ImageLoader

from ...core.contracts import MetricCard
from ...scoring.scorer import Scorer
from ...statistics.summary import Summary, summarise
from ..models import Cell
from ..plan import DatasetPlan
from ..progress import SILENT, Listener
from ..store.records import CalibrationRecord
from .references import DomainReferences, domain_references
from .sets import SetResults


def references_of(
    plans: Collection[DatasetPlan], scorer: Scorer, loader: ImageLoader, listener: Listener = SILENT
) -> dict[str, dict[str, DomainReferences]]:
    """Return the reference images of each data set by name and domain; none without set metrics."""
    if not scorer.set_metrics:
        return {plan.name: {} for plan in plans}
    listener.stage("reference images", sum(len(plan.references) for plan in plans))
    return {plan.name: domain_references(plan, scorer, loader, listener) for plan in plans}


def summary_of(
    scores: pd.DataFrame,
    sets: SetResults,
    calibrated: Sequence[CalibrationRecord],
    cards: Sequence[MetricCard],
    cells: Sequence[Cell],
) -> Summary:
    """Return the summary of a run.

    Args:
        scores: The rows of all cells.
        sets: The results of set metrics.
        calibrated: Which of them can rank.
        cards: The cards of all metrics.
        cells: The generators on their data sets.
    """
    blocks = {(cell.card.name, cell.dataset.name): cell.block for cell in cells}
    unfit = [(item.dataset, item.domain, item.metric) for item in calibrated if not item.fit_to_rank]
    return summarise(scores, sets.scores, cards, blocks, unfit=unfit, set_differences=sets.differences)
