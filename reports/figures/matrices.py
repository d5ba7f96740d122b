"""Figures of matrices: what a judge sees in the outputs, and how far metrics agree with each other."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..tables.table import metric_title
from .canvas import SMALL, WIDE, WIDTH, Model, blank, panels, plain, styled

_MOST_NARROW = 6
"""More models than this need both columns of the page."""
_CHARACTER = 0.04
"""Inches: the height of a character of a label that leans."""
_LOWEST = 0.9
"""Inches: a panel's title and names need so much even where a single expression was asked for."""
_AXIS_TITLE = 0.2
"""Inches: the line above the names of the columns."""
_MOST_METRICS = 9
"""More metrics than this need both columns of the page."""
_MOST_IN_TITLE = 24
"""Characters of a line of a panel's title."""
_DARK = 0.55
"""A cell darker than this share of the scale has white text."""


@styled
def confusions(
    shares: pd.DataFrame, models: Sequence[Model], labels: Sequence[str], judge: str = "the judge"
) -> Figure:
    """For each model the share of outputs, in percent, that were given each label, by target.

    Args:
        shares: generator, target, predicted, share.
        models: The models to show, a panel each.
        labels: The judge's labels; targets follow the same order.
        judge: Who gave the labels, as in 'seen by people'.
    """
    targets = [name for name in labels if name in set(shares["target"])]
    across, width = (2, WIDTH) if len(models) <= _MOST_NARROW else (4, WIDE)
    height = max((width - 0.75) / across * len(targets) / len(labels) + 0.2, _LOWEST)
    above = (_CHARACTER * max(map(len, labels)) + _AXIS_TITLE) / -(-len(models) // across)
    figure, axes = panels(len(models), across, height + above, width=width, sharex=True, sharey=True)
    for panel, model in zip(axes, models, strict=True):
        own = shares[shares["generator"] == model.name]
        matrix = own.pivot(index="target", columns="predicted", values="share")
        values = matrix.reindex(index=targets, columns=list(labels)).to_numpy(np.float64)
        panel.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="equal", interpolation="nearest")
        _numbers(panel, values, [f"{100 * v:.0f}" if v >= 0.005 else "" for v in values.flat], values > _DARK)
        panel.set_title(fill(model.label, _MOST_IN_TITLE))
        _ticks(panel, labels, targets)
    figure.supylabel("asked for", fontsize=7)
    for place, panel in enumerate(axes):
        panel.xaxis.tick_top()
        panel.xaxis.set_label_position("top")
        panel.set_xlabel(f"seen by {judge}" if place < across else "")
        panel.tick_params(labelbottom=False, labeltop=place < across)
    return figure


def _numbers(axes: Axes, values: NDArray[np.float64], texts: Sequence[str], light: NDArray[np.bool_]) -> None:
    for (i, j), text in zip(np.ndindex(values.shape), texts, strict=True):
        if text:
            color = "white" if light[i, j] else "#222222"
            axes.text(j, i, text, ha="center", va="center", fontsize=SMALL, color=color)


def _short(value: float) -> str:
    """``−.11``: a number between -1 and 1 that fits its cell."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−").replace("0.", ".", 1)


def _ticks(axes: Axes, across: Sequence[str], down: Sequence[str]) -> None:
    axes.set_xticks(range(len(across)), [plain(name, 30) for name in across], rotation=90)
    axes.set_yticks(range(len(down)), [plain(name, 30) for name in down])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


@styled
def metric_agreement(agreement: pd.DataFrame, columns: Sequence[str]) -> Figure:
    """Kendall's τ between metrics: how alike they rank the models within an edit.

    Args:
        agreement: metric, against, tau; one row for each pair, in either order.
        columns: The metrics to show, in order.
    """
    values = np.full((len(columns), len(columns)), np.nan)
    place = {name: i for i, name in enumerate(columns)}
    for metric, against, tau in agreement[["metric", "against", "tau"]].itertuples(index=False):
        if metric in place and against in place and metric != against:
            low, high = sorted((place[metric], place[against]))
            values[high, low] = tau
    shown = values[1:, :-1]
    titles = [plain(metric_title(name), 30) for name in columns]
    width = WIDTH if len(columns) <= _MOST_METRICS else WIDE
    figure = blank(0.3 + 0.22 * len(columns) + _CHARACTER * max(map(len, titles)), width=width)
    axes = figure.subplots()
    image = axes.imshow(shown, cmap="PuOr_r", vmin=-1, vmax=1, aspect="auto", interpolation="nearest")
    texts = ["" if np.isnan(v) else _short(v) for v in shown.flat]
    _numbers(axes, shown, texts, np.abs(shown) > 0.7)
    _ticks(axes, titles[:-1], titles[1:])
    for label in axes.get_xticklabels():
        label.set(rotation=40, ha="right", rotation_mode="anchor")
    bar = figure.colorbar(
        image, ax=axes, fraction=0.04, pad=0.02, shrink=0.7, anchor=(0, 1), ticks=[-1, 0, 1]
    )
    bar.outline.set_visible(False)
    bar.set_label("Kendall's τ within edits")
    return figure
