"""The figure that asks whether metrics tell the truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..tables.table import metric_title
from .canvas import SMALL, folded, label_outside, panels, plain, styled
from .scores import domain_title

_MOST_OF_THIRD = 12
"""Characters of a title that a third of a column has room for."""
_MARKS = (("#0072B2", "o"), ("#D55E00", "s"), ("#009E73", "^"))


@styled
def metric_truth(
    agreement: pd.DataFrame, metrics: Sequence[str], truths: Sequence[str], domains: Sequence[str]
) -> Figure:
    """Draw how well each metric ranks the models of an edit as a comparison with the truth does.

    Args:
        agreement: metric, against, domain, tau, low, high.
        metrics: Columns that are judged, from top to bottom.
        truths: Columns that compare with the truth, a panel each.
        domains: At most three domains, such as 'studio' and 'ood'.
    """
    titles = [folded(plain(metric_title(truth), 28)) for truth in truths]
    short = max(len(line) for title in titles for line in title.splitlines()) <= _MOST_OF_THIRD
    across = 3 if len(truths) == 3 and short else 2
    figure, axes = panels(len(truths), across, 0.35 + 0.16 * len(metrics), sharex=True, sharey=True)
    marks = dict(zip(domains, _MARKS, strict=False))
    for panel, truth, title in zip(axes, truths, titles, strict=True):
        part = agreement[agreement["against"] == truth]
        numbers = part[["tau", "low", "high"]].to_numpy(np.float64)
        found = dict(zip(zip(part["metric"], part["domain"], strict=True), numbers, strict=True))
        for k, domain in enumerate(marks):
            color, marker = marks[domain]
            for i, metric in enumerate(metrics):
                tau, low, high = found.get((metric, domain), (np.nan, np.nan, np.nan))
                y = i + (k - (len(marks) - 1) / 2) * 0.3
                panel.plot([low, high], [y, y], color=color, linewidth=0.8)
                panel.plot([tau], [y], color=color, marker=marker, markersize=3.4, linestyle="")
        panel.axvline(0, color="#222222", linewidth=0.6)
        panel.set_title(title, fontsize=SMALL)
        panel.set_yticks(range(len(metrics)), [plain(metric_title(name), 30) for name in metrics])
        panel.set_ylim(len(metrics) - 0.4, -0.6)
        panel.set_xlim(-1.03, 1.03)
        panel.set_xticks([-1, 0, 1], ["−1", "0", "1"])
        panel.tick_params(axis="y", length=0)
        panel.grid(axis="x")
    handles = [
        Line2D([], [], color=color, marker=marker, markersize=3.4, label=domain_title(domain))
        for domain, (color, marker) in marks.items()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    label_outside(axes, "Kendall's τ", across=across)
    return figure
