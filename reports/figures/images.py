"""Figures of images: what each model made of the same inputs, with pixels embedded as they are."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fesbench.core.contracts import Failure, Image
from fesbench.core.errors import BenchError

from .canvas import DPI, FAINT, SMALL, TALLEST, WIDE, WIDTH, plain, styled
from .grid import GridRow

_LABEL = 0.72
_LINE = 0.09
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
    for i, row in enumerate(rows):
        bottom = (len(rows) - 1 - i) * tile
        figure.text(
            (_LABEL - 0.05) / size[0],
            (bottom + tile / 2) / size[1],
            _wrapped(row.label, 14, 4),
            ha="right",
            va="center",
            fontsize=SMALL,
        )
        for j, image in enumerate(row.images):
            place = (
                (_LABEL + j * tile) / size[0],
                bottom / size[1],
                tile * 0.97 / size[0],
                tile * 0.97 / size[1],
            )
            _tile(figure.add_axes(place), image, characters)
    for j, title in enumerate(titles):
        across = (_LABEL + (j + 0.485) * tile) / size[0]
        figure.text(across, 1 - (head - 0.04) / size[1], title, ha="center", va="bottom", fontsize=SMALL)
    return figure


def _wrapped(text: str, characters: int, lines: int) -> str:
    """``text`` broken between words where that is possible."""
    line = plain(text, lines * characters)
    return fill(line, characters, max_lines=lines, placeholder="…", break_long_words=len(line.split()) == 1)


def _tile(axes: Axes, image: Image | Failure, characters: int) -> None:
    axes.set_axis_off()
    if not isinstance(image, Failure):
        axes.imshow(image, interpolation="none")
        return
    axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, hatch="////", edgecolor=FAINT, linewidth=0.5))
    reason = _wrapped(image.reason, characters, 4)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(0.5, 0.5, reason, ha="center", va="center", fontsize=SMALL, bbox=box)
