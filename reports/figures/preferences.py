"""Figures of a human study: how far a model is ahead of each other one, and who wins against whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import INK, SMALL, Model, blank, drawn, panels, plain, styled

_DARK = 0.55
"""A cell further than this from an even match has white text."""


@styled
def forest(differences: pd.DataFrame, models: Sequence[Model], focus: str, unit: str) -> Figure:
    """Differences between one model and each other one, with their intervals; a panel for each question.

    Args:
        differences: question, versus, value, low, high, best, in the unit of the axis.
        models: The other models, from top to bottom.
        focus: The label of the one.
        unit: Of the axis.
    """
    questions = list(dict.fromkeys(differences["question"]))
    figure, axes = panels(len(questions), len(questions), 0.5 + 0.19 * len(models), sharey=True, sharex=True)
    for panel, question in zip(axes, questions, strict=True):
        part = differences[differences["question"] == question].set_index("versus")
        panel.axvline(0, color=INK, linewidth=0.6, zorder=0)
        for place, model in enumerate(models):
            if model.name in part.index:
                _whisker(panel, place, model, part.loc[model.name])
        panel.set_title(plain(question, 24))
        panel.grid(axis="x")
        panel.set_yticks(range(len(models)), [model.label for model in models])
        panel.set_ylim(len(models) - 0.5, -0.5)
        panel.tick_params(axis="y", length=0)
    filled = "\n(filled: best competitor)" if differences["best"].any() else ""
    figure.supxlabel(f"{plain(focus, 28)} ahead, {unit}{filled}", fontsize=7)
    return figure


def _whisker(axes: Axes, place: int, model: Model, row: Mapping[str, float]) -> None:
    """A marker with its interval: filled for the best competitor, hollow for the others."""
    look = drawn(model) | {"markerfacecolor": model.look.color if row["best"] else "white"}
    known = not (np.isnan(row["low"]) or np.isnan(row["high"]))
    ends = [[row["value"] - row["low"]], [row["high"] - row["value"]]] if known else None
    axes.errorbar([row["value"]], [place], xerr=ends, markersize=4, elinewidth=1.0, capsize=1.8, **look)


@styled
def win_matrix(wins: pd.DataFrame, models: Sequence[Model]) -> Figure:
    """Of the votes for one of two models, the percentage for the one on the left; a panel for each question.

    Args:
        wins: question, model, versus, value in [0, 1].
        models: In the order of rows and columns.
    """
    questions = list(dict.fromkeys(wins["question"]))
    names, labels = [model.name for model in models], [model.label for model in models]
    side = 0.75 + 0.28 * len(models)
    figure = blank(0.4 + side * len(questions))
    axes = figure.subplots(len(questions), 1, squeeze=False, sharex=True)
    for panel, question in zip(axes.flat, questions, strict=True):
        part = wins[wins["question"] == question].pivot(index="model", columns="versus", values="value")
        values = part.reindex(index=names, columns=names).to_numpy(np.float64)
        panel.imshow(values, cmap="PuOr", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                color = "white" if abs(2 * value - 1) > _DARK else INK
                panel.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=SMALL, color=color)
        panel.set_title(plain(question, 24))
        panel.set_xticks(range(len(names)), labels, rotation=40, ha="right", rotation_mode="anchor")
        panel.set_yticks(range(len(names)), labels)
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    figure.supylabel("votes for this model, percent of those for either", fontsize=7)
    return figure
