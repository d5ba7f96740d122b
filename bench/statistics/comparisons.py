"""Comparing generators on the same edits: paired differences, ranks, gain over a baseline, joint success."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ..core.contracts import COPY, STUDIO, Block, Floats
from .intervals import UNBOUNDED, Bounds, Estimates, clustered_means, of_differences
from .measures import Measure, joint_column
from .multiplicity import holm

ALL, OOD = "all", "ood"
IN_DISTRIBUTION = STUDIO
SIGNIFICANT = 0.05
ROUNDING = 1e-9
"""Means whose difference is a smaller part of the largest are equal: sums in another order differ more."""

CELL_COLUMNS = [
    "generator", "dataset", "domain", "metric", "value", "low", "high", "n_asked", "n_scored", "subjects",
    "complete", "method", "reason", "n_references", "references",
]  # fmt: skip
DIFFERENCE_COLUMNS = [
    "dataset", "domain", "metric", "generator", "versus", "difference", "low", "high", "p", "p_holm",
    "n_asked", "n_scored", "subjects", "method", "reason",
]  # fmt: skip
UNFIT = "the metric cannot rank so few images: see its calibration"
NO_DIRECTION = "neither end of the scale is better"
RANK_COLUMNS = [
    "dataset", "domain", "metric", "block", "generator", "rank", "rank_low", "rank_high", "of", "reason",
]  # fmt: skip


class Scope(NamedTuple):
    """The rows behind one column of a table: a domain, or a mean over domains."""

    domain: str
    rows: NDArray[np.bool_]
    strata: NDArray[np.object_] | None


def scopes(domains: NDArray[np.object_], in_distribution: str = IN_DISTRIBUTION) -> Iterator[Scope]:
    """Each domain and, where there are several, means over domains.

    'ood' is the plain mean of the domains other than ``in_distribution``, 'all' that of all domains.

    Args:
        domains: (N,) the domain of each row.
        in_distribution: The domain that generators were trained on.
    """
    names = list(dict.fromkeys(domains))
    for name in names:
        yield Scope(name, domains == name, None)
    if len(names) == 1:
        return
    if in_distribution in names:
        outside = domains != in_distribution
        yield Scope(OOD, outside, domains[outside])
    yield Scope(ALL, np.ones(len(domains), dtype=bool), domains)


def by_edit(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of one data set and metric as a table: (domain, subject, edit) by generator, NaN where missing.

    Rows are sorted, so that the order of ``scores`` changes no digit of any result.
    """
    index = ["domain", "subject", "edit"]
    table = scores.assign(value=pd.to_numeric(scores["value"])).pivot(
        index=index, columns="generator", values="value"
    )
    generators = sorted(scores["generator"].unique())
    return table.sort_index()[generators].astype(np.float64)


def groups(scores: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """(data set, metric, ``by_edit`` table) of each data set and metric."""
    for (dataset, metric), part in scores.groupby(["dataset", "metric"], sort=False):
        yield str(dataset), str(metric), by_edit(part)


def paired_differences(
    scores: pd.DataFrame,
    metric: str,
    bounds: Bounds = UNBOUNDED,
    in_distribution: str = IN_DISTRIBUTION,
    limits: Bounds = UNBOUNDED,
) -> pd.DataFrame:
    """Each generator against each other one on the edits that both have scores for.

    Args:
        scores: Long-form scores: one row for each output and metric.
        metric: The column id to compare by.
        bounds: (0, 1) for a share; graded scores have none, whatever their range.
        in_distribution: The domain left out of the mean over 'ood' domains.
        limits: The ends of the range of a graded score.

    Returns:
        ``DIFFERENCE_COLUMNS``, one row for each unordered pair in each domain, 'ood' and 'all':
        ``difference`` is the mean of generator minus versus, with its 95% interval clustered by subject and
        the two-sided ``p`` of no difference that belongs to it; ``p_holm`` is adjusted by Holm's method
        over all pairs in (dataset, domain, metric). Missing numbers are NaN, with a ``reason``.
    """
    frames = [
        _pairs_in(scope, table, bounds, limits).assign(dataset=dataset, domain=scope.domain, metric=metric)
        for dataset, _, table in groups(scores[scores["metric"] == metric])
        for scope in scopes(_level(table, "domain"), in_distribution)
        if table.shape[1] > 1
    ]
    if not frames:
        return pd.DataFrame(columns=DIFFERENCE_COLUMNS)
    return pd.concat(frames, ignore_index=True)[DIFFERENCE_COLUMNS]


def _level(table: pd.DataFrame, name: str) -> NDArray[np.object_]:
    values: NDArray[np.object_] = table.index.get_level_values(name).to_numpy(dtype=object)
    return values


def _pairs_in(scope: Scope, table: pd.DataFrame, bounds: Bounds, limits: Bounds) -> pd.DataFrame:
    rows = table[scope.rows]
    first, second = (list(side) for side in zip(*combinations(range(rows.shape[1]), 2), strict=True))
    values = rows.to_numpy()
    found = clustered_means(
        values[:, first] - values[:, second],
        _level(rows, "subject"),
        of_differences(bounds),
        scope.strata,
        null=0.0,
        limits=of_differences(limits),
    )
    return pd.DataFrame(
        {
            "generator": rows.columns[first],
            "versus": rows.columns[second],
            "difference": found.mean,
            "p_holm": holm(found.p),
            "n_asked": len(rows),
            **interval_columns(found),
        }
    )


def interval_columns(found: Estimates) -> dict[str, object]:
    """The columns that every frame with estimates has."""
    return {
        "low": found.low,
        "high": found.high,
        "p": found.p,
        "n_scored": found.n,
        "subjects": found.clusters,
        "method": found.method,
        "reason": found.reason,
    }


def gain_over(differences: pd.DataFrame, baseline: str = COPY) -> pd.DataFrame:
    """How much each generator's score is above that of ``baseline`` on the same edits.

    Args:
        differences: What ``paired_differences`` returns, of any number of metrics.
        baseline: The generator to measure from.

    Returns:
        ``DIFFERENCE_COLUMNS`` with ``versus`` the baseline in every row. The sign is that of the score:
        where lower is better, a good model's gain is negative.
    """
    as_first = differences[differences["versus"] == baseline]
    turned = differences[differences["generator"] == baseline].copy()
    turned[["generator", "versus"]] = turned[["versus", "generator"]].to_numpy()
    turned["difference"] = -turned["difference"]
    turned[["low", "high"]] = -turned[["high", "low"]].to_numpy()
    parts = [part for part in (as_first, turned) if len(part)]
    return pd.concat(parts, ignore_index=True) if parts else differences.iloc[:0]


def ranks(
    cells: pd.DataFrame,
    differences: pd.DataFrame,
    measures: Mapping[str, Measure],
    blocks: Mapping[tuple[str, str], Block],
    unfit: Collection[tuple[str, str, str]] = (),
) -> pd.DataFrame:
    """Ranks of generators among those of their block, with the ranks that the data cannot exclude.

    A generator's best possible rank is 1 plus the number of others that are significantly better, its worst
    the number of all minus those significantly worse, by the paired tests adjusted by Holm's method within
    the block. With probability of at least 95% all true ranks lie inside together.

    Args:
        cells: Means, with columns dataset, domain, metric, generator, value, complete.
        differences: What ``paired_differences`` gave for the same scores, and those of set metrics.
        measures: Column id to measure; one without a direction is not ranked.
        blocks: (generator, dataset) to block; controls and generators that are left out get no rank.
        unfit: (dataset, domain, metric) where the metric cannot rank; see ``metrics.calibration``.

    Returns:
        ``RANK_COLUMNS``; incomplete cells and unfit metrics are not ranked and say so in ``reason``. Ties
        share the better rank.
    """
    keys = ["dataset", "domain", "metric"]
    tests = {key: _Tests.of(part) for key, part in differences.groupby(keys, sort=False)}
    pairs = zip(cells["generator"].to_numpy(object), cells["dataset"].to_numpy(object), strict=True)
    placed = cells.assign(block=[blocks.get(pair, "") for pair in pairs])
    placed = placed[~placed["block"].isin(["control", ""])]
    ranked = placed["complete"].astype(bool) & placed["value"].notna()
    names, values = placed["generator"].to_numpy(object), placed["value"].where(ranked).to_numpy(np.float64)
    rows_of: Mapping[Any, Any] = placed.groupby([*keys, "block"], sort=False).indices
    order, found = [], []
    for key, rows in rows_of.items():
        direction = measures[str(key[2])].direction
        if key[:3] in unfit:
            block = _unranked(len(rows), UNFIT)
        elif direction is None:
            block = _unranked(len(rows), NO_DIRECTION)
        else:
            block = _ranked(names[rows], values[rows], tests.get(key[:3]), direction == "higher")
        order.append(rows)
        found.append(block)
    if not found:
        return pd.DataFrame(columns=RANK_COLUMNS)
    in_order = placed[[*keys, "block", "generator"]].iloc[np.concatenate(order)]
    return in_order.reset_index(drop=True).join(pd.concat(found, ignore_index=True))[RANK_COLUMNS]


class _Tests(NamedTuple):
    """The paired tests of one data set, domain and metric."""

    generators: NDArray[np.object_]
    versus: NDArray[np.object_]
    difference: Floats
    p: Floats

    @classmethod
    def of(cls, differences: pd.DataFrame) -> _Tests:
        names = (differences[name].to_numpy(object) for name in ("generator", "versus"))
        return cls(*names, *(differences[name].to_numpy(np.float64) for name in ("difference", "p")))


def _unranked(count: int, reason: str) -> pd.DataFrame:
    nothing = dict.fromkeys(("rank", "rank_low", "rank_high"), np.nan)
    return pd.DataFrame({**nothing, "of": 0, "reason": reason}, index=range(count))


def _ranked(names: NDArray[np.object_], values: Floats, tests: _Tests | None, higher: bool) -> pd.DataFrame:
    """The ranks of the generators of a block; those whose value is NaN are not ranked."""
    ranked = ~np.isnan(values)
    of = int(ranked.sum())
    lowest, highest = np.full((2, len(values)), np.nan)
    if tests is not None:
        better, worse = _significant(tests, set(names[ranked]), higher)
        lowest[ranked] = [1 + better[name] for name in names[ranked]]
        highest[ranked] = [of - worse[name] for name in names[ranked]]
    untested = "no paired test for a set metric" if tests is None else ""
    return pd.DataFrame(
        {
            "rank": _without_rounding(pd.Series(values)).rank(ascending=not higher, method="min"),
            "rank_low": lowest,
            "rank_high": highest,
            "of": of,
            "reason": np.where(ranked, untested, "incomplete: not ranked"),
        }
    )


def _without_rounding(values: pd.Series[float]) -> pd.Series[float]:
    """Return the values, those that only rounding tells apart made equal; NaN stays NaN."""
    ordered = values.dropna().sort_values()
    apart = ordered.diff() > ROUNDING * ordered.abs().max()
    return ordered.groupby(apart.cumsum()).transform("first").reindex(values.index)


def _significant(tests: _Tests, names: set[str], higher: bool) -> tuple[dict[str, int], dict[str, int]]:
    """How many of ``names`` are significantly better, and worse, than each of them."""
    better, worse = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    pairs = list(zip(tests.generators, tests.versus, strict=True))
    inside = [place for place, (first, second) in enumerate(pairs) if first in names and second in names]
    for place, p in zip(inside, holm(tests.p[inside]), strict=True):
        if p < SIGNIFICANT:
            first, second = pairs[place]
            winner, loser = (first, second) if (tests.difference[place] > 0) == higher else (second, first)
            better[loser] += 1
            worse[winner] += 1
    return better, worse


def joint_success(scores: pd.DataFrame, expression: str, verified: str) -> pd.DataFrame:
    """Whether an output shows the right expression and is still the same person.

    Args:
        scores: Long-form scores.
        expression: Column id that is 1 where the expression is right, such as ``ecs@embedded``.
        verified: Column id that is 1 where the identity is verified, such as ``fss.verified@embedded``.

    Returns:
        Long-form rows, to be appended to ``scores``, with metric ``joint@BACKENDS``: 1 where both are 1, 0
        where either is not, null with the reason where that cannot be known.
    """
    keys = ["generator", "dataset", "domain", "subject", "edit", "source", "target"]
    left = scores[scores["metric"] == expression]
    right = scores[scores["metric"] == verified]
    pair = left.merge(right[[*keys, "value", "reason"]], on=keys, how="outer", suffixes=("", "_verified"))
    first, second = (pd.to_numeric(pair[name]).to_numpy(np.float64) for name in ("value", "value_verified"))
    failed = (first == 0) | (second == 0)
    value = np.where(failed, 0.0, np.where((first == 1) & (second == 1), 1.0, np.nan))
    reason = pair["reason"].where(pair["reason"].notna(), pair["reason_verified"])
    return pair[keys].assign(metric=joint_column(expression, verified), value=value, reason=reason)
