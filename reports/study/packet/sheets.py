"""The arrangement of a trial's images on every page: the original, then lettered rows."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from matplotlib import font_manager
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

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
    places = grid(len(trial.stimuli))
    columns, rows = shape(len(trial.stimuli))
    original, judged = split(trial)
    left = (side + 2 * gap) if original else 0
    size = (left + columns * (side + gap) + gap, rows * (side + line) + gap)
    sheet = Pillow.new("RGB", size, "white")
    write = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), line * 2 // 3)
    corners = [(left + gap + column * (side + gap), gap + row * (side + line)) for column, row in places]
    corners = [(gap, gap), *corners] if original else corners
    for (name, caption), corner in zip((*original, *judged), corners, strict=True):
        sheet.paste(picture(name), corner)
        write.text((corner[0] + side // 2, corner[1] + side), caption, "black", font, anchor="ma")
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
