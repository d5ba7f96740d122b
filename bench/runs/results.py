"""What a finished run found: its record, its summary and its scores, read from the run directory."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import inf
from pathlib import Path
from typing import NamedTuple, Self

import pandas as pd

from ..core.contracts import SHARE, Block, GeneratorCard, MetricCard
from ..core.errors import BenchError
from ..core.reasons import Reason, have_reason
from ..metrics.registry import metric_id
from ..statistics.breakdown import CONFUSION_COLUMNS
from ..statistics.classification import labels_of
from ..statistics.comparisons import CELL_COLUMNS, DIFFERENCE_COLUMNS, RANK_COLUMNS, gain_over, ranks
from ..statistics.measures import OUTPUT, PREDICTED, Measure, backend, stem
from ..statistics.metric_agreement import agreement
from ..statistics.summary import FRAMES, Summary, with_joint
from ..statistics.trainings import Trainings, over_trainings
from .spec import RunSpec
from .store.records import (
    CalibrationRecord,
    ColumnRecord,
    DatasetRecord,
    Identities,
    MetricRecord,
    ModelRecord,
    RunRecord,
)
from .store.store import SCORED, SUMMARY, RunStore, UncheckedStore

_SAME_ORDER = ("fss.distance", "fss.truth", "psnr.face", "psnr.changed")
"""Stems of columns with ``Column.same_order``, in records of versions that did not store it."""


class Place(NamedTuple):
    """Where a column of scores is summarised."""

    dataset: str
    domain: str
    metric: str


@dataclass(frozen=True)
class RunResults:
    """A run that has come to its end. ``open`` checks that it has."""

    store: RunStore
    record: RunRecord
    summary: Summary

    @classmethod
    def open(cls, location: Path | str) -> Self:
        """Return the results in the folder of a run.

        Raises:
            BenchError: the folder holds no run, the run was not finished, or its files are damaged.
        """
        return cls._of_finished(RunStore(location))

    @classmethod
    def open_unchecked(cls, location: Path | str) -> Self:
        """Return the results in the folder of a run as they are, whatever the recorded digests of its files.

        Raises:
            BenchError: as for ``open``.
        """
        return cls._of_finished(UncheckedStore(location))

    @classmethod
    def _of_finished(cls, store: RunStore) -> Self:
        record, location = store.record, store.location
        if record.is_new:
            raise BenchError(
                f"{location} holds no run: there is no run.json; give a folder that `bench run` wrote"
            )
        if record.spec and record.spec.part:
            raise BenchError(
                f"{location} holds {record.spec.part.title} of a run, which has no results of its own; give "
                "the folder that `bench merge` wrote"
            )
        missing = store.missing_results()
        if missing or record.status == "started":
            raise BenchError(
                f"the run in {location} was not finished{f' ({missing[0]} is missing)' if missing else ''}; "
                "run its command again: it continues where it was stopped"
            )
        return cls.read(store)

    @classmethod
    def read(cls, store: RunStore) -> Self:
        """Return the results in a run directory, whatever the status of the run.

        Raises:
            BenchError: its files are damaged, or of another version.
        """
        record = store.record
        try:
            if record.spec is None:
                raise ValueError("run.json holds no specification")
            return cls(store, record, _read_summary(store))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            path = store.place(SUMMARY)
            raise BenchError(
                f"{path} or run.json beside it is damaged or of another version ({error!r}); run the same "
                "command again: the tables are made anew from the stored scores"
            ) from error

    @property
    def location(self) -> str:
        """The folder or URL of the run, for messages."""
        return self.store.location

    @property
    def name(self) -> str:
        """The last part of the location."""
        return self.store.name

    @property
    def spec(self) -> RunSpec:
        """What the run was asked to do."""
        assert self.record.spec is not None
        return self.record.spec

    @cached_property
    def identities(self) -> Identities:
        """What tells models, metrics and networks of the run from later versions."""
        return self.store.identities

    def exit_code(self, asked: Collection[str]) -> int:
        """Return 1 where a model or an asked metric could not be used or failed, or an edit has no output.

        Args:
            asked: The ids of the metrics that somebody asked for; what becomes of others counts for nothing.
        """
        others = _others(self.spec, asked)
        unusable = self.record.unavailable.keys() - others
        return 1 if unusable or self.record.failed or self._failed_metrics() - others else 0

    def _failed_metrics(self) -> set[str]:
        """Return the ids of the metrics that failed on an output or a set."""
        if not self.record.unscored:
            return set()
        columns: set[str] = set()
        for rows in (self.scores, self.summary.cells):
            columns |= {*rows.loc[have_reason(rows["reason"], Reason.UNSCORED), "metric"]}
        return {name for name, card in self.record.metrics.items() if columns & {*card.column_names}}

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The rows of ``scores.parquet``, with the columns of ``scoring.score_rows.SCORES``."""
        rows = self.store.read_scores()
        answered = rows[rows["metric"] == OUTPUT].groupby(["dataset", "generator"]).size()
        for dataset, generators in self.record.outputs.items():
            for generator, counts in generators.items():
                if answered.get((dataset, generator), 0) != counts.asked:
                    raise BenchError(
                        f"{self.store.place(SCORED)} does not hold all rows of {generator} on {dataset}: "
                        f"{answered.get((dataset, generator), 0)} of {counts.asked} edits; run the same "
                        "command again: it is made anew from the parts"
                    )
        return rows

    @cached_property
    def cells(self) -> pd.DataFrame:
        """``CELL_COLUMNS``: one row for each generator, data set, domain and metric."""
        return self.summary.cells.reindex(columns=CELL_COLUMNS)

    @cached_property
    def differences(self) -> pd.DataFrame:
        """``DIFFERENCE_COLUMNS``: each two generators on the edits that they share."""
        return self.summary.differences.reindex(columns=DIFFERENCE_COLUMNS)

    @cached_property
    def measures(self) -> dict[str, Measure]:
        """Column id to direction, range and unit."""
        frame = self.summary.measures[[field.name for field in fields(Measure)]]
        closed = frame.assign(low=frame["low"].fillna(-inf), high=frame["high"].fillna(inf))
        ranked = closed["direction"].astype(object).where(closed["direction"].notna(), None)
        known = [Measure(*row) for row in closed.assign(direction=ranked).itertuples(index=False, name=None)]
        return {measure.column: measure for measure in known}

    @cached_property
    def metrics(self) -> Sequence[MetricCard]:
        """The cards of the metrics, with every column described."""
        return [self._described(record) for record in self.record.metrics.values()]

    def _described(self, record: MetricRecord) -> MetricCard:
        """Return the card of a record, which the summary completes where it holds no details."""
        if record.details:
            return record
        return replace(record, details=tuple(self._column(name) for name in record.column_names))

    def _column(self, name: str) -> ColumnRecord:
        measure = self.measures.get(name)
        if measure is None:
            return ColumnRecord(name, name, score=False)
        return ColumnRecord(
            *(name, measure.title, measure.direction, measure.low, measure.high, measure.unit),
            headline=measure.headline,
            same_order=stem(name) in _SAME_ORDER,
        )

    @cached_property
    def blocks(self) -> dict[tuple[str, str], Block]:
        """(generator, data set) to block."""
        models = self.record.models.items()
        return {(name, data): entry.block for name, entries in models for data, entry in entries.items()}

    @cached_property
    def trainings(self) -> Trainings:
        """Which generators are trainings of which model."""
        cards = {name: next(iter(entries.values())).card for name, entries in self.record.models.items()}
        fixed = {name for name, card in cards.items() if card.control or name in self.record.fits}
        return Trainings({name: card.training_of or name for name, card in cards.items()}, fixed)

    @cached_property
    def over_trainings(self) -> RunResults:
        """The results with one entry for each model, the mean over its trainings.

        Cells, differences, ranks, gains and the models of the record are those of models; scores and all
        else are as they are. The results themselves where no model has several trainings.
        """
        if not self.trainings.several:
            return self
        cells, differences = over_trainings(self.cells, self.differences, self.measures, self.trainings)
        models = {
            self.trainings.model_of[name]: {data: _model_of(entry) for data, entry in entries.items()}
            for name, entries in self.record.models.items()
        }
        blocks = {(name, data): entry.block for name, of in models.items() for data, entry in of.items()}
        found = replace(
            self.summary,
            cells=cells,
            differences=differences,
            ranks=ranks(cells, differences, self.measures, blocks, self.unfit),
            gains=gain_over(differences),
        )
        return replace(self, record=self.record.model_copy(update={"models": models}), summary=found)

    @cached_property
    def unfit(self) -> frozenset[Place]:
        """Where a set metric cannot rank models."""
        found = self.record.calibrations
        return frozenset(
            Place(item.dataset, item.domain, item.metric) for item in found if not item.fit_to_rank
        )

    @cached_property
    def datasets(self) -> list[DatasetResults]:
        """The results of each data set that has scores of a model, in the order of the record."""
        present = set(self.cells["dataset"])
        return [
            DatasetResults(self, name)
            for name in self.record.datasets
            if name in present and self.record.models_on(name)
        ]

    def dataset(self, name: str) -> DatasetResults:
        """Return the results of one data set.

        Raises:
            BenchError: the run has none.
        """
        for results in self.datasets:
            if results.dataset == name:
                return results
        raise BenchError(f"the run in {self.location} has no results on {name}")


def _model_of(training: ModelRecord) -> ModelRecord:
    """Return the entry of the model that a training is one of."""
    card = training.card
    if not card.training_of:
        return training
    title = card.title.removesuffix(f" ({card.name.removeprefix(card.training_of)[1:]})")
    model = replace(card, name=card.training_of, title=title, training_of="")
    return training.model_copy(update={"card": model})


def part_exit_code(record: RunRecord, asked: Collection[str]) -> int:
    """Return the same as ``RunResults.exit_code`` for a part of a run; each metric that failed counts."""
    assert record.spec is not None
    unusable = record.unavailable.keys() - _others(record.spec, asked)
    return 1 if unusable or record.failed or record.unscored else 0


def _others(spec: RunSpec, asked: Collection[str]) -> set[str]:
    """Return the ids of the metrics that nobody asked for."""
    return {metric_id(name, spec.backend) for name in spec.metrics} - {*asked}


def _read_summary(store: RunStore) -> Summary:
    content = store.read_summary()
    frames = {name: _frame(content[name], _COLUMNS.get(name)) for name in FRAMES}
    return Summary(notes=tuple(content["notes"]), methods=tuple(content["methods"]), **frames)


def _frame(rows: list[dict[str, object]], columns: list[str] | None) -> pd.DataFrame:
    """Return the rows of a frame; numbers are floats, NaN where they are missing."""
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(**{name: frame[name].astype(float) for name in _FLOATS if name in frame})


_FLOATS = ("value", "low", "high", "difference", "p", "p_holm")


_COLUMNS = {
    "differences": DIFFERENCE_COLUMNS,
    "gains": DIFFERENCE_COLUMNS,
    "ranks": RANK_COLUMNS,
    "confusion": ["judge", *CONFUSION_COLUMNS],
}
"""The columns of frames that may have no rows."""


@dataclass(frozen=True)
class DatasetResults:
    """What a run found on one data set."""

    run: RunResults
    dataset: str

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The rows of ``scores.parquet`` of this data set, joint success added."""
        rows = self.run.scores
        return with_joint(rows[rows["dataset"] == self.dataset], self.run.measures)[0]

    @property
    def record(self) -> DatasetRecord:
        """What the run recorded of the data set."""
        return self.run.record.datasets[self.dataset]

    @property
    def measures(self) -> Mapping[str, Measure]:
        """Column id to direction, range and unit."""
        return self.run.measures

    @cached_property
    def headline(self) -> dict[str, Measure]:
        """The measures that main tables show."""
        return {name: measure for name, measure in self.measures.items() if measure.headline}

    @cached_property
    def models(self) -> dict[str, ModelRecord]:
        """Generator name to card and block, in the order in which the run was asked for them."""
        return self.run.record.models_on(self.dataset)

    @cached_property
    def cards(self) -> dict[str, GeneratorCard]:
        """Generator name to card, in the same order."""
        return {name: entry.card for name, entry in self.models.items()}

    @cached_property
    def blocks(self) -> dict[tuple[str, str], Block]:
        """(generator, data set) to block."""
        return {(name, self.dataset): entry.block for name, entry in self.models.items()}

    @cached_property
    def compared(self) -> list[str]:
        """The names of the models that are no controls."""
        return [name for name, card in self.cards.items() if not card.control]

    @cached_property
    def cells(self) -> pd.DataFrame:
        """The cells of the summary."""
        cells = self.run.cells
        return cells[cells["dataset"] == self.dataset]

    @cached_property
    def domains(self) -> list[str]:
        """The domains and means over domains, in the order of the summary."""
        return list(dict.fromkeys(self.cells["domain"]))

    @cached_property
    def calibrations(self) -> list[CalibrationRecord]:
        """Whether each set metric can rank models in each domain."""
        return [item for item in self.run.record.calibrations if item.dataset == self.dataset]

    @cached_property
    def unfit(self) -> list[tuple[str, str]]:
        """(domain, metric) where a set metric cannot rank models."""
        return [(item.domain, item.metric) for item in self.calibrations if not item.fit_to_rank]

    @cached_property
    def truths(self) -> list[str]:
        """Columns that compare single outputs with the truth."""
        return [column for column in self._compared_by if column in self.needing_truth]

    @cached_property
    def judged(self) -> list[str]:
        """Columns of single outputs that know nothing of the truth."""
        return [column for column in self._compared_by if column not in self.needing_truth]

    @cached_property
    def graded(self) -> list[str]:
        """Of each metric that needs no truth, the first column with more than two values."""
        columns = [name for name in self.judged if self.measures[name].unit != SHARE]
        of_metrics = ([name for name in card.column_names if name in columns] for card in self.run.metrics)
        first = {names[0] for names in of_metrics if names}
        return [name for name in columns if name in first]

    @cached_property
    def needing_truth(self) -> set[str]:
        """Columns of metrics that compare outputs with the truth."""
        return {column for card in self.run.metrics if card.needs_truth for column in card.column_names}

    @cached_property
    def _compared_by(self) -> list[str]:
        """Columns of single outputs that rank models, each finding once."""
        columns = (column for card in self.run.metrics for column in card.described_columns)
        repeated = {column.name for column in columns if column.same_order}
        ranking = [measure.column for measure in self.measures.values() if measure.direction]
        return [column for column in ranking if column not in repeated and self._scored(column)]

    def _scored(self, column: str) -> bool:
        return bool(self.scores.loc[self.scores["metric"] == column, "value"].notna().any())

    @cached_property
    def truthfulness(self) -> pd.DataFrame:
        """τ of every judged column with every comparison to the truth, over models that are no controls."""
        return self.agreement([(column, truth) for truth in self.truths for column in self.judged])

    def agreement(self, pairs: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """Return τ of pairs of columns, over models that are no controls, in the order of domains."""
        controls = [name for name, card in self.cards.items() if card.control]
        found = agreement(self.scores, self.measures, pairs, controls)
        return found.assign(place=found["domain"].map(self.domains.index)).sort_values("place", kind="stable")

    @cached_property
    def labels(self) -> dict[str, tuple[str, ...]]:
        """Column of predicted labels to the labels of the expression classifier, as the suite names them."""
        found = {
            f"{PREDICTED}@{backend(card.id)}": labels
            for card in self.run.metrics
            if (labels := labels_of(card.column_names))
        }
        return {column: labels for column, labels in found.items() if self._scored(column)}

    @cached_property
    def seconds(self) -> dict[str, float]:
        """Seconds an output of each generator whose time is known."""
        return {name: entry.seconds / entry.outputs for name, entry in self.run.record.synthesis.items()}
