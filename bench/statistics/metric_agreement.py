"""How alike two columns of scores rank the generators within an edit: Kendall's τ, with intervals.

Within an edit all outputs answer the same request for the same face, so τ compares what metrics say of the
models and nothing else. Against an error to the truth it measures whether a metric is right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
        known = [pair for pair in wanted if pair[0] in tables and pair[1] in tables]
        found = [_means(alike, in_distribution) for alike in _by_edits(tables, known)]
        if found:
            own = pd.concat(found, ignore_index=True).sort_values("place", kind="stable")
            frames.append(own.assign(dataset=dataset))
    if not frames:
        return pd.DataFrame(columns=AGREEMENT_COLUMNS)
    return pd.concat(frames, ignore_index=True)[AGREEMENT_COLUMNS]


@dataclass(frozen=True)
class _Alike:
    """Pairs of columns that have scores for the same E edits.

    ``edits`` is the (domain, subject, edit) of each, ``rows`` has a row for each pair: place, metric,
    against, generators. ``taus`` are P arrays, (E,) each.
    """

    edits: pd.Index
    rows: list[tuple[int, str, str, int]]
    taus: list[Floats]


def _by_edits(tables: Mapping[str, pd.DataFrame], pairs: Sequence[tuple[str, str]]) -> list[_Alike]:
    """Return τ of the pairs, in groups that share their edits: nearly always one."""
    groups: list[_Alike] = []
    for place, (metric, against) in enumerate(pairs):
        first, second = tables[metric].align(tables[against], join="inner")
        group = next((group for group in groups if group.edits.equals(first.index)), None)
        if group is None:
            group = _Alike(first.index, [], [])
            groups.append(group)
        group.rows.append((place, metric, against, first.shape[1]))
        group.taus.append(
            kendall_within(first.to_numpy(np.float64), second.to_numpy(np.float64))
            if first.shape[1] >= FEWEST_GENERATORS
            else np.full(len(first), np.nan)
        )
    return groups


def _means(alike: _Alike, in_distribution: str) -> pd.DataFrame:
    """Return the mean τ of each pair in each scope, with the pair's place among all."""
    taus = np.column_stack(alike.taus)
    subjects, domains = (
        alike.edits.get_level_values(name).to_numpy(object) for name in ("subject", "domain")
    )
    pairs = pd.DataFrame(alike.rows, columns=["place", "metric", "against", "generators"])
    frames = [_mean_in(scope, taus, subjects, pairs) for scope in scopes(domains, in_distribution)]
    return pd.concat(frames, ignore_index=True)


def _mean_in(scope: Scope, taus: Floats, subjects: NDArray[np.object_], pairs: pd.DataFrame) -> pd.DataFrame:
    values = taus[scope.rows]
    found = clustered_means(values, subjects[scope.rows], strata=scope.strata, limits=(-1.0, 1.0))
    means = pd.DataFrame(
        {"domain": scope.domain, "tau": found.mean, "n_asked": len(values), **interval_columns(found)}
    )
    return pairs.join(means)
