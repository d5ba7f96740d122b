"""The crop geometry that all real photos share: where the eyes are, and how a photo is brought there.

The geometry is that of the London crops: eye centres on a horizontal line at 40% of the height, centred,
28% of the width apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from fesbench.core.contracts import Image

EYE_HEIGHT = 0.40
EYE_DISTANCE = 0.28

Points = NDArray[np.float64]
"""(n, 2) float64 pixel positions, x to the right and y down; pixel centres at whole numbers."""


def eye_targets(size: int) -> Points:
    """Return the positions of the eyes in a crop: (2, 2), the left one in the picture first."""
    half = EYE_DISTANCE / 2
    return np.array([[0.5 - half, EYE_HEIGHT], [0.5 + half, EYE_HEIGHT]]) * size


def crop_to_photo(eyes: Points, size: int) -> NDArray[np.float64]:
    """Return the similarity from crop to photo that takes ``eye_targets`` to ``eyes``: (2, 3), [A | b]."""
    left, right = eye_targets(size)
    a, b = (eyes[1] - eyes[0]) / (right - left)[0]
    linear = np.array([[a, -b], [b, a]])
    return np.column_stack([linear, eyes[0] - linear @ left])


def corners(eyes: Points, size: int) -> Points:
    """Return the corners of the crop in the photo: (4, 2)."""
    square = np.array([[0, 0], [size, 0], [size, size], [0, size]], dtype=np.float64)
    return square @ crop_to_photo(eyes, size)[:, :2].T + crop_to_photo(eyes, size)[:, 2]


def share_outside(eyes: Points, size: int, photo: Image) -> float:
    """Return the share of the crop, 0 to 1, that the photo does not cover; sampled on a 64 x 64 grid."""
    steps = (np.arange(64) + 0.5) / 64 * size
    grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    matrix = crop_to_photo(eyes, size)
    x, y = (grid @ matrix[:, :2].T + matrix[:, 2]).T
    height, width = photo.shape[:2]
    return float(1 - np.mean((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)))


def align(photo: Image, eyes: Points, size: int) -> Image:
    """Return the aligned crop: (size, size, 3) uint8.

    A photo that is larger than the crop is first reduced by an antialiased filter, then turned (bicubic).
    Beyond its borders the photo goes on with its last pixels.
    """
    low = np.floor(corners(eyes, size).min(axis=0)).astype(int) - 4
    high = np.ceil(corners(eyes, size).max(axis=0)).astype(int) + 5
    region = _region(photo, low, high)
    scale = float(np.linalg.norm(eyes[1] - eyes[0])) / (EYE_DISTANCE * size)
    patch = Pillow.fromarray(region)
    if scale > 1:
        width, height = (max(1, round(side / scale)) for side in patch.size)
        patch = patch.resize((width, height), Pillow.Resampling.BICUBIC)
    zoom = np.array(patch.size) / (high - low)
    matrix = crop_to_photo((eyes - low + 0.5) * zoom - 0.5, size)
    matrix[:, 2] += 0.5 - matrix[:, :2] @ [0.5, 0.5]  # Pillow's coordinates have pixel centres at one half
    turned = patch.transform(
        (size, size), Pillow.Transform.AFFINE, tuple(matrix.ravel()), Pillow.Resampling.BICUBIC
    )
    return np.asarray(turned)


def _region(photo: Image, low: NDArray[np.int_], high: NDArray[np.int_]) -> Image:
    """Return the photo between two corners, continued beyond its borders by its last pixels."""
    height, width = photo.shape[:2]
    columns = np.clip(np.arange(low[0], high[0]), 0, width - 1)
    rows = np.clip(np.arange(low[1], high[1]), 0, height - 1)
    return np.ascontiguousarray(photo[np.ix_(rows, columns)])
