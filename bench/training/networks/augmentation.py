"""Augmentations of training faces, and the graded degradations that the quality network learns to rank.

All images are (B, 3, H, W) float32 in [0, 1].
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Generator, Tensor
from torch.nn import functional


def uniform(count: int, low: float, high: float, random: Generator) -> Tensor:
    """Return (count, 1, 1, 1) float32 numbers, uniform in [low, high)."""
    return low + (high - low) * torch.rand(count, 1, 1, 1, generator=random)


def some(share: float, change: Callable[[Tensor], Tensor], images: Tensor, random: Generator) -> Tensor:
    """Apply ``change`` to a random share of the batch."""
    picked = torch.rand(len(images), generator=random) < share
    if not picked.any():
        return images
    result = images.clone()
    result[picked] = change(images[picked])
    return result


def blur(images: Tensor, sigma: float) -> Tensor:
    """Blur with a Gaussian of ``sigma`` pixels; 0 leaves images unchanged."""
    if sigma <= 0:
        return images
    return _smoother(images.shape[-2], sigma) @ images @ _smoother(images.shape[-1], sigma).T


def _smoother(length: int, sigma: float) -> Tensor:
    """Return the (length, length) weights of input pixels in each output pixel; rows sum to 1."""
    pixels = torch.arange(length, dtype=torch.float32)
    taps = torch.exp(-0.5 * ((pixels[:, None] - pixels) / sigma) ** 2)
    return taps / taps.sum(1, keepdim=True)


def jpeg(images: Tensor, quality: int) -> Tensor:
    """Compress as JPEG of a quality in 1..95 and decode again."""
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    return torch.stack([torch.from_numpy(_jpeg(one, quality)) for one in pixels]).permute(0, 3, 1, 2) / 255


def _jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.float32]:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.float32)


def shrink(images: Tensor, factor: float) -> Tensor:
    """Scale down by ``factor`` and up again, bilinearly."""
    size = max(4, round(images.shape[-1] / factor))
    small = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    return functional.interpolate(small, size=images.shape[-2:], mode="bilinear")


def warp(
    images: Tensor, random: Generator, turn: float = 0.08, zoom: float = 0.06, shift: float = 0.06
) -> Tensor:
    """Rotate, scale and shift each image by random amounts.

    Args:
        images: The batch.
        random: Draws the amounts, uniformly.
        turn: Largest rotation in radians.
        zoom: Largest change of scale.
        shift: Largest shift, as a share of half the width.
    """
    count = len(images)
    angle, scale = uniform(count, -turn, turn, random), uniform(count, 1 - zoom, 1 + zoom, random)
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = (scale * angle.cos()).flatten()
    matrix[:, 0, 1] = (scale * angle.sin()).flatten()
    matrix[:, 1, 0] = -matrix[:, 0, 1]
    matrix[:, :, 2] = uniform(2 * count, -shift, shift, random).view(count, 2)
    grid = functional.affine_grid(matrix, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def exposure(images: Tensor, random: Generator, contrast: float = 0.2, tint: float = 0.08) -> Tensor:
    """Change contrast, brightness and colour balance of each image by random amounts."""
    count = len(images)
    gain = uniform(count, 1 - contrast, 1 + contrast, random)
    colour = 1 + tint * (2 * torch.rand(count, 3, 1, 1, generator=random) - 1)
    return ((images - 0.5) * gain * colour + 0.5 + uniform(count, -0.1, 0.1, random)).clamp(0, 1)


def noise(images: Tensor, most: float, random: Generator) -> Tensor:
    """Add Gaussian noise with a random standard deviation up to ``most``."""
    grain = torch.randn(images.shape, generator=random)
    return (images + grain * uniform(len(images), 0, most, random)).clamp(0, 1)


def mirror(images: Tensor, random: Generator) -> Tensor:
    """Mirror a random half of the images."""
    return some(0.5, lambda picked: picked.flip(3), images, random)


def first_judge(images: Tensor, random: Generator) -> Tensor:
    """Augment for the first judge: geometry, exposure, Gaussian blur, noise, JPEG.

    All but mirroring and exposure leave a share of the images unchanged, so that sharp faces are seen too.
    """
    images = some(0.7, lambda picked: warp(picked, random), mirror(images, random), random)
    images = exposure(images, random)
    images = some(0.2, lambda picked: blur(picked, 0.7), images, random)
    images = some(0.1, lambda picked: blur(picked, 1.3), images, random)
    images = some(0.1, lambda picked: jpeg(picked, 30), images, random)
    return some(0.5, lambda picked: noise(picked, 0.04, random), images, random)


def second_judge(images: Tensor, random: Generator) -> Tensor:
    """Augment for the second judge: geometry, low resolution, covered patches, noise."""

    def moved(picked: Tensor) -> Tensor:
        return warp(picked, random, turn=0.1, zoom=0.08, shift=0.04)

    images = some(0.6, moved, mirror(images, random), random)
    factor = 1.0 + 1.2 * float(torch.rand((), generator=random))
    images = some(0.25, lambda picked: shrink(picked, factor), images, random)
    return some(0.5, lambda picked: noise(picked, 0.03, random), cover(images, random), random)


def identity(images: Tensor, random: Generator) -> Tensor:
    """Augment for the identity network: geometry, exposure, blur and noise; never mirrored."""
    images = exposure(warp(images, random, turn=0.05, zoom=0.04, shift=0.05), random, tint=0.04)
    images = some(0.3, lambda picked: blur(picked, 0.8), images, random)
    return noise(images, 0.03, random)


def cover(images: Tensor, random: Generator, side: float = 0.2) -> Tensor:
    """Cover a random place of a quarter of the images with a grey square of ``side`` times their size."""
    height, width = images.shape[-2:]
    row, column = uniform(len(images), 0, 1, random), uniform(len(images), 0, 1, random)
    rows = torch.linspace(0, 1, height).view(1, 1, -1, 1)
    columns = torch.linspace(0, 1, width).view(1, 1, 1, -1)
    inside = ((rows - row).abs() < side / 2) & ((columns - column).abs() < side / 2)
    covered = torch.rand(len(images), 1, 1, 1, generator=random) < 1 / 4
    return torch.where(inside & covered, 0.5, images)


def _blurred(images: Tensor, level: float, random: Generator) -> Tensor:
    return blur(images, 3.5 * level)


def _noisy(images: Tensor, level: float, random: Generator) -> Tensor:
    return (images + 0.25 * math.pow(level, 1.5) * torch.randn(images.shape, generator=random)).clamp(0, 1)


def _compressed(images: Tensor, level: float, random: Generator) -> Tensor:
    return jpeg(images, round(95 - 91 * level**0.5))


def _shrunk(images: Tensor, level: float, random: Generator) -> Tensor:
    return shrink(images, 1 + 6 * level)


def _ringing(images: Tensor, level: float, random: Generator) -> Tensor:
    return (images + 5 * level * (images - blur(images, 1.2))).clamp(0, 1)


def _checkered(images: Tensor, level: float, random: Generator) -> Tensor:
    """Add the checkered pattern of strided deconvolutions, stronger at edges of the image."""
    period = 2 if float(torch.rand((), generator=random)) < 0.5 else 4
    line = (torch.arange(images.shape[-1]) % period < period / 2) * 2.0 - 1.0
    edges = (images - blur(images, 2.0)).abs().mean(dim=1, keepdim=True)
    return (images + level * (0.05 + edges) * line.view(1, 1, 1, -1) * line.view(1, 1, -1, 1)).clamp(0, 1)


def _ghosted(images: Tensor, level: float, random: Generator) -> Tensor:
    """Blend with displaced copies, like the output of a regression on images that are not registered."""
    reach = max(1, round(8 * level))
    offsets = [(reach, 0), (0, reach), (-reach, reach)]
    copies = torch.stack([images.roll(offset, dims=(2, 3)) for offset in offsets]).mean(dim=0)
    return torch.lerp(images, copies, 0.6 * level**0.5)


DEGRADATIONS: Mapping[str, Callable[[Tensor, float, Generator], Tensor]] = {
    "blur": _blurred,
    "noise": _noisy,
    "jpeg": _compressed,
    "shrink": _shrunk,
    "ringing": _ringing,
    "checkered": _checkered,
    "ghosting": _ghosted,
}
"""Name to ``(images, level, random)``; level 0 hardly changes images, 1 makes them unrecognisable."""
