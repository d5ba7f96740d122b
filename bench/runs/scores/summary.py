"""The summary of a run, from its scores and the results of set metrics."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from fesbench.datasets.loading import ImageLoader

from ...scoring.scorer import Scorer
from ...statistics.summary import ImageResults, Summary, with_sets
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
    images: ImageResults,
    scores: pd.DataFrame,
    sets: SetResults,
    calibrated: Sequence[CalibrationRecord],
    cells: Sequence[Cell],
) -> Summary:
    """Return the summary of a run.

    Args:
        images: The results of single outputs.
        scores: The rows of all cells, which they are of.
        sets: The results of set metrics.
        calibrated: Which of them can rank.
        cells: The generators on their data sets.
    """
    blocks = {(cell.card.name, cell.dataset.name): cell.block for cell in cells}
    unfit = [(item.dataset, item.domain, item.metric) for item in calibrated if not item.fit_to_rank]
    return with_sets(images, scores, sets.scores, blocks, unfit=unfit, set_differences=sets.differences)
