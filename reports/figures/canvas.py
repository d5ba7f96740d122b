"""What all figures share: sizes, fonts, text that cannot do harm, and files that are always the same.

Figures are made without pyplot, so nothing here touches the caller's matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, wraps
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from fesbench.core.contracts import Direction
from fesbench.core.files import written_whole

from ..tables.table import metric_title
from .palette import Look, looks

WIDTH = 3.5
"""Inches: one column of a two-column page."""
WIDE = 7.2
"""Inches: both columns of a two-column page."""
TALLEST = 9.0
"""Inches: what a page holds."""
DPI = 300
_LAYOUT_PASSES = 2
"""The first pass does not yet know how wide the labels are that the panels' sizes lead to."""
INK, FAINT = "#222222", "#D9D9D9"
SMALL = 6.0
"""Points: the smallest text."""
LONGEST_LABEL = 36
"""Characters of a model's name; longer ones are cut."""

_LEGEND_LINE, _LEGEND_HANDLE, _CHARACTER = 0.125, 0.38, 0.05
"""Inches: a line of the legend, what stands before a label in it, a character of a label."""
_AXIS = 0.42
"""Inches for what stands below the last row of panels."""

ARROWS = {"higher": "↑", "lower": "↓"}

_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 7.0,
    "axes.titlesize": 7.0,
    "axes.labelsize": 7.0,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "legend.fontsize": SMALL,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.0,
    "hatch.linewidth": 0.4,
    "text.hinting": "none",
    "text.parse_math": False,
    "pdf.fonttype": 42,
    "axes.unicode_minus": True,
}


@dataclass(frozen=True)
class Model:
    """A model in a figure: its name in the run, its label, whether it is a control, and its look."""

    name: str
    label: str
    control: bool
    look: Look


@dataclass(frozen=True)
class Axis:
    """A column of scores as an axis: its id, direction and unit."""

    column: str
    direction: Direction
    unit: str

    @property
    def label(self) -> str:
        """``ECS@embedded ↑``."""
        return f"{plain(metric_title(self.column), 40)} {ARROWS[self.direction]}"

    @property
    def title(self) -> str:
        """The label as the title of a narrow panel."""
        return folded(self.label)


MOST_IN_TITLE = 22
"""Characters of a title that a panel of half a column has room for."""


def folded(title: str) -> str:
    """Return the title of a panel, its network on a line of its own where one line would be too long."""
    return title.replace("@", "\n@", 1) if len(title) > MOST_IN_TITLE else title


P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the suite's style, whatever the caller's is."""

    @wraps(draw)
    def inside(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(_STYLE)
            return draw(*args, **kwargs)

    return inside


def models_of(labels: Sequence[tuple[str, str, bool]]) -> list[Model]:
    """Models from (name, label, control), in order, each with its look."""
    look = looks([name for name, _, _ in labels])
    return [Model(name, plain(label, LONGEST_LABEL), control, look[name]) for name, label, control in labels]


def blank(height: float, models: Sequence[Model] = (), width: float = WIDTH) -> Figure:
    """Return an empty figure of so many inches, with room for a legend and labels kept apart."""
    below = _LEGEND_LINE * (-(-len(models) // _legend_columns(models)) + 1) if models else 0.0
    figure = Figure(figsize=(width, min(height + below, TALLEST)), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.04)  # type: ignore[union-attr, call-arg]
    return figure


def panels(
    count: int,
    across: int,
    height: float,
    models: Sequence[Model] = (),
    width: float = WIDTH,
    **options: Any,
) -> tuple[Figure, list[Axes]]:
    """``count`` panels, ``across`` in a row of ``height`` inches; ``options`` as in ``Figure.subplots``."""
    across = min(across, count)
    down = -(-count // across)
    figure = blank(_AXIS + down * height, models, width)
    grid = figure.subplots(down, across, squeeze=False, **options)
    axes = list(grid.flat)
    for spare in axes[count:]:
        spare.set_axis_off()
    return figure, axes[:count]


def label_outside(axes: Sequence[Axes], x: str = "", y: str = "", across: int = 2) -> None:
    """Label axes that panels share: x below the last panel of each column, y beside the first of a row."""
    for place, panel in enumerate(axes):
        lowest = place + across >= len(axes)
        panel.tick_params(labelbottom=lowest)
        panel.set_xlabel(x if lowest else "")
        panel.set_ylabel(y if place % across == 0 else "")


def legend(figure: Figure, models: Sequence[Model], line: bool = False) -> None:
    """One legend for all panels, below them."""
    handles = [
        Line2D(
            [],
            [],
            linestyle=line_style(model) if line else "",
            markersize=4,
            label=model.label,
            **drawn(model),
        )
        for model in models
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=_legend_columns(models),
        handletextpad=0.4,
        columnspacing=1.0,
        handlelength=1.8 if line else 1.0,
        borderaxespad=0.2,
    )


def _legend_columns(models: Sequence[Model]) -> int:
    """As many columns, of at most four, as fit one column of the page."""
    for columns in range(min(4, len(models)), 1, -1):
        rows = -(-len(models) // columns)
        longest = [max(len(m.label) for m in models[k : k + rows]) for k in range(0, len(models), rows)]
        if sum(_LEGEND_HANDLE + _CHARACTER * length for length in longest) <= WIDTH:
            return columns
    return 1


def line_style(model: Model) -> Literal["-", ":"]:
    """Lines of controls are dotted."""
    return ":" if model.control else "-"


def drawn(model: Model) -> dict[str, Any]:
    """Arguments for ``Axes.plot`` and ``errorbar``: colour and marker, hollow for a control."""
    return {
        "color": model.look.color,
        "marker": model.look.marker,
        "markerfacecolor": "white" if model.control else model.look.color,
        "markeredgecolor": model.look.color,
        "markeredgewidth": 0.7,
    }


def plain(text: str, most: int = 60) -> str:
    """``text`` on one line of at most ``most`` characters, without any that the font cannot draw."""
    known = _drawable()
    line = " ".join(text.split())
    shown = "".join(c if ord(c) in known and c.isprintable() else "□" for c in line)
    return shown if len(shown) <= most else shown[: most - 1].rstrip() + "…"


@cache
def _drawable() -> frozenset[int]:
    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return frozenset(font.get_charmap())


@styled
def save(figure: Figure, folder: Path, stem: str) -> list[str]:
    """Write ``stem.pdf`` and ``stem.png``, each as a whole; returns the names of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    engine = figure.get_layout_engine()
    if engine is not None:  # image grids place their axes themselves
        for _ in range(_LAYOUT_PASSES):
            engine.execute(figure)
        figure.set_layout_engine(None)  # with any, even "none", each file costs two drawings
    kinds: dict[str, dict[str, Any]] = {
        "pdf": {"metadata": {"CreationDate": None}},
        "png": {"metadata": {"Software": None}, "pil_kwargs": {"compress_level": 3}},
    }  # no dates; PNG a tenth larger than at the usual level, in half the time
    for kind, options in kinds.items():
        stream = BytesIO()
        figure.savefig(stream, format=kind, dpi=DPI, **options)
        with written_whole(folder / f"{stem}.{kind}") as temporary:
            temporary.write_bytes(stream.getvalue())
    return [f"{stem}.{kind}" for kind in kinds]
