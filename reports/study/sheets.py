"""Pictures of a trial side by side, in the arrangement of every page: the original, then lettered rows."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

from matplotlib import font_manager
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from .schema import Trial

ACROSS = 4
"""Pictures in a row."""
QUALITY = 92


def grid(count: int) -> list[tuple[int, int]]:
    """(column, row) of each of ``count`` pictures, rows as even as they can be: 7 stand as 4 and 3."""
    rows = -(-count // ACROSS)
    across = -(-count // rows)
    return [(place % across, place // across) for place in range(count)]


def contact_sheet(trial: Trial, picture: Callable[[str], Pillow.Image], side: int) -> bytes:
    """One JPEG of all pictures of a trial, the original on the left, letters below.

    Args:
        trial: What to show.
        picture: A stimulus name to its picture, ``side`` pixels square.
        side: Pixels.
    """
    gap, line = side // 10, side // 5
    places = grid(len(trial.stimuli))
    columns, rows = max(column for column, _ in places) + 1, max(row for _, row in places) + 1
    left = (side + 2 * gap) if trial.reference else 0
    size = (left + columns * (side + gap) + gap, rows * (side + line) + gap)
    sheet = Pillow.new("RGB", size, "white")
    write = ImageDraw.Draw(sheet)
    font = ImageFont.truetype(font_manager.findfont("DejaVu Sans"), line * 2 // 3)
    if trial.reference:
        sheet.paste(picture(trial.reference), (gap, gap))
        write.text((gap + side // 2, gap + side), "original", "black", font, anchor="ma")
    for letter, name, (column, row) in zip(letters(trial), trial.stimuli, places, strict=True):
        corner = left + gap + column * (side + gap), gap + row * (side + line)
        sheet.paste(picture(name), corner)
        write.text((corner[0] + side // 2, corner[1] + side), letter, "black", font, anchor="ma")
    stream = BytesIO()
    sheet.save(stream, format="JPEG", quality=QUALITY, subsampling=0)
    return stream.getvalue()


def letters(trial: Trial) -> tuple[str, ...]:
    """What stands below each picture: its choice, or nothing where there is only one."""
    return trial.choices if len(trial.stimuli) > 1 else ("",)
