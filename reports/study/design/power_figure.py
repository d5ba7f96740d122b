"""The figure of power against participants, one line for each true preference."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ...figures.canvas import FAINT, INK, blank, save, styled

_COLORS = ("#0072B2", "#009E73", "#E69F00", "#D55E00", "#CC79A7", "#4D4D4D")
_MARKERS = ("o", "s", "^", "D", "v", "P")


@styled
def power_figure(
    curves: Mapping[float, Sequence[tuple[int, float]]], wanted: float, folder: Path, stem: str
) -> list[str]:
    """Draw and write ``stem.pdf`` and ``stem.png``.

    Args:
        curves: True preference to (participants, power) of the clustered test.
        wanted: The desired power, drawn as a horizontal line.
        folder: The output folder.
        stem: The stem of the file names.

    Returns:
        The names of the files.
    """
    figure = blank(2.6)
    axes = figure.subplots()
    axes.axhline(wanted, color=INK, linewidth=0.6, linestyle=":")
    for place, (preference, points) in enumerate(sorted(curves.items())):
        color, marker = _COLORS[place % len(_COLORS)], _MARKERS[place % len(_MARKERS)]
        people, power = zip(*points, strict=True)
        axes.plot(people, power, markersize=3, label=f"{preference:.0%}", color=color, marker=marker)
    axes.set_xscale("log", base=2)
    ticks = sorted({people for points in curves.values() for people, _ in points})
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(0, 1.02)
    axes.grid(color=FAINT)
    axes.set_xlabel("participants")
    axes.set_ylabel("power")
    figure.legend(title="true preference", loc="outside right upper")
    return save(figure, folder, stem)
