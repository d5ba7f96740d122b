"""Writes the further tables of a finished run: by expression, pairs of models, truth, cost, confusion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from fesbench.datasets.expressions import canonical
from fesbench.datasets.names import safe_name
from fesbench.reports.appendix import confusion_table, cost_table, divided_table, pair_table, truth_table
from fesbench.reports.tables import Block, Table

from ..contracts import GeneratorCard
from ..statistics.agreement import agreement
from ..statistics.breakdown import cells_by, confusion
from ..statistics.comparisons import ALL, OOD
from ..statistics.measures import Measure, backend, measure_from, stem
from ..statistics.summary import with_joint
from .publish import Published, card_of

PREDICTED = "ecs.predicted"
SAME_ORDER = ("fss.distance",)
"""Columns that rank exactly as another one does: showing both would count one finding twice."""


@dataclass(frozen=True)
class Results:
    """All that a finished run says of one data set, in the form that tables and figures want."""

    published: Published
    dataset: str

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The rows of ``scores.parquet`` of this data set, joint success added."""
        rows = pd.read_parquet(self.published.store.folder / "scores.parquet")
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
        found = self.published.record["models"].items()
        return {name: entry[self.dataset] for name, entry in found if self.dataset in entry}

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
        """Columns that measure the error to the truth."""
        columns = [
            column
            for card in self.published.record["metrics"].values()
            if card["needs_truth"]
            for column in card["columns"]
        ]
        return [column for column in columns if column in self.measures and self._scored(column)]

    @cached_property
    def judged(self) -> list[str]:
        """Columns of single outputs that know nothing of the truth."""
        known = [column for column in self.measures if column not in self.truths and self._scored(column)]
        return [column for column in known if stem(column) not in SAME_ORDER]

    def _scored(self, column: str) -> bool:
        return bool((self.scores["metric"] == column).any())

    @cached_property
    def truthfulness(self) -> pd.DataFrame:
        """τ of every judged column with every error to the truth, over models that are no controls."""
        return self.agreement([(column, truth) for truth in self.truths for column in self.judged])

    def agreement(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """τ of pairs of columns, over models that are no controls, in the order of domains."""
        controls = [name for name, card in self.cards.items() if card.control]
        found = agreement(self.scores, self.measures, pairs, controls)
        return found.assign(place=found["domain"].map(self.domains.index)).sort_values("place", kind="stable")

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """The judges' labels, in our words, by the column of predicted labels."""
        found = {}
        for column in dict.fromkeys(self.scores["metric"]):
            judges = [
                network["labels"]
                for network in self.published.record["networks"].values()
                if network["labels"] and network["backend"] == backend(column)
            ]
            if stem(column) == PREDICTED and len(judges) == 1:
                found[column] = tuple(map(canonical, judges[0]))
        return found

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
    summary = results.published.summary
    for name in groups:
        scores = results.scores.assign(group=results.scores["subject"].map(groups[name]))
        if scores["group"].notna().any():
            cells = cells_by(scores, results.measures, "group").sort_values("domain", kind="stable")
            table = divided_table(
                cells, summary.measures, results.cards, results.blocks, results.dataset, str(name)
            )
            yield f"groups-{safe_name(str(name))}", [table]


def further_tables(results: Results) -> Iterator[tuple[str, list[Table]]]:
    """The tables of one data set, by the stem of their files; those that the data allow."""
    summary, dataset = results.published.summary, results.dataset
    shared = (summary.measures, results.cards, results.blocks, dataset)
    parts = cells_by(results.scores, results.measures, "target")
    yield "expressions", [divided_table(parts, *shared, "expression")]
    shown = (
        summary.differences[summary.differences["domain"] != ALL]
        if OOD in results.domains
        else (summary.differences)
    )
    pairs = pair_table(shown, *shared)
    ranked = [card.title or name for name, card in results.cards.items() if not card.control]
    truth = truth_table(results.truthfulness, dataset, ranked)
    device = results.published.record["device"]
    cost = cost_table(results.seconds, *shared[1:], f"{device['name']} ({device['device']})")
    found = {"pairs": pairs, "truth": truth, "cost": cost}
    yield from ((stem_, [table]) for stem_, table in found.items() if table)
    for column, labels in results.labels.items():
        seen = confusion(results.scores, column, labels)
        yield f"confusion-{safe_name(backend(column))}", [
            confusion_table(part, labels, column, dataset, results.cards[str(name)].title or str(name))
            for name, part in seen.groupby("generator", sort=False)
        ]  # fmt: skip
