"""Images in rows and columns on one white sheet: the layout of every grid of images that the suite writes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PIL import Image as Pillow


@dataclass(frozen=True)
class ImageGrid:
    """The layout of a grid of images.

    Attributes:
        columns: Number of columns.
        rows: Number of rows.
        pitch: Pixels from one image to the next, across and down: its side plus the gap behind it.
        margin: Pixels left of the first column and above the first row, where labels go.
    """

    columns: int
    rows: int
    pitch: tuple[int, int]
    margin: tuple[int, int] = (0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet in pixels."""
        return self.margin[0] + self.columns * self.pitch[0], self.margin[1] + self.rows * self.pitch[1]

    def corner(self, column: int, row: int) -> tuple[int, int]:
        """Return x and y of the upper left corner of an image."""
        return self.margin[0] + column * self.pitch[0], self.margin[1] + row * self.pitch[1]

    def sheet(self, images: Iterable[Iterable[Pillow.Image]]) -> Pillow.Image:
        """Paste rows of images, which keep their pixels, on a white RGB sheet; a row may be short."""
        sheet = Pillow.new("RGB", self.size, "white")
        for row, line in enumerate(images):
            for column, image in enumerate(line):
                sheet.paste(image, self.corner(column, row))
        return sheet
