"""Scores by something else than the domain: by expression, by group of subjects; and what a judge saw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from ..core.contracts import MetricCard
from .classification import auc_rows, judges, labels_of
from .comparisons import CELL_COLUMNS, groups, interval_columns
from .intervals import clustered_means
from .measures import PREDICTED, Measure, auc_measure, backend

CONFUSION_COLUMNS = ["dataset", "generator", "target", "predicted", "count", "share"]


def cells_by_expression(
    rows: pd.DataFrame, scores: pd.DataFrame, measures: Mapping[str, Measure]
) -> pd.DataFrame:
    """``cells_by`` target expression, and the area under the curve of each expression against the rest.

    Args:
        rows: Long-form rows of a run, with everything that judges said.
        scores: Those of them that are scores.
        measures: Column id to measure, of the scores.
    """
    areas = [
        cells
        for judge in judges(scores)
        for label, values in auc_rows(rows, judge).items()
        for cells in _areas(values, label, auc_measure(judge))
    ]
    found = [frame for frame in (cells_by(scores, measures, "target"), *areas) if len(frame)]
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=CELL_COLUMNS)


def _areas(values: pd.DataFrame, label: str, measure: Measure) -> Iterator[pd.DataFrame]:
    """The areas of one expression: all outputs take part, those that should show it are counted."""
    own = values[values["target"] == label]
    for dataset, metric, table in groups(values):
        here = own[own["dataset"] == dataset]
        scored = here.groupby("generator")["value"].count().reindex(table.columns, fill_value=0)
        asked = here["edit"].nunique()
        cells = _cells(table, measure).assign(
            dataset=dataset, domain=label, metric=metric, n_asked=asked, n_scored=scored.to_numpy()
        )
        yield cells[CELL_COLUMNS]


def confusions(rows: pd.DataFrame, cards: Iterable[MetricCard]) -> pd.DataFrame:
    """What every judge of a run saw: ``confusion`` with a column ``judge`` in front."""
    judged = {backend(card.id): labels for card in cards if (labels := labels_of(card.column_names))}
    found = [
        confusion(rows, f"{PREDICTED}@{judge}", labels).assign(judge=judge)
        for judge, labels in judged.items()
    ]
    columns = ["judge", *CONFUSION_COLUMNS]
    return pd.concat(found, ignore_index=True)[columns] if found else pd.DataFrame(columns=columns)


def cells_by(scores: pd.DataFrame, measures: Mapping[str, Measure], by: str) -> pd.DataFrame:
    """A cell for each generator, metric and value of the column ``by``.

    Args:
        scores: Long-form scores; rows without a value of ``by`` are left out.
        measures: Column id to measure, of the columns to summarise.
        by: A column of ``scores`` that depends on the edit alone, such as 'target' or a group of subjects.

    Returns:
        ``CELL_COLUMNS``, with the value of ``by`` in the place of the domain: the plain mean over domains of
        the means there, and its 95% interval clustered by subject.
    """
    kept = scores[scores["metric"].isin(list(measures)) & scores[by].notna()]
    kinds = dict(zip(kept["edit"], kept[by].astype(str), strict=True))
    order = list(dict.fromkeys(kept[by].astype(str)))
    frames = []
    for dataset, metric, table in groups(kept):
        here = np.array([kinds[edit] for edit in table.index.get_level_values("edit")])
        for kind in order:
            part = _cells(table[here == kind], measures[metric])
            frames.append(part.assign(dataset=dataset, domain=kind, metric=metric))
    filled = [frame for frame in frames if len(frame)]
    if not filled:
        return pd.DataFrame(columns=CELL_COLUMNS)
    return pd.concat(filled, ignore_index=True)[CELL_COLUMNS]


def _cells(table: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    """Cells of all generators on the rows of ``table``; none where there are no rows."""
    if table.empty:
        return pd.DataFrame()
    subjects, domains = (
        table.index.get_level_values(name).to_numpy(object) for name in ("subject", "domain")
    )
    found = clustered_means(
        table.to_numpy(np.float64), subjects, measure.bounds, domains, limits=measure.limits
    )
    frame = pd.DataFrame(
        {
            "generator": table.columns,
            "value": found.mean,
            "n_asked": len(table),
            "complete": found.n == len(table),
            "n_references": None,
            "references": None,
            **interval_columns(found),
        }
    )
    frame["reason"] = np.where(frame["complete"], frame["reason"], "some outputs have no score")
    return frame.drop(columns="p")


def confusion(scores: pd.DataFrame, column: str, labels: Sequence[str]) -> pd.DataFrame:
    """How often the judge gave each label to outputs of each target expression.

    Args:
        scores: Long-form scores.
        column: The column that holds positions in ``labels``, such as ``ecs.predicted@embedded``.
        labels: The judge's labels.

    Returns:
        ``CONFUSION_COLUMNS``, all labels for every target: ``count`` outputs, and the ``share`` of the
        target's outputs that have a label; NaN where none has.
    """
    rows = scores[(scores["metric"] == column) & scores["value"].notna()]
    keys = ["dataset", "generator", "target"]
    if rows.empty:
        return pd.DataFrame(columns=CONFUSION_COLUMNS)
    predicted = rows["value"].astype(int)
    counts = rows.groupby([*keys, predicted.rename("predicted")], sort=False).size()
    wide = counts.unstack("predicted", fill_value=0).reindex(columns=range(len(labels)), fill_value=0)
    wide.columns = pd.Index(list(labels), name="predicted")
    long = wide.reset_index().melt(id_vars=keys, var_name="predicted", value_name="count")
    total = long.groupby(keys, sort=False)["count"].transform("sum")
    return long.assign(share=long["count"] / total)[CONFUSION_COLUMNS]
