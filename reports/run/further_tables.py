"""The further tables of a run: by expression, pairs of models, truth, cost, confusion, robustness, claims."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd

from fesbench.core.names import safe_name
from fesbench.core.plurals import counted
from fesbench.review.claims import Claim, Finding, judge_claims, read_claims
from fesbench.review.robustness import KINDS, cells_by_perturbation, read_robustness
from fesbench.runs.results import DatasetResults
from fesbench.statistics.breakdown import cells_by, confusion
from fesbench.statistics.comparisons import ALL, OOD
from fesbench.statistics.measures import backend, stem

from ..tables.further import (
    MEASURED,
    REPORTED,
    confusion_table,
    cost_table,
    divided_table,
    group_table,
    pair_table,
    perturbation_table,
    place_table,
    truth_table,
)
from ..tables.table import Table
from .main_tables import table_context, training_table

BY_EXPRESSION = ("ecs.probability", "ecs.auc")
"""Measures that the table by expression shows beside the headline ones."""
CEILING = "true targets (the judge's ceiling)"
"""The title of what a judge sees in real images."""

NamedTables = tuple[str, list[Table]]
"""The stem of files and the tables that they hold."""


def robustness_cells(results: DatasetResults) -> dict[str, pd.DataFrame]:
    """Return kind of perturbation to its cells of headline columns; empty where none was measured."""
    rows = read_robustness(results.run.store, results.dataset)
    return {KINDS[kind]: cells for kind, cells in cells_by_perturbation(rows, results.headline).items()}


def group_tables(results: DatasetResults, groups: pd.DataFrame) -> Iterator[NamedTables]:
    """Yield a table for each division of the subjects that concerns this data set.

    Args:
        results: The results of one data set.
        groups: The return value of ``read_groups``.
    """
    subjects = set(results.scores["subject"])
    for division in map(str, groups):
        known = groups.loc[groups.index.isin(subjects), division].dropna().astype(str)
        if len(known):
            scores = results.scores.assign(group=results.scores["subject"].map(known))
            cells = cells_by(scores, results.measures, "group").sort_values("domain", kind="stable")
            counts = {str(name): int(count) for name, count in known.value_counts().sort_index().items()}
            table = group_table(cells, table_context(results), division, counts)
            yield f"groups-{safe_name(division)}", [table]


def further_tables(results: DatasetResults) -> Iterator[NamedTables]:
    """Yield the tables of one data set beside the main one; those that its scores allow."""
    if results.run.trainings.several:
        yield "trainings", [replace(training_table(results), title=f"{results.dataset}, each training")]
    yield "expressions", [_expression_table(results)]
    over_trainings = results.run.over_trainings.dataset(results.dataset)
    found = {
        "pairs": _pair_table(over_trainings),
        "truth": _truth_table(results),
        "reported": reported_table(over_trainings),
        "cost": _cost_table(results),
    }
    yield from ((stem_, [table]) for stem_, table in found.items() if table)
    context, perturbed = table_context(results), robustness_cells(results)
    if perturbed:
        yield "robustness", [perturbation_table(cells, context, kind) for kind, cells in perturbed.items()]
    yield from _confusion_tables(results)


def _expression_table(results: DatasetResults) -> Table:
    summary = results.run.summary
    shown_too = summary.measures["column"].map(stem).isin(BY_EXPRESSION)
    measures = summary.measures.assign(headline=summary.measures["headline"] | shown_too)
    return divided_table(summary.expressions, table_context(results, measures), "expression")


def _pair_table(results: DatasetResults) -> Table | None:
    differences = results.run.summary.differences
    if OOD in results.domains:
        differences = differences[differences["domain"] != ALL]
    return pair_table(differences, table_context(results))


def _truth_table(results: DatasetResults) -> Table | None:
    ranked = [results.cards[name].title or name for name in results.compared]
    return truth_table(results.truthfulness, results.dataset, ranked)


def _cost_table(results: DatasetResults) -> Table | None:
    device = results.run.record.device
    return cost_table(results.seconds, table_context(results), f"{device.name} ({device.device})")


def _confusion_tables(results: DatasetResults) -> Iterator[NamedTables]:
    """Yield the tables of each expression classifier: what it sees in true targets and in outputs."""
    for column, labels in results.labels.items():
        seen = confusion(results.scores, column, labels)
        by_title = {CEILING: _ceiling(results, column)} | {
            results.cards[str(name)].title or str(name): part
            for name, part in seen.groupby("generator", sort=False)
        }
        tables = [
            confusion_table(part, labels, column, results.dataset, name)
            for name, part in by_title.items()
            if not part.empty
        ]
        yield f"confusion-{safe_name(backend(column))}", tables


def _ceiling(results: DatasetResults, column: str) -> pd.DataFrame:
    """Return how often a classifier gave each label to the true targets, in the form of ``confusion``."""
    counts = [
        {"target": target, "predicted": label, "count": count}
        for item in results.run.record.ceilings
        if (item.dataset, item.metric) == (results.dataset, f"ecs@{backend(column)}")
        for target, row in item.confusion.items()
        for label, count in zip(item.labels, row, strict=True)
    ]
    if not counts:
        return pd.DataFrame()
    seen = pd.DataFrame(counts).groupby(["target", "predicted"], sort=False)["count"].sum().reset_index()
    shares: pd.DataFrame = seen.assign(share=seen["count"] / seen.groupby("target")["count"].transform("sum"))
    return shares


def reported_table(results: DatasetResults) -> Table | None:
    """Return the places of models in rankings, as published (see ``claims.yaml``) and as measured.

    None where no model here has a published place by a metric of the run.
    """
    dataset, cards = results.dataset, results.cards
    claims = [claim for claim in read_claims() if claim.model in cards]
    findings = judge_claims([claim for claim in claims if claim.rank is not None], results.run)
    rows = [row for found in findings if found.dataset == dataset for row in _rows(found)]
    if not rows:
        return None
    sources = dict.fromkeys(claim.source for claim in claims)
    sizes = dict.fromkeys(
        f"{counted(row['models'], 'model is', 'models are')} ranked here." for row in rows if row["models"]
    )
    notes = [
        f"Source: {'; '.join(sources)}.",
        *sizes,
        *(_about_people(claim) for claim in claims if claim.people),
    ]
    return place_table(pd.DataFrame(rows), cards, dataset, notes)


def _about_people(claim: Claim) -> str:
    return f"Reported too: {claim.text}. No run can tell; see `bench study`."


def _rows(finding: Finding) -> Iterator[dict[str, Any]]:
    """Yield two cells, reported and measured; the latter with the places that the tests leave open."""
    numbers = finding.numbers or {}
    place = {
        "model": finding.claim.model,
        "scope": finding.domain,
        "metric": finding.metric,
        "models": numbers.get("of"),
    }
    yield place | {"domain": REPORTED, "value": finding.claim.rank, "low": None, "high": None, "reason": ""}
    ends = {"value": "rank", "low": "rank_low", "high": "rank_high"}
    found = {name: numbers.get(key) for name, key in ends.items()}
    yield place | {"domain": MEASURED} | found | {"reason": "" if found["value"] else finding.reason}
