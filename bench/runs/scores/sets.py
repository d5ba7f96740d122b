"""Scores of sets of outputs and their differences between models, from stored features."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...core.contracts import COPY, SetMetric
from ...core.plurals import counted
from ...core.reasons import UNSCORED
from ...scoring.scorer import Scorer
from ...scoring.sets import COLUMNS, Array, SetScore, set_score
from ...statistics.comparisons import DIFFERENCE_COLUMNS
from ...statistics.intervals import NONE
from ...statistics.jackknife import FEWEST_GROUPS, METHOD, SetEstimate, subject_groups
from ...statistics.multiplicity import holm
from ..models import Cell
from ..plan import INPUTS_TOO, DatasetPlan
from ..progress import SILENT, Listener
from ..store.parts import ShardParts
from .references import DomainReferences

log = logging.getLogger(__name__)


Rows = NDArray[np.bool_]


References = Mapping[str, Mapping[str, DomainReferences]]
"""Data set to domain to its reference images; empty for data sets without set metrics."""


AMONG_REFERENCES = "its images are among the references"


class SetResults(NamedTuple):
    """The results of set metrics.

    ``scores``: ``COLUMNS``, one row for each cell, domain and metric, with a 95% jackknife interval.
    ``differences``: ``comparisons.DIFFERENCE_COLUMNS``, one row for each two generators on the edits that
    both have outputs for. Numbers are NaN where ``reason`` says why.
    """

    scores: pd.DataFrame
    differences: pd.DataFrame


def set_results(
    parts: ShardParts,
    cells: Sequence[Cell],
    scorer: Scorer,
    references: References,
    listener: Listener = SILENT,
) -> SetResults:
    """Compute each set metric of each cell and domain, and each difference of two cells of one data set."""
    if scorer.set_metrics:
        listener.stage("scores of sets of outputs", len(scorer.set_metrics) * len(cells))
    comparisons = [
        _SetComparison(
            parts, metric, [c for c in cells if c.dataset.name == name], references[name], listener
        )
        for name in dict.fromkeys(cell.dataset.name for cell in cells)
        for metric in scorer.set_metrics
    ]
    return SetResults(
        pd.DataFrame([row for item in comparisons for row in item.scores()], columns=COLUMNS),
        pd.DataFrame([row for item in comparisons for row in item.differences()], columns=DIFFERENCE_COLUMNS),
    )


@dataclass(frozen=True)
class _SetComparison:
    """One set metric on one data set: the scores of all generators, and their differences.

    Generators may lack different outputs. Each is scored on all outputs it has, and each pair is compared on
    the outputs that both have.
    """

    parts: ShardParts
    metric: SetMetric
    cells: Sequence[Cell]
    references: Mapping[str, DomainReferences]
    listener: Listener

    def scores(self) -> Iterator[dict[str, object]]:
        """Yield the rows of all cells."""
        for cell in self.cells:
            name = cell.card.name
            for domain, here in self._domains.items():
                found = self._found[name, domain, (here & self._whole[name]).tobytes()]
                label = self._plan.references[domain].label
                yield {"generator": name, "references": label} | self._place(domain) | found.columns()

    def differences(self) -> Iterator[dict[str, object]]:
        """Yield the rows of all pairs, with Holm's adjustment within the domain."""
        for domain, here in self._domains.items():
            rows = [self._difference(*pair, domain, here) for pair in combinations(sorted(self._whole), 2)]
            adjusted = holm(np.array([row["p"] for row in rows], np.float64))
            yield from (row | {"p_holm": p} for row, p in zip(rows, adjusted, strict=True))

    def _difference(self, first: str, second: str, domain: str, here: Rows) -> dict[str, object]:
        both = here & self._whole[first] & self._whole[second]
        sides = [self._found[name, domain, both.tobytes()] for name in (first, second)]
        estimate, reason = SetEstimate(np.nan, np.nan, np.nan, np.nan), _reason(sides)
        if sides[0].replicates is not None and sides[1].replicates is not None:
            estimate = (sides[0].replicates - sides[1].replicates).estimate()
        counts = {
            "n_asked": int(here.sum()),
            "n_scored": int(both.sum()),
            "subjects": len(set(self._subjects[both])),
            "method": NONE if np.isnan(estimate.low) else METHOD,
        }
        found = estimate._asdict()
        found["difference"] = found.pop("value")
        pair = {"generator": first, "versus": second, "reason": reason}
        return self._place(domain) | pair | counts | found

    def _place(self, domain: str) -> dict[str, object]:
        return {"dataset": self._plan.name, "domain": domain, "metric": self.metric.card.id}

    @property
    def _plan(self) -> DatasetPlan:
        return self.cells[0].dataset

    @cached_property
    def _subjects(self) -> NDArray[np.str_]:
        return np.array([edit.source.subject for edit in self._plan.edits])

    @cached_property
    def _domains(self) -> dict[str, Rows]:
        """Domain to a mask of its edits."""
        of_edits = np.array([edit.source.domain for edit in self._plan.edits])
        return {domain: of_edits == domain for domain in self._plan.dataset.domains}

    @cached_property
    def _groups(self) -> NDArray[np.int64]:
        """(N,) the group of each edit's subject within its domain."""
        groups = np.zeros(len(self._subjects), np.int64)
        for here in self._domains.values():
            groups[here] = subject_groups(self._subjects[here])
        return groups

    @cached_property
    def _present(self) -> dict[str, tuple[Rows, int]]:
        """Generator to a mask of the edits with usable outputs, and the number of shards without features."""
        found = {}
        for cell in self.cells:
            stored = list(self._stored(cell))
            lost = sum(part is None for part in stored)
            found[cell.card.name] = _usable(self._joined(stored)), lost
        return found

    @cached_property
    def _whole(self) -> dict[str, Rows]:
        """Generator to a mask of the edits that it has usable outputs for."""
        return {name: rows for name, (rows, _) in self._present.items()}

    @cached_property
    def _found(self) -> dict[tuple[str, str, bytes], SetScore]:
        """Generator, domain and mask of edits to score: of all outputs, and of those shared with another."""
        found = {}
        for cell in self.cells:
            name, outputs = cell.card.name, self._features(cell)
            self.listener.step(f"{self.metric.card.id} of {name} on {self._plan.name}")
            for domain, here in self._domains.items():
                shared = np.array([here & self._whole[name] & other for other in self._whole.values()])
                for rows in np.unique(shared, axis=0):
                    found[name, domain, rows.tobytes()] = self._score(name, domain, outputs[rows], rows)
        return found

    def _score(self, name: str, domain: str, outputs: Array, rows: Rows) -> SetScore:
        network = self.metric.network.card.name
        real = self.references[domain].features[network] if domain in self.references else outputs[:0]
        if lost := self._present[name][1]:
            reason = f"{UNSCORED}{network} failed on {counted(lost, 'shard')}; the same command tries again"
            return SetScore(len(outputs), len(real), reason=reason)
        if name == COPY and self._plan.references[domain].label == INPUTS_TOO:
            return SetScore(len(outputs), len(real), reason=AMONG_REFERENCES)
        return set_score(self.metric, outputs, self._groups[rows], real)

    def _features(self, cell: Cell) -> Array:
        """Return (N, d) features of all outputs, NaN where there is none or the network failed."""
        return self._joined(self._stored(cell))

    def _stored(self, cell: Cell) -> Iterator[Array | None]:
        """Yield the features of each shard; None where the network failed on it."""
        network, name, dataset = self.metric.network.card.name, cell.card.name, self._plan.name
        for shard in range(len(self._plan.shards)):
            yield self.parts.read_features(name, dataset, shard).get(network)

    def _joined(self, stored: Iterable[Array | None]) -> Array:
        dimension = self.metric.network.card.dimension
        return np.concatenate(
            [
                np.full((len(edits), dimension), np.nan, np.float32) if found is None else found
                for edits, found in zip(self._plan.shards, stored, strict=True)
            ]
        )


def _usable(features: Array) -> Rows:
    rows: Rows = np.logical_and.reduce(np.isfinite(features), axis=1)
    return rows


def _reason(sides: Iterable[SetScore]) -> str:
    """Return why a difference or its interval does not exist; empty where both do."""
    for side in sides:
        if side.replicates is None:
            return str(side.reason)
        if len(side.replicates.sizes) < FEWEST_GROUPS:
            return f"an interval needs at least {FEWEST_GROUPS} subjects"
    return ""
