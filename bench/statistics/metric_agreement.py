"""How alike two columns of scores rank the generators within an edit: Kendall's τ, with intervals.

Within an edit all outputs answer the same request for the same face, so τ compares what metrics say of the
models and nothing else. Against an error to the truth it measures whether a metric is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.contracts import TRUTH, Floats
from .comparisons import IN_DISTRIBUTION, Scope, by_edit, interval_columns, scopes
from .intervals import clustered_means
from .measures import Measure

AGREEMENT_COLUMNS = [
    "dataset", "domain", "metric", "against", "tau", "low", "high", "n_asked", "n_scored", "subjects",
    "generators", "method", "reason",
]  # fmt: skip
FEWEST_GENERATORS = 2


def kendall_within(first: Floats, second: Floats) -> Floats:
    """Kendall's τ-b between the rows of two tables.

    M. G. Kendall, 'The treatment of ties in ranking problems', Biometrika 33, 1945. A row in which
    ``first`` ties all that ``second`` tells apart counts as 0: it says nothing. A row in which ``second``
    tells nothing apart has no τ.

    Args:
        first: (N, K) the scores that are judged, of K generators in N edits; NaN where missing.
        second: (N, K) what they are judged by.

    Returns:
        (N,) float64 in [-1, 1], NaN where there is none.
    """
    pairs = np.array(list(combinations(range(first.shape[1]), 2)), dtype=np.int64).reshape(-1, 2)
    a, b = (np.sign(table[:, pairs[:, 0]] - table[:, pairs[:, 1]]) for table in (first, second))
    unknown = np.isnan(a) | np.isnan(b)
    a, b = np.where(unknown, 0.0, a), np.where(unknown, 0.0, b)
    distinct, untied = (a != 0).sum(axis=1), (b != 0).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = np.where(distinct > 0, (a * b).sum(axis=1) / np.sqrt(distinct * untied), 0.0)
    return np.where(untied > 0, tau, np.nan)


def agreement(
    scores: pd.DataFrame,
    measures: Mapping[str, Measure],
    pairs: Iterable[tuple[str, str]],
    left_out: Sequence[str] = (TRUTH,),
    in_distribution: str = IN_DISTRIBUTION,
) -> pd.DataFrame:
    """τ of each pair of columns, averaged over the edits of each domain.

    Args:
        scores: Long-form scores.
        measures: Column id to measure; both columns count as better in their own direction.
        pairs: (column that is judged, column that it is judged by).
        left_out: Generators that take no part; the truth itself would agree with the truth by definition.
        in_distribution: The domain left out of the mean over 'ood' domains.

    Returns:
        ``AGREEMENT_COLUMNS``: ``tau`` with its 95% interval clustered by subject, for each domain, 'ood' and
        'all'; ``n_scored`` edits of ``n_asked`` had one. Missing numbers are NaN, with a reason.
    """
    kept = scores[~scores["generator"].isin(list(left_out))]
    wanted = list(pairs)
    frames = []
    for dataset, part in kept.groupby("dataset", sort=False):
        names = {name for pair in wanted for name in pair}
        tables = {
            str(name): by_edit(rows) * (1.0 if measures[str(name)].direction == "higher" else -1.0)
            for name, rows in part[part["metric"].isin(names)].groupby("metric", sort=False)
        }
        frames += [
            _pair(tables, metric, against, in_distribution).assign(dataset=dataset)
            for metric, against in wanted
            if metric in tables and against in tables
        ]
    if not frames:
        return pd.DataFrame(columns=AGREEMENT_COLUMNS)
    return pd.concat(frames, ignore_index=True)[AGREEMENT_COLUMNS]


def _pair(
    tables: Mapping[str, pd.DataFrame], metric: str, against: str, in_distribution: str
) -> pd.DataFrame:
    first, second = tables[metric].align(tables[against], join="inner")
    tau = (
        kendall_within(first.to_numpy(np.float64), second.to_numpy(np.float64))
        if first.shape[1] >= FEWEST_GENERATORS
        else np.full(len(first), np.nan)
    )
    subjects, domains = (
        first.index.get_level_values(name).to_numpy(object) for name in ("subject", "domain")
    )
    rows = [_mean_in(scope, tau, subjects) for scope in scopes(domains, in_distribution)]
    return pd.concat(rows, ignore_index=True).assign(
        metric=metric, against=against, generators=first.shape[1]
    )


def _mean_in(scope: Scope, tau: Floats, subjects: NDArray[np.object_]) -> pd.DataFrame:
    values = tau[scope.rows]
    found = clustered_means(
        values.reshape(-1, 1), subjects[scope.rows], strata=scope.strata, limits=(-1.0, 1.0)
    )
    return pd.DataFrame(
        {"domain": scope.domain, "tau": found.mean, "n_asked": len(values), **interval_columns(found)}
    )
