"""The results of a study, and the scores of its run that they are compared with.

Every frame has a row for each number, with the columns value, low, high, p, n (answers), participants, items
and reason after those that identify it. Shares are between 0 and 1. Missing numbers are NaN with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ..schema import Rater, Study
from .answers import Answers


@dataclass(frozen=True)
class Metric:
    """A column of the run's scores; ``higher`` says that more is better."""

    id: str
    higher: bool


@dataclass(frozen=True)
class RunScores:
    """The metrics' scores of the images that the study shows.

    ``outputs`` has the columns dataset, generator, edit, metric and value. ``models`` has the columns
    generator, metric and value: one row for each model and metric, set metrics included.
    """

    metrics: tuple[Metric, ...]
    outputs: pd.DataFrame
    models: pd.DataFrame


@dataclass(frozen=True)
class Analysis:
    """All results of a study; ``focus`` is the model that the differences are measured from.

    ``controls`` are shown and never ranked: controls of the run and real pairs.

    - ``shares``: question, domain, model; with ``bootstrap_low`` and ``bootstrap_high``.
    - ``differences``: question, domain, versus, best (whether ``versus`` is the best competitor there), kind
      ('points' or 'ratio'); for choices also wins, losses and their exact ``p_exact``; ``p_holm`` and
      ``p_exact_holm`` are adjusted over competitors within (question, domain, kind).
    - ``overall``: question, domain, p of equal shares.
    - ``strengths``: question, domain, model. ``wins``: question, model, versus, wins, losses, value.
    - ``agreement``: question. ``confusion``: model, target, predicted, count, share.
    - ``sensitivity``: domain, model: d′ against images of other people.
    - ``correlations``: question, metric, level ('image' or 'model'); positive where the metric agrees.
    """

    study: Study
    focus: str
    titles: Mapping[str, str]
    controls: frozenset[str]
    raters: Sequence[Rater]
    flow: Sequence[tuple[str, int]]
    answers: Sequence[Answers]
    shares: pd.DataFrame
    differences: pd.DataFrame
    overall: pd.DataFrame
    strengths: pd.DataFrame
    wins: pd.DataFrame
    agreement: pd.DataFrame
    confusion: pd.DataFrame
    sensitivity: pd.DataFrame
    correlations: pd.DataFrame

    def frames(self) -> dict[str, pd.DataFrame]:
        """Return the frames that have rows, by name."""
        found = {name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)}
        return {name: frame for name, frame in found.items() if len(frame)}
