"""Answers as numbers: a table with a row for each answer and a column for each model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fesbench.core.contracts import Floats
from fesbench.statistics.comparisons import ALL, IN_DISTRIBUTION
from fesbench.statistics.two_way import Clusters

from ..schema import GENUINE, IMPOSTOR, Form, ItemKey, Key, Question, Response, StimulusKey, Study, Trial
from ..wording import SAME


@dataclass(frozen=True)
class Answers:
    """The answers to one question.

    ``values`` is (N, K) float64, a column for each of ``columns`` (models, controls and real pairs): 1 for
    the chosen one of several, the rating, or 1 where the expression is named correctly or "same" is answered;
    NaN where the answer does not concern the column. ``meant`` is the answer independent of slots: the chosen
    model, or the choice itself. ``units`` identifies answers to the same images, for agreement.
    """

    question: Question
    columns: tuple[str, ...]
    values: Floats
    participants: NDArray[np.object_]
    items: NDArray[np.object_]
    domains: NDArray[np.object_]
    expressions: NDArray[np.object_]
    units: NDArray[np.object_]
    meant: NDArray[np.object_]
    options: int
    """The number of choices; by chance each is chosen with probability 1 / ``options``."""

    def __len__(self) -> int:
        return len(self.values)

    @property
    def clusters(self) -> Clusters:
        """The participant and the item of each answer."""
        return Clusters.of(self.participants, self.items)  # type: ignore[arg-type]

    def column(self, name: str) -> Floats:
        """Return the (N,) values of one column."""
        found: Floats = self.values[:, self.columns.index(name)]
        return found

    def where(self, rows: NDArray[np.bool_]) -> Answers:
        """Return some of the answers."""
        arrays = {name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)}
        return Answers(**(vars(self) | arrays))

    def scopes(self) -> Iterator[tuple[str, Answers]]:
        """Yield the answers of each domain, if there are several, the training domain first; then all."""
        names = sorted(set(self.domains), key=lambda name: (name != IN_DISTRIBUTION, name))
        if len(names) > 1:
            yield from ((str(name), self.where(self.domains == name)) for name in names)
        yield ALL, self


@dataclass(frozen=True)
class _Row:
    participant: str
    item: str
    domain: str
    expression: str
    unit: str
    meant: str
    values: Mapping[str, float]
    options: int


def gather(study: Study, forms: Sequence[Form], key: Key, responses: Sequence[Response]) -> list[Answers]:
    """Return the answers to each question, from main trials only.

    Args:
        study: The study.
        forms: All its forms.
        key: Its key.
        responses: The responses of the participants that are kept.
    """
    trials = {trial.id: trial for form in forms for trial in form.trials}
    about = {trial.id: trial for trial in key.trials}
    stimuli = {stimulus.name: stimulus for stimulus in key.stimuli}
    items = {item.id: item for item in key.items}
    rows: dict[Question, list[_Row]] = {question: [] for question in study.questions}
    for one in responses:
        if about[one.trial_id].kind == "main":
            trial = trials[one.trial_id]
            item = items[str(about[trial.id].item)]
            rows[trial.question].append(_row(study, one, trial, item, stimuli))
    columns = [*key.models, *key.anchors]
    if study.design == "same-different":
        columns += [GENUINE, IMPOSTOR]
    return [_answers(question, tuple(columns), found) for question, found in rows.items() if found]


def _row(
    study: Study, one: Response, trial: Trial, item: ItemKey, stimuli: Mapping[str, StimulusKey]
) -> _Row:
    shown = [stimuli[name] for name in trial.stimuli]
    names = [stimulus.entrant for stimulus in shown]
    several = len(shown) > 1
    chosen = stimuli[trial.chosen(one.answer)].entrant
    return _Row(
        participant=one.participant,
        item=item.id,
        domain=item.domain,
        expression=item.expression,
        unit=" ".join([item.id, *sorted(names)]),
        meant=chosen if several else one.answer,
        values={name: float(name == chosen) for name in names}
        if several
        else {names[0]: _value(study, one, shown[0])},
        options=len(trial.choices),
    )


def _value(study: Study, one: Response, shown: StimulusKey) -> float:
    """Return the value of an answer about a single image."""
    if study.design == "rating":
        return float(one.answer)
    return float(one.answer == (shown.expression if study.design == "naming" else SAME))


def _answers(question: Question, columns: tuple[str, ...], rows: Sequence[_Row]) -> Answers:
    frame = pd.DataFrame([row.values for row in rows], columns=list(columns))
    texts = {
        name: np.array([getattr(row, singular) for row in rows], dtype=object)
        for name, singular in _TEXTS.items()
    }
    present = frame.columns[frame.notna().any()]
    return Answers(
        question=question,
        columns=tuple(present),
        values=frame[present].to_numpy(np.float64),
        options=max(row.options for row in rows),
        **texts,
    )


_TEXTS = {
    "participants": "participant",
    "items": "item",
    "domains": "domain",
    "expressions": "expression",
    "units": "unit",
    "meant": "meant",
}
