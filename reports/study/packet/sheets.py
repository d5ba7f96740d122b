"""The arrangement of a trial's images on every page: the original, then lettered rows."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from matplotlib import font_manager
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from fesbench.datasets.image_grid import ImageGrid

from ..schema import Trial
from ..wording import DIFFERENT, SAME

ACROSS = 4
"""Largest number of images in a row."""
QUALITY = 92


def shape(count: int) -> tuple[int, int]:
    """Return the columns and rows of ``count`` images, in rows of nearly equal length: 7 are 4 and 3."""
    rows = -(-count // ACROSS)
    return -(-count // rows), rows


def grid(count: int) -> list[tuple[int, int]]:
    """Return the (column, row) of each of ``count`` images, row by row."""
    across, _ = shape(count)
    return [(place % across, place // across) for place in range(count)]


def contact_sheet(trial: Trial, picture: Callable[[str], Pillow.Image], side: int) -> bytes:
    """Return a JPEG file with all images of a trial, the original on the left, letters below.

    Args:
        trial: The trial.
        picture: Loads the image of a stimulus name, ``side`` pixels square.
        side: The side of an image in pixels.
    """
    gap, line = side // 10, side // 5
    original, judged = split(trial)
    columns, rows = shape(len(judged))
    left = (side + 2 * gap) if original else 0
    layout = ImageGrid(columns, rows, (side + gap, side + line), (left + gap, gap))
    pictures = [picture(name) for name, _ in judged]
    sheet = layout.sheet(pictures[start : start + columns] for start in range(0, len(judged), columns))
    corners = [layout.corner(column, row) for column, row in grid(len(judged))]
    if original:
        sheet.paste(picture(original[0][0]), (gap, gap))
        corners = [(gap, gap), *corners]
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), line * 2 // 3)
    for (_, caption), (x, y) in zip((*original, *judged), corners, strict=True):
        draw.text((x + side // 2, y + side), caption, "black", font, anchor="ma")
    stream = BytesIO()
    sheet.save(stream, format="JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()


Captioned = tuple[str, str]
"""A stimulus name and its caption."""


def split(trial: Trial) -> tuple[list[Captioned], list[Captioned]]:
    """Return the original, if shown, and the images to judge, each with its caption.

    With same-different, no image is called the original: that would reveal which image was changed.
    """
    if len(trial.stimuli) > 1:
        judged = list(zip(trial.stimuli, trial.choices, strict=True))
        return [(trial.reference, "original")] if trial.reference else [], judged
    if not trial.reference:
        return [], [(trial.stimuli[0], "")]
    first, second = ("", "") if trial.choices == (SAME, DIFFERENT) else ("original", "picture")
    return [(trial.reference, first)], [(trial.stimuli[0], second)]


def captioned(trial: Trial) -> list[Captioned]:
    """Return every image of a trial with its caption, the original first."""
    original, judged = split(trial)
    return original + judged
