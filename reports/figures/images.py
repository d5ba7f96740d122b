"""Figures of images: what each model made of the same inputs, with pixels embedded as they are."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

from fesbench.core.contracts import Failure, Image
from fesbench.core.errors import BenchError

from .canvas import DPI, FAINT, SMALL, TALLEST, WIDE, WIDTH, plain, styled
from .grid import GridRow

_LABEL = 0.72
_LINE = 0.1
"""Inches: a line of the titles above the columns."""
_CHARACTER = 0.046
"""Inches: a character of the smallest text."""
_MOST_LINES = 3
_MOST_NARROW = 7
"""More columns than this need both columns of the page."""


@styled
def image_grid(rows: Sequence[GridRow], columns: Sequence[str]) -> Figure:
    """Draw a row for each input and a column for each model; a failure is a hatched box with its reason.

    Raises:
        BenchError: there is no row or column, or a row does not fit the columns.
    """
    if not rows or not columns or any(len(row.images) != len(columns) for row in rows):
        raise BenchError(f"an image grid needs {len(columns)} images in each of its {len(rows)} rows")
    width = WIDTH if len(columns) <= _MOST_NARROW else WIDE
    tile = min((width - _LABEL) / len(columns), (TALLEST - (_MOST_LINES + 1) * _LINE) / len(rows))
    characters = max(8, int(tile / _CHARACTER))
    titles = [_wrapped(name, characters, _MOST_LINES) for name in columns]
    head = _LINE * (1 + max(title.count("\n") for title in titles)) + 0.06
    size = (_LABEL + tile * len(columns), head + tile * len(rows))
    figure = Figure(figsize=size, dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(0, size[1]))
    axes.set_axis_off()
    for i, row in enumerate(rows):
        bottom = (len(rows) - 1 - i) * tile
        label = _wrapped(row.label, 14, 4)
        axes.text(_LABEL - 0.05, bottom + tile / 2, label, ha="right", va="center", fontsize=SMALL)
        for j, image in enumerate(row.images):
            _tile(axes, image, (_LABEL + j * tile, bottom), tile * 0.97, characters)
    for j, title in enumerate(titles):
        across = _LABEL + (j + 0.485) * tile
        axes.text(across, size[1] - head + 0.04, title, ha="center", va="bottom", fontsize=SMALL)
    return figure


def _wrapped(text: str, characters: int, lines: int) -> str:
    """``text`` broken between words where that is possible."""
    line = plain(text, lines * characters)
    return fill(line, characters, max_lines=lines, placeholder="…", break_long_words=len(line.split()) == 1)


def _tile(
    axes: Axes, image: Image | Failure, corner: tuple[float, float], side: float, characters: int
) -> None:
    """Draw an image, or why there is none, in a square of so many inches."""
    across, down = corner[0] + side / 2, corner[1] + side / 2
    if not isinstance(image, Failure):
        height, width = (side * length / max(image.shape[:2]) / 2 for length in image.shape[:2])
        extent = (across - width, across + width, down - height, down + height)
        shown = AxesImage(axes, interpolation="none", extent=extent)
        shown.set_data(image)
        axes.add_image(shown)
        return
    box = Rectangle(corner, side, side, fill=False, hatch="////", edgecolor=FAINT, linewidth=0.5)
    axes.add_patch(box)
    reason = _wrapped(image.reason, characters, 4)
    paper = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(across, down, reason, ha="center", va="center", fontsize=SMALL, bbox=paper)
