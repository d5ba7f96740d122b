"""Statistics of an expression classifier over sets of outputs: macro accuracy and areas under ROC curves.

Such a statistic belongs to a set of outputs. Here each output gets a pseudo-value of it: their mean is the
statistic, and how far each lies from the mean is what that output moves it by, to first order. So intervals
and paired tests of means clustered by subject serve these statistics as they are; for the area under a curve
the variance is then that of N. A. Obuchowski, 'Nonparametric analysis of clustered ROC curve data',
Biometrics 53, 1997, built on the placements of DeLong et al. 1988.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.contracts import Floats
from .measures import SEEN, Measure, auc_measure, backend, macro_measure, stem

Codes = NDArray[np.int64]

PLACE = ["generator", "dataset", "domain"]


def judges(scores: pd.DataFrame) -> list[str]:
    """The backends of all judges that gave scores, in the order of the rows."""
    return [backend(column) for column in scores["metric"].unique() if stem(column) == "ecs"]


def labels_of(columns: Iterable[str]) -> tuple[str, ...]:
    """The labels of a judge, in its own order, from the columns of its card."""
    return tuple(stem(name).removeprefix(SEEN) for name in columns if name.startswith(SEEN))


def with_classification(
    rows: pd.DataFrame, scores: pd.DataFrame, measures: Mapping[str, Measure]
) -> tuple[pd.DataFrame, dict[str, Measure]]:
    """Scores and measures with pseudo-values of macro accuracy and of the mean area under the curve.

    Args:
        rows: Long-form rows of a run, with everything that judges said.
        scores: Those of them that are scores.
        measures: Column id to measure.

    Returns:
        The same with columns ``ecs.macro@B`` and ``ecs.auc@B`` for each judge: of each generator in each
        domain, over the outputs that the judge could score.
    """
    parts, known = [scores], dict(measures)
    for judge in judges(scores):
        for measure, frames in (
            (macro_measure(judge), _macro_frames(scores, judge)),
            (auc_measure(judge), _auc_frames(rows, judge)),
        ):
            found = [frame.assign(metric=measure.column) for frame in frames]
            if found:
                parts += found
                known[measure.column] = measure
    return pd.concat(parts, ignore_index=True), known


def _macro_frames(scores: pd.DataFrame, judge: str) -> Iterator[pd.DataFrame]:
    hits = scores[scores["metric"] == f"ecs@{judge}"].sort_values("edit")
    for _, part in hits.groupby(PLACE, sort=False):
        targets = pd.factorize(part["target"], sort=True)[0].astype(np.int64)
        yield part.assign(value=macro_values(part["value"].to_numpy(np.float64), targets))


def _auc_frames(rows: pd.DataFrame, judge: str) -> Iterator[pd.DataFrame]:
    for part, seen in _seen(rows, judge):
        per_label = [values for _, values in _one_by_one(part, seen)]
        if per_label:
            yield part.assign(value=np.mean(per_label, axis=0))


def auc_rows(rows: pd.DataFrame, judge: str) -> dict[str, pd.DataFrame]:
    """Expression to long-form pseudo-values of the area under its curve, of all generators and domains.

    Every output takes part in every expression's curve: as one that should show it, or as one of the rest.
    """
    column, found = auc_measure(judge).column, dict[str, list[pd.DataFrame]]()
    for part, seen in _seen(rows, judge):
        for label, values in _one_by_one(part, seen):
            found.setdefault(label, []).append(part.assign(value=values, metric=column))
    return {label: pd.concat(frames, ignore_index=True) for label, frames in found.items()}


def _seen(rows: pd.DataFrame, judge: str) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
    """(rows of hits, edit by label: how far the judge sees it) of each generator in each domain."""
    columns = [name for name in sorted(rows["metric"].unique()) if backend(name) == judge]
    names = {name: stem(name).removeprefix(SEEN) for name in columns if name.startswith(SEEN)}
    if not names:
        return
    known = rows[rows["metric"].isin([f"ecs@{judge}", *names])].sort_values("edit")
    for _, part in known.groupby(PLACE, sort=False):
        hits = part[part["metric"] == f"ecs@{judge}"]
        wide = part.pivot(index="edit", columns="metric", values="value")
        wide = wide.reindex(index=hits["edit"], columns=list(names))
        yield hits, wide.rename(columns=names).astype(np.float64)


def _one_by_one(hits: pd.DataFrame, seen: pd.DataFrame) -> Iterator[tuple[str, Floats]]:
    """Each expression that some outputs should show and others not, with (N,) pseudo-values."""
    known = hits["value"].notna().to_numpy()
    targets = hits["target"].to_numpy(object)
    for label in seen.columns:
        shown = targets[known] == label
        if 0 < shown.sum() < len(shown):
            values = np.full(len(hits), np.nan)
            values[known] = auc_values(seen[label].to_numpy(np.float64)[known], shown)
            yield label, values


def macro_values(hits: Floats, targets: Codes) -> Floats:
    """Pseudo-values of the mean over expressions of the share of right outputs.

    Args:
        hits: (N,) 1 or 0; NaN where an output has no score, which leaves it out.
        targets: (N,) the expression of each, from 0.

    Returns:
        (N,) whose mean is the macro accuracy; NaN where ``hits`` is.
    """
    values, known = np.full(len(hits), np.nan), np.isfinite(hits)
    codes, present = np.unique(targets[known], return_inverse=True)
    if len(codes):
        counts = np.bincount(present)
        shares = np.bincount(present, hits[known]) / counts
        moved = (hits[known] - shares[present]) / (len(codes) * counts[present])
        values[known] = shares.mean() + known.sum() * moved
    return values


def auc_values(seen: Floats, shown: NDArray[np.bool_]) -> Floats:
    """Pseudo-values of the area under the ROC curve of one expression against the rest; ties count half.

    Args:
        seen: (N,) how far the judge sees the expression; NaN for a missing output, which loses every
            comparison that it takes part in.
        shown: (N,) whether the output should show it; both kinds are there.

    Returns:
        (N,) whose mean is the area: the share of pairs in which the one that should show it shows it more.
    """
    filled = np.where(np.isnan(seen), np.where(shown, -np.inf, np.inf), seen)
    own = np.empty(len(seen))
    for side in (shown, ~shown):
        own[side] = _ranks(filled[side])
    below = _ranks(filled) - own
    size = np.where(shown, shown.sum(), (~shown).sum())
    placement = np.where(shown, below / (~shown).sum(), 1 - below / shown.sum())
    area = placement[shown].mean()
    values: Floats = area + len(seen) * (placement - area) / size
    return values


def _ranks(values: Floats) -> Floats:
    """(N,) ranks from 1, equal values sharing their mean (scipy.stats would take a second to import)."""
    return np.asarray(pd.Series(values).rank(), np.float64)
