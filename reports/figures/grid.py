"""Qualitative grids: what each model made of the same inputs, in one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from textwrap import wrap

import matplotlib
import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from fesbench.core.contracts import Failure, Image
from fesbench.core.errors import BenchError
from fesbench.core.files import written_whole
from fesbench.datasets.image_grid import ImageGrid

TILE = 128
"""Side of a tile in pixels; other sizes are resized to it."""

_GAP = 4
_LABEL_WIDTH = 92
_LINE = 15
_FONT_SIZE = 12
_INK, _PAPER, _FAINT = (30, 30, 30), (255, 255, 255), (205, 205, 205)
_FONT_FILE = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"


@dataclass(frozen=True)
class GridRow:
    """One input and what became of it.

    ``label`` stands at the left, such as the expression asked for; ``images`` has one image, or the failure,
    for each column.
    """

    label: str
    images: Sequence[Image | Failure]


def qualitative_grid(rows: Sequence[GridRow], columns: Sequence[str], title: str, path: Path) -> None:
    """Write a PNG with a row for each input and a column for each model; the same bytes for the same input.

    Args:
        rows: The inputs; each has as many images as there are columns. Images are (H, W, 3) uint8.
        columns: The titles over the columns, such as 'input' and the models' names.
        title: A line over the whole grid, such as the data set and domain.
        path: The file to write; it is replaced as a whole.

    Raises:
        BenchError: there is no row or column, or a row does not fit the columns.
    """
    _check(rows, columns)
    heads = [_lines(name, TILE) for name in columns]
    top = _LINE * (1 + max(len(lines) for lines in heads)) + 3 * _GAP
    grid = ImageGrid(len(columns), len(rows), (TILE + _GAP, TILE + _GAP), (_LABEL_WIDTH, top))
    sheet = grid.sheet(map(_tile, row.images) for row in rows)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_GAP, _GAP), _fitted(title, grid.size[0] - 2 * _GAP))
    for column, lines in enumerate(heads):
        left, _ = grid.corner(column, 0)
        _write_centred(draw, lines, left, top - _GAP - _LINE * len(lines))
    for number, row in enumerate(rows):
        _write_label(draw, row.label, grid.corner(0, number)[1])
    with written_whole(path) as unfinished:
        sheet.save(unfinished, "PNG")


def _check(rows: Sequence[GridRow], columns: Sequence[str]) -> None:
    if not rows or not columns:
        raise BenchError("a grid needs at least one row and one column")
    for row in rows:
        if len(row.images) != len(columns):
            raise BenchError(
                f"grid row {row.label!r} has {len(row.images)} images for {len(columns)} columns"
            )


def _write_label(draw: ImageDraw.ImageDraw, label: str, top: int) -> None:
    """Write the label of a row whose images begin at ``top``."""
    lines = _lines(label, _LABEL_WIDTH - 2 * _GAP)
    first = top + TILE // 2 - _LINE * len(lines) // 2
    for number, line in enumerate(lines):
        _write(draw, (_GAP, first + _LINE * number), line)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(_FONT_FILE, _FONT_SIZE, layout_engine=ImageFont.Layout.BASIC)


def _write(draw: ImageDraw.ImageDraw, at: tuple[int, int], text: str) -> None:
    draw.text(at, text, fill=_INK, font=_font())


def _write_centred(draw: ImageDraw.ImageDraw, lines: Sequence[str], left: int, top: int) -> None:
    for k, line in enumerate(lines):
        indent = (TILE - int(_font().getlength(line))) // 2
        _write(draw, (left + max(indent, 0), top + _LINE * k), line)


def _lines(text: str, width: int, most: int = 3) -> list[str]:
    """``text`` in at most ``most`` lines of ``width`` pixels."""
    characters = max(1, int(width / _font().getlength("n")))
    lines = wrap(" ".join(text.split()), characters, max_lines=most, placeholder="…") or [""]
    return [_fitted(line, width) for line in lines]


def _fitted(text: str, width: int) -> str:
    """``text``, cut off with an ellipsis where it is wider than ``width`` pixels."""
    line = " ".join(text.split())
    if _font().getlength(line) <= width:
        return line
    while line and _font().getlength(line + "…") > width:
        line = line[:-1]
    return line + "…"


def _tile(image: Image | Failure) -> PillowImage.Image:
    if isinstance(image, Failure):
        return _hatched(image.reason)
    picture = PillowImage.fromarray(np.ascontiguousarray(image))
    return (
        picture
        if picture.size == (TILE, TILE)
        else picture.resize((TILE, TILE), PillowImage.Resampling.BICUBIC)
    )


def _hatched(reason: str) -> PillowImage.Image:
    """Return a hatched tile with the reason why there is no image."""
    tile = PillowImage.new("RGB", (TILE, TILE), _PAPER)
    draw = ImageDraw.Draw(tile)
    for offset in range(-TILE, TILE, 10):
        draw.line([(offset, TILE), (offset + TILE, 0)], fill=_FAINT)
    draw.rectangle([0, 0, TILE - 1, TILE - 1], outline=_FAINT)
    lines = _lines(reason, TILE - 16, most=5)
    top = (TILE - _LINE * len(lines)) // 2
    draw.rectangle([6, top - 3, TILE - 7, top + _LINE * len(lines) + 2], fill=_PAPER)
    _write_centred(draw, lines, 0, top)
    return tile
