"""Crop a box of images and resize it to a network's input size, in one filter.

Boxes are given for a 256-pixel crop in the geometry of the London set (eyes at 40% of the height, 28% of
the width apart) and scale with the images, so every run resolution shows the same part of the face.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

REFERENCE_SIZE = 256
LUMINANCE = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in ITU-R BT.601 grey."""


class Box(NamedTuple):
    """Edges in pixels of the 256-pixel crop; right and bottom are exclusive."""

    left: int
    top: int
    right: int
    bottom: int


WHOLE = Box(0, 0, REFERENCE_SIZE, REFERENCE_SIZE)


def crop(images: Tensor, box: Box, size: int) -> Tensor:
    """Return the box of every image, resized by an antialiased bilinear (triangle) filter.

    The filter is that of Pillow's ``resize(box=...)`` and, for the whole image, of torch's antialiased
    bilinear interpolation; box edges may fall between pixels.

    Args:
        images: (B, C, H, W), any dtype.
        box: What to keep.
        size: Height and width of the result.

    Returns:
        (B, C, size, size) float32 in the value range of ``images``, on their device.
    """
    height, width = images.shape[-2:]
    rows = _filter(height, box.top, box.bottom, size).to(images.device)
    columns = _filter(width, box.left, box.right, size).to(images.device)
    return rows @ images.float() @ columns.T


def grey(images: Tensor) -> Tensor:
    """(B, 3, H, W) RGB to (B, 1, H, W) float32 luminance, in the same value range."""
    weights = torch.tensor(LUMINANCE, device=images.device).view(1, 3, 1, 1)
    return (images.float() * weights).sum(1, keepdim=True)


def _filter(length: int, start: int, stop: int, size: int) -> Tensor:
    """(size, length) float32: the weights of the input pixels in every output pixel; rows sum to 1."""
    unit = length / REFERENCE_SIZE
    step = (stop - start) * unit / size
    support = max(step, 1.0)
    centres = start * unit + (torch.arange(size, dtype=torch.float64) + 0.5) * step
    pixels = torch.arange(length, dtype=torch.float64) + 0.5
    weights = (1 - (pixels - centres[:, None]).abs() / support).clamp_min(0)
    return (weights / weights.sum(1, keepdim=True)).float()
