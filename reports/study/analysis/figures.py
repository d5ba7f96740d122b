"""The figures of a study."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd
from matplotlib.figure import Figure

from fesbench.statistics.comparisons import ALL

from ...figures.canvas import Axis, Model, models_of
from ...figures.matrices import confusions
from ...figures.preferences import forest, win_matrix
from ...figures.scores import dots
from ..wording import NONE
from .results import Analysis
from .tables import printed_names, scaled, value_title

NamedFigure = tuple[str, str, Figure]
"""The stem of the file, a title and the figure."""


def study_figures(analysis: Analysis) -> Iterator[NamedFigure]:
    """Yield every figure that the design allows."""
    models = _models(analysis, analysis.shares["model"])
    yield from _shares(analysis, models)
    if len(analysis.differences):
        yield _forest(analysis)
    if len(analysis.wins):
        pairs = _models(analysis, analysis.wins["model"])
        yield "wins", "who wins against whom", win_matrix(analysis.wins, pairs)
    if len(analysis.confusion):
        yield "confusion", "what faces were named", _confusion(analysis, models)


def _shares(analysis: Analysis, models: Sequence[Model]) -> Iterator[NamedFigure]:
    title, unit, factor = value_title(analysis)
    shares = analysis.shares.assign(complete=analysis.shares["value"].notna())
    cells = scaled(shares.rename(columns={"model": "generator", "question": "metric"}), factor)
    for question in dict.fromkeys(cells["metric"]):
        part = cells[cells["metric"] == question]
        axis, domains = Axis(str(question), "higher", f"{title}, {unit}"), list(dict.fromkeys(part["domain"]))
        yield f"shares-{question}", f"{title}: {question}", dots(part, models, axis, domains)


def _forest(analysis: Analysis) -> NamedFigure:
    _, _, factor = value_title(analysis)
    points = analysis.differences
    points = scaled(points[(points["domain"] == ALL) & (points["kind"] == "points")], factor)
    others = _models(analysis, points["versus"])
    focus = analysis.titles.get(analysis.focus, analysis.focus)
    axis_unit = "percentage points" if factor > 1 else "points"
    return "forest", f"{focus} against each model", forest(points, others, focus, axis_unit)


def _confusion(analysis: Analysis, models: Sequence[Model]) -> Figure:
    shares = analysis.confusion.rename(columns={"model": "generator"})
    named = [*dict.fromkeys([*shares["target"], *shares["predicted"]])]
    labels = sorted((name for name in named if name != NONE), key=str)
    return confusions(shares, models, [*labels, *([NONE] if NONE in named else [])], "people")


def _models(analysis: Analysis, names: pd.Series[str]) -> list[Model]:
    titles = printed_names(analysis)
    unique = dict.fromkeys(names)
    return models_of([(name, titles.get(name, name), name in analysis.controls) for name in unique])
