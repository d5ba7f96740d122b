import numpy as np
from PIL import Image as Pillow

from fesbench.datasets.image_grid import ImageGrid


def flat(value):
    return Pillow.fromarray(np.full((4, 6, 3), value, np.uint8))


def test_images_keep_their_pixels_at_their_corners():
    grid = ImageGrid(columns=2, rows=2, pitch=(8, 5), margin=(10, 3))
    sheet = np.asarray(grid.sheet([[flat(0), flat(1)], [flat(2)]]))
    assert sheet.shape == (3 + 2 * 5, 10 + 2 * 8, 3)
    for value, (left, top) in enumerate([grid.corner(0, 0), grid.corner(1, 0), grid.corner(0, 1)]):
        assert (sheet[top : top + 4, left : left + 6] == value).all()
    assert (sheet == 255).sum() == sheet.size - 3 * 4 * 6 * 3
