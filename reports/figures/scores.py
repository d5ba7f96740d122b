"""Figures of scores: intervals by domain, trade-off of two metrics, the way out of distribution, ranks.

Every function takes the rows of one data set from ``Summary.cells`` (or ``Summary.ranks``) and returns a
figure for ``canvas.save``; cells that are incomplete or have no number are not drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ..tables.table import DOMAIN_TITLES
from .canvas import SMALL, Axis, Model, blank, drawn, label_outside, legend, line_style, panels, plain, styled

Point = tuple[float, float, float]
"""A value and the ends of its interval, NaN where it has none."""
Points = Mapping[tuple[str, str, str], Point]


def points(cells: pd.DataFrame) -> dict[tuple[str, str, str], Point]:
    """(generator, metric, domain) to the number there, of complete cells only."""
    whole = cells[cells["complete"].astype(bool)].dropna(subset="value")
    keys = zip(whole["generator"], whole["metric"], whole["domain"], strict=True)
    numbers = whole[["value", "low", "high"]].to_numpy(np.float64).tolist()
    return {key: (value, low, high) for key, (value, low, high) in zip(keys, numbers, strict=True)}


def domain_title(domain: str) -> str:
    """Return a domain as the label of an axis."""
    return plain(DOMAIN_TITLES.get(domain, domain), 18)


def _reach(point: Point) -> tuple[float, float]:
    """Distances from a value to the ends of its interval; 0 where there is none."""
    value, low, high = point
    return (0.0, 0.0) if np.isnan(low) or np.isnan(high) else (value - low, high - value)


@styled
def dots(cells: pd.DataFrame, models: Sequence[Model], metric: Axis, domains: Sequence[str]) -> Figure:
    """Draw a dot with its interval for each model, in a band for each domain."""
    found = points(cells)
    step = 0.8 / len(models)
    figure = blank(0.5 + len(domains) * (0.1 + 0.075 * len(models)), models)
    axes = figure.subplots()
    for place, model in enumerate(models):
        shift = (place - (len(models) - 1) / 2) * step
        known = [(i + shift, found.get((model.name, metric.column, name))) for i, name in enumerate(domains)]
        drawn_points = [(y, point) for y, point in known if point is not None]
        _crosses(axes, model, [(p[0], y, _reach(p), (0.0, 0.0)) for y, p in drawn_points])
    for i in range(len(domains)):
        if i % 2:
            axes.axhspan(i - 0.5, i + 0.5, color="#F4F4F4", linewidth=0, zorder=0)
    axes.set_yticks(range(len(domains)), [domain_title(name) for name in domains])
    axes.set_ylim(len(domains) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"{metric.label}  ({plain(metric.unit)})")
    axes.grid(axis="x")
    legend(figure, models)
    return figure


def _crosses(
    axes: Axes,
    model: Model,
    places: Sequence[tuple[float, float, tuple[float, float], tuple[float, float]]],
) -> None:
    """A marker with its interval across and down at each (x, y)."""
    if not places:
        return
    x, y, across, down = (np.array(part) for part in zip(*places, strict=True))
    axes.errorbar(
        x,
        y,
        xerr=across.T if across.any() else None,
        yerr=down.T if down.any() else None,
        linestyle="",
        elinewidth=0.7,
        markersize=3.6,
        zorder=2 if model.control else 3,
        **drawn(model),
    )


@styled
def trade_off(
    cells: pd.DataFrame, models: Sequence[Model], x: Axis, y: Axis, domains: Sequence[str]
) -> Figure:
    """One metric against another, a panel for each domain, with the intervals of both as crosses."""
    found = points(cells)
    figure, axes = panels(len(domains), 2, 1.5, models, sharex=True, sharey=True)
    for panel, domain in zip(axes, domains, strict=True):
        for model in models:
            at = [found.get((model.name, axis.column, domain)) for axis in (x, y)]
            if at[0] is not None and at[1] is not None:
                _crosses(panel, model, [(at[0][0], at[1][0], _reach(at[0]), _reach(at[1]))])
        panel.set_title(domain_title(domain))
        panel.grid()
        panel.xaxis.set_major_locator(MaxNLocator(4))
        panel.yaxis.set_major_locator(MaxNLocator(5))
    label_outside(axes, x.label, y.label)
    legend(figure, models)
    return figure


@styled
def slopes(
    cells: pd.DataFrame, models: Sequence[Model], metrics: Sequence[Axis], start: str, end: str
) -> Figure:
    """From the domain that models were trained on to the mean of the others: how much each one loses."""
    found = points(cells)
    figure, axes = panels(len(metrics), 2, 1.55, models)
    for panel, metric in zip(axes, metrics, strict=True):
        for place, model in enumerate(models):
            ends = [found.get((model.name, metric.column, domain)) for domain in (start, end)]
            if ends[0] is None or ends[1] is None:
                continue
            shift = (place - (len(models) - 1) / 2) * 0.03
            across = [shift, 1 + shift]
            reach = np.transpose([_reach(ends[0]), _reach(ends[1])])
            style = drawn(model) | {"linestyle": line_style(model), "markersize": 3.4}
            panel.errorbar(across, [ends[0][0], ends[1][0]], yerr=reach, elinewidth=0.6, **style)
        panel.set_xticks([0, 1], [domain_title(start), domain_title(end)])
        panel.set_xlim(-0.35, 1.35)
        panel.set_title(metric.title)
        panel.grid(axis="y")
        panel.yaxis.set_major_locator(MaxNLocator(5))
    legend(figure, models, line=True)
    return figure


@styled
def rank_lines(
    ranks: pd.DataFrame, models: Sequence[Model], metrics: Sequence[Axis], domains: Sequence[str]
) -> Figure:
    """Draw the rank of each model over the domains, 1 at the top; equal ranks stand side by side.

    A line ends where a domain has no ranks.
    """
    ranked = ranks.dropna(subset="rank")
    keys = zip(ranked["generator"], ranked["metric"], ranked["domain"], strict=True)
    found = dict(zip(keys, ranked["rank"].astype(float), strict=True))
    worst = int(ranked["of"].max())
    figure, axes = panels(len(metrics), 2, 0.35 + 0.14 * worst, models, sharex=True, sharey=True)
    for panel, metric in zip(axes, metrics, strict=True):
        for place, model in enumerate(models):
            shift = (place - (len(models) - 1) / 2) * min(0.1, 0.5 / len(models))
            across = [i + shift for i in range(len(domains))]
            down = [found.get((model.name, metric.column, name), np.nan) for name in domains]
            panel.plot(across, down, markersize=3.6, linestyle="-", linewidth=0.8, **drawn(model))
        panel.set_xticks(
            range(len(domains)), [domain_title(name) for name in domains], rotation=40, ha="right",
            rotation_mode="anchor", fontsize=SMALL,
        )  # fmt: skip
        panel.set_yticks(range(1, worst + 1))
        panel.set_ylim(worst + 0.5, 0.5)
        panel.set_xlim(-0.5, len(domains) - 0.5)
        panel.set_title(metric.title)
        panel.grid(axis="y")
    label_outside(axes, y="rank")
    legend(figure, models, line=True)
    return figure
