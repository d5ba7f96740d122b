"""Writes the further tables of a finished run: by expression, pairs of models, truth, cost, confusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from fesbench.core.contracts import SHARE, Block, GeneratorCard, MetricCard
from fesbench.core.names import safe_name
from fesbench.review.claims import Claim, Finding, judge_claims, read_claims
from fesbench.review.robustness import KINDS, cells_by_move, read_robustness
from fesbench.statistics.breakdown import cells_by, confusion
from fesbench.statistics.classification import labels_of
from fesbench.statistics.comparisons import ALL, OOD
from fesbench.statistics.measures import PREDICTED, Measure, backend, measure_from, recorded_card, stem
from fesbench.statistics.metric_agreement import agreement
from fesbench.statistics.summary import with_joint

from ..tables.further import (
    MEASURED,
    REPORTED,
    confusion_table,
    cost_table,
    divided_table,
    group_table,
    moved_table,
    pair_table,
    place_table,
    truth_table,
)
from ..tables.table import Table
from .publish import Published, card_of, models_of

BY_EXPRESSION = ("ecs.probability", "ecs.auc")
"""Measures that the table by expression shows beside the headline ones."""
CEILING = "true targets (the judge's ceiling)"
"""The title of what a judge sees in real images."""


@dataclass(frozen=True)
class Results:
    """All that a finished run says of one data set, in the form that tables and figures want."""

    published: Published
    dataset: str

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The rows of ``scores.parquet`` of this data set, joint success added."""
        rows = self.published.store.read_scores()
        return with_joint(rows[rows["dataset"] == self.dataset], self.measures)[0]

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Column id to measure."""
        return {
            row["column"]: measure_from(row) for row in self.published.summary.measures.to_dict("records")
        }

    @cached_property
    def models(self) -> dict[str, Mapping[str, Any]]:
        """Generator name to card and block, as recorded."""
        return models_of(self.published.record, self.dataset)

    @cached_property
    def cards(self) -> dict[str, GeneratorCard]:
        """Generator name to card, in the order of the run."""
        return {name: card_of(entry["card"]) for name, entry in self.models.items()}

    @cached_property
    def blocks(self) -> dict[tuple[str, str], Block]:
        """(generator, data set) to block."""
        return {(name, self.dataset): entry["block"] for name, entry in self.models.items()}

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The cells of the summary."""
        cells = self.published.cells
        return cells[cells["dataset"] == self.dataset]

    @cached_property
    def domains(self) -> list[str]:
        """The domains and means over domains, in the order of the summary."""
        return list(dict.fromkeys(self.cells["domain"]))

    @cached_property
    def truths(self) -> list[str]:
        """Columns that compare single outputs with the truth."""
        return [column for column in self._compared if column in self._needing_truth]

    @cached_property
    def judged(self) -> list[str]:
        """Columns of single outputs that know nothing of the truth."""
        return [column for column in self._compared if column not in self._needing_truth]

    @cached_property
    def graded(self) -> list[str]:
        """Of each metric that needs no truth, the first column with more than two values."""
        columns = [name for name in self.judged if self.measures[name].unit != SHARE]
        of_metrics = ([name for name in card.column_names if name in columns] for card in self._metrics)
        first = {names[0] for names in of_metrics if names}
        return [name for name in columns if name in first]

    @cached_property
    def _metrics(self) -> list[MetricCard]:
        records = self.published.record["metrics"].values()
        return [recorded_card(record, self.measures) for record in records]

    @cached_property
    def _needing_truth(self) -> set[str]:
        return {name for card in self._metrics if card.needs_truth for name in card.column_names}

    @cached_property
    def _compared(self) -> list[str]:
        """Columns of single outputs that rank models, each finding once."""
        repeated = {
            column.name for card in self._metrics for column in card.described_columns if column.same_order
        }
        ranking = [measure.column for measure in self.measures.values() if measure.direction]
        return [column for column in ranking if column not in repeated and self._scored(column)]

    def _scored(self, column: str) -> bool:
        return bool(self.scores.loc[self.scores["metric"] == column, "value"].notna().any())

    @cached_property
    def truthfulness(self) -> pd.DataFrame:
        """τ of every judged column with every comparison to the truth, over models that are no controls."""
        return self.agreement([(column, truth) for truth in self.truths for column in self.judged])

    def agreement(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """τ of pairs of columns, over models that are no controls, in the order of domains."""
        controls = [name for name, card in self.cards.items() if card.control]
        found = agreement(self.scores, self.measures, pairs, controls)
        return found.assign(place=found["domain"].map(self.domains.index)).sort_values("place", kind="stable")

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The judges' labels, in our words, by the column of predicted labels."""
        cards = self.published.record["metrics"].items()
        found = {
            f"{PREDICTED}@{backend(name)}": labels
            for name, card in cards
            if (labels := labels_of(card["columns"]))
        }
        return {column: labels for column, labels in found.items() if self._scored(column)}

    @cached_property
    def moved(self) -> dict[str, pd.DataFrame]:
        """Kind of move in words to its cells, of headline columns; empty where nothing was measured."""
        rows = read_robustness(self.published.store, self.dataset)
        headline = {name: measure for name, measure in self.measures.items() if measure.headline}
        return {KINDS[kind]: cells for kind, cells in cells_by_move(rows, headline).items()}

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Seconds an output of each generator whose time is known."""
        known = self.published.record.get("synthesis", {})
        return {name: entry["seconds"] / entry["outputs"] for name, entry in known.items()}


def results_of(published: Published) -> list[Results]:
    """The results of each data set of a run that has any."""
    present = set(published.cells["dataset"])
    return [Results(published, name) for name in published.record["datasets"] if name in present]


def group_tables(results: Results, groups: pd.DataFrame) -> Iterator[tuple[str, list[Table]]]:
    """A table for each division of the subjects that concerns this data set, by the stem of its files.

    Args:
        results: The results of one data set.
        groups: What ``read_groups`` gave.
    """
    summary, subjects = results.published.summary, set(results.scores["subject"])
    for division in map(str, groups):
        known = groups.loc[groups.index.isin(subjects), division].dropna().astype(str)
        if len(known):
            scores = results.scores.assign(group=results.scores["subject"].map(known))
            cells = cells_by(scores, results.measures, "group").sort_values("domain", kind="stable")
            counts = {str(name): int(count) for name, count in known.value_counts().sort_index().items()}
            shared = (summary.measures, results.cards, results.blocks, results.dataset)
            yield f"groups-{safe_name(division)}", [group_table(cells, *shared, division, counts)]


def further_tables(results: Results) -> Iterator[tuple[str, list[Table]]]:
    """The tables of one data set, by the stem of their files; those that the data allow."""
    summary, dataset = results.published.summary, results.dataset
    shared = (summary.measures, results.cards, results.blocks, dataset)
    shown_too = summary.measures["column"].map(stem).isin(BY_EXPRESSION)
    measures = summary.measures.assign(headline=summary.measures["headline"] | shown_too)
    yield "expressions", [divided_table(summary.expressions, measures, *shared[1:], "expression")]
    differences = summary.differences
    if OOD in results.domains:
        differences = differences[differences["domain"] != ALL]
    pairs = pair_table(differences, *shared)
    ranked = [card.title or name for name, card in results.cards.items() if not card.control]
    truth = truth_table(results.truthfulness, dataset, ranked)
    device = results.published.record["device"]
    cost = cost_table(results.seconds, *shared[1:], f"{device['name']} ({device['device']})")
    reported = reported_table(results.published, dataset, results.cards)
    found = {"pairs": pairs, "truth": truth, "reported": reported, "cost": cost}
    yield from ((stem_, [table]) for stem_, table in found.items() if table)
    if results.moved:
        yield "robustness", [moved_table(cells, *shared, kind) for kind, cells in results.moved.items()]
    for column, labels in results.labels.items():
        seen = confusion(results.scores, column, labels)
        by_title = {CEILING: _ceiling(results, column)} | {
            results.cards[str(name)].title or str(name): part
            for name, part in seen.groupby("generator", sort=False)
        }
        tables = [
            confusion_table(part, labels, column, dataset, name)
            for name, part in by_title.items()
            if not part.empty
        ]
        yield f"confusion-{safe_name(backend(column))}", tables


def _ceiling(results: Results, column: str) -> pd.DataFrame:
    """How often a judge gave each label to the true targets, in the form of ``confusion``."""
    counts = [
        {"target": target, "predicted": label, "count": count}
        for item in results.published.record["ceilings"]
        if (item["dataset"], item["metric"]) == (results.dataset, f"ecs@{backend(column)}")
        for target, row in item["confusion"].items()
        for label, count in zip(item["labels"], row, strict=True)
    ]
    if not counts:
        return pd.DataFrame()
    seen = pd.DataFrame(counts).groupby(["target", "predicted"], sort=False)["count"].sum().reset_index()
    shares: pd.DataFrame = seen.assign(share=seen["count"] / seen.groupby("target")["count"].transform("sum"))
    return shares


def reported_table(published: Published, dataset: str, cards: Mapping[str, GeneratorCard]) -> Table | None:
    """The places of models in rankings, as published and as measured; see ``claims.yaml``.

    None where no model here has a published place by a metric of the run.
    """
    claims = [claim for claim in read_claims() if claim.model in cards]
    findings = judge_claims([claim for claim in claims if claim.rank is not None], published)
    rows = [row for found in findings if found.dataset == dataset for row in _rows(found)]
    if not rows:
        return None
    sources = dict.fromkeys(claim.source for claim in claims)
    sizes = dict.fromkeys(f"{row['models']} models are ranked here." for row in rows if row["models"])
    notes = [
        f"Source: {'; '.join(sources)}.",
        *sizes,
        *(_untold(claim) for claim in claims if claim.people),
    ]
    return place_table(pd.DataFrame(rows), cards, dataset, notes)


def _untold(claim: Claim) -> str:
    return f"Reported too: {claim.text}. No run can tell; see `bench study`."


def _rows(finding: Finding) -> Iterator[dict[str, object]]:
    """Two cells, reported and measured; the measured place has the places that the tests leave open."""
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
