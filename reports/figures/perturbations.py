"""Curves of scores over the misalignment of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from .canvas import WIDE, Axis, Model, drawn, legend, line_style, panels, styled

_UNITS = {"shift": "shift of the input (px)", "size": "size of the face", "rotation": "rotation (°)"}


@styled
def perturbation_curves(
    cells: Mapping[str, pd.DataFrame], models: Sequence[Model], metrics: Sequence[Axis]
) -> Figure:
    """Draw a row of panels for each metric, a column for each kind of perturbation, a line for each model.

    Args:
        cells: Kind of perturbation to generator, metric, amount, value.
        models: The models to show.
        metrics: The metrics to show, of those that the cells have.
    """
    scored = {metric for part in cells.values() for metric in part["metric"]}
    shown = [axis for axis in metrics if axis.column in scored]
    figure, axes = panels(len(shown) * len(cells), len(cells), 1.45, models, WIDE, sharex="col", sharey="row")
    for row, axis in enumerate(shown):
        for column, (kind, part) in enumerate(cells.items()):
            panel = axes[row * len(cells) + column]
            for model in models:
                own = part[(part["generator"] == model.name) & (part["metric"] == axis.column)]
                known = own.dropna(subset="value").sort_values("amount")
                panel.plot(
                    known["amount"], known["value"], markersize=3.0, linestyle=line_style(model),
                    linewidth=0.8, zorder=2 if model.control else 3, **drawn(model),
                )  # fmt: skip
            panel.grid(axis="y")
            panel.set_xticks(sorted(set(part["amount"])))
            panel.set_xlabel(_UNITS[kind] if row == len(shown) - 1 else "")
        axes[row * len(cells)].set_ylabel(axis.label)
    legend(figure, models, line=True)
    return figure
