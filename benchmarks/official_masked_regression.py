"""The official masked regression's method, written again, to measure against.

As in github.com/arbishakram/masked_regression_code, one channel at a time: a dense mask says which source
pixels an output pixel sees, and each output pixel has its normal equations gathered, inverted explicitly and
stored in a dense weight matrix, in a Python loop. The official program takes 73.7 s and 6.3 GB for 100 pairs
of 128 x 128 images with a 3 x 3 window, reading the files included.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float64 = NDArray[np.float64]
OFFICIAL_SECONDS = 73.7


def window_mask(height: int, width: int, window: int) -> Float64:
    """(H·W, H·W + 1) of 0 and 1: the pixels in each output pixel's window, and the constant."""
    rows, columns = np.divmod(np.arange(height * width), width)
    near = (np.abs(rows[:, None] - rows) <= window // 2) & (np.abs(columns[:, None] - columns) <= window // 2)
    return np.column_stack([near, np.ones(height * width)]).astype(np.float64)


def fit_channel(sources: Float64, targets: Float64, window: int, penalty: float) -> Float64:
    """(N, H, W) sources and targets to (H·W, H·W + 1) weights."""
    images, height, width = sources.shape
    mask = window_mask(height, width, window)
    inputs = np.column_stack([sources.reshape(images, -1), np.ones(images)])
    outputs = targets.reshape(images, -1)
    weights = np.zeros_like(mask)
    for pixel in range(height * width):
        seen = np.flatnonzero(mask[pixel])
        x = inputs[:, seen]
        inverse = np.linalg.inv(x.T @ x + penalty * np.eye(len(seen)))
        weights[pixel, seen] = inverse @ (x.T @ outputs[:, pixel])
    return weights


def fit(sources: Float64, targets: Float64, window: int = 3, penalty: float = 0.4) -> list[Float64]:
    """(N, C, H, W) sources and targets to the weights of each channel."""
    channels = zip(np.moveaxis(sources, 1, 0), np.moveaxis(targets, 1, 0), strict=True)
    return [fit_channel(x, y, window, penalty) for x, y in channels]


def predict(weights: list[Float64], images: Float64) -> Float64:
    """(N, C, H, W) images to (N, C, H, W) predictions, before they are stretched to 8 bits."""
    count, channels, height, width = images.shape
    inputs = np.concatenate([images.reshape(count, channels, -1), np.ones((count, channels, 1))], axis=2)
    planes = [inputs[:, c] @ weights[c].T for c in range(channels)]
    return np.stack(planes, axis=1).reshape(count, channels, height, width)


def by_window(weights: Float64, height: int, width: int, window: int) -> Float64:
    """Dense weights of a channel to (H, W, window² + 1): the window in row-major order, then the constant."""
    margin = window // 2
    dense = np.pad(
        weights[:, :-1].reshape(height, width, height, width), [(0, 0), (0, 0), *[(margin, margin)] * 2]
    )
    rows, columns = np.arange(height)[:, None], np.arange(width)
    offsets = [(dy, dx) for dy in range(window) for dx in range(window)]
    taps = [dense[rows, columns, rows + dy, columns + dx] for dy, dx in offsets]
    return np.stack([*taps, weights[:, -1].reshape(height, width)], axis=-1)
