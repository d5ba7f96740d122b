"""Fidelity to the truth: pixel errors and structural similarity where the true target of an edit exists."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import inf

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from ..core.contracts import Batch, Column, Direction, Edit, Image, ImageMetric, Mask, MetricCard
from .networks.cropping import LUMINANCE

FACE_CENTRE = (0.54, 0.50)
"""Row and column of the centre of the default face region, as shares of height and width."""
FACE_AXES = (0.40, 0.31)
"""Half axes of the default face region, down and across, as shares of height and width."""
CHANGED_ABOVE = 10.0
"""A pixel changes when source and truth differ by more than this: mean over the channels, in grey levels."""
ROUNDING_ERROR = 1 / 12
"""Variance of rounding to 8 bits: the floor of the squared error, so that perfection has a finite PSNR."""

WINDOW, SIGMA = 11, 1.5
"""Pixels and standard deviation of the Gaussian window of the structural similarity."""
K1, K2, LEVELS = 0.01, 0.03, 255.0
"""Its constants: they keep it steady where mean or variance are near 0, in units of the grey levels."""

_Scale = tuple[Direction, float, float, str]
# No output is 255 from the truth, so intervals need not allow for such ones.
_MAE: _Scale = ("lower", 0.0, inf, "grey levels")
_DB: _Scale = ("higher", 0.0, inf, "dB")
COLUMNS = (
    Column("mae.face", "absolute error to the truth, face", *_MAE),
    Column("psnr.face", "peak signal-to-noise ratio to the truth, face", *_DB, same_order=True),
    Column("mae.changed", "absolute error to the truth, changed pixels", *_MAE),
    Column("psnr.changed", "peak signal-to-noise ratio to the truth, changed pixels", *_DB, same_order=True),
    Column("mae.unchanged", "absolute error to the truth, unchanged pixels", *_MAE),
    Column("ssim.face", "structural similarity to the truth, face", "higher", -1.0, 1.0, "similarity"),
)


class Fidelity(ImageMetric):
    """Errors to the true target, in the face and where the expression changes it.

    Columns: ``mae.face``, ``mae.changed``, ``mae.unchanged`` mean absolute error in grey levels (0..255),
    lower is better; ``psnr.face``, ``psnr.changed`` peak signal-to-noise ratio in dB, higher is better, at
    most 58.92 (perfect up to rounding); ``ssim.face`` mean structural similarity in -1..1, higher is better.
    The face region is the sample's mask or, without one, an ellipse at ``FACE_CENTRE``; it divides into
    pixels that change from source to truth by more than ``CHANGED_ABOVE`` and the others. NaN where there is
    no truth or a region is empty.
    """

    card = MetricCard(
        id="fidelity",
        title="Fidelity to the truth",
        direction="lower",
        low=0.0,
        high=inf,
        unit="grey levels",
        meaning="Mean absolute error to the true target in the face region.",
        columns=COLUMNS,
        needs_truth=True,
    )

    def score(self, batch: Batch) -> Mapping[str, NDArray[np.float64]]:
        """The errors of each output; see the class."""
        rows = [
            errors(output, source, truth, mask)
            for output, source, truth, mask in zip(
                batch.outputs, batch.sources, batch.truths, batch.masks, strict=True
            )
        ]
        table = np.array(rows, dtype=np.float64).reshape(len(rows), len(COLUMNS))
        return {column.name: table[:, index] for index, column in enumerate(COLUMNS)}

    def reason(self, edit: Edit, column: str) -> str:
        """Why an edit has no score; empty where it has one."""
        return "" if edit.truth is not None else "the data set has no true target for this edit"


@cache
def face_ellipse(height: int, width: int) -> Mask:
    """(height, width) the default face region in the crop geometry of ``bench data prepare``."""
    rows = ((np.arange(height) + 0.5) / height - FACE_CENTRE[0]) / FACE_AXES[0]
    columns = ((np.arange(width) + 0.5) / width - FACE_CENTRE[1]) / FACE_AXES[1]
    return rows[:, None] ** 2 + columns[None, :] ** 2 <= 1


def errors(output: Image, source: Image, truth: Image | None, mask: Mask | None) -> tuple[float, ...]:
    """The value of each of ``COLUMNS`` for one output."""
    if truth is None:
        return (float("nan"),) * len(COLUMNS)
    face = face_ellipse(*truth.shape[:2]) if mask is None else mask
    if not face.any():
        return (float("nan"),) * len(COLUMNS)
    box = _around(face)
    output, source, truth, face = output[box], source[box], truth[box], face[box]
    target = truth.astype(np.int32)
    error = np.abs(output - target)
    changed = _over_channels(np.abs(source - target)) > 3 * CHANGED_ABOVE
    region = np.where(face, np.where(changed, 2, 1), 0).ravel()  # outside, unchanged, changed
    _, *count = 3 * np.bincount(region, minlength=3)
    _, *absolute = np.bincount(region, _over_channels(error).ravel(), 3)
    _, *squared = np.bincount(region, _over_channels(error**2).ravel(), 3)
    similarity = float(structural_similarity(output, truth)[face].mean())
    return (
        _mean(sum(absolute), sum(count)),
        _decibels(sum(squared), sum(count)),
        _mean(absolute[1], count[1]),
        _decibels(squared[1], count[1]),
        _mean(absolute[0], count[0]),
        similarity,
    )


def _over_channels(values: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the sums over the last axis, of length 3; several times faster than ``sum``."""
    sums: NDArray[np.int32] = values[..., 0] + values[..., 1] + values[..., 2]
    return sums


def _around(region: Mask) -> tuple[slice, slice]:
    """Return the rows and columns that the structural similarity of a region depends on."""
    margin = WINDOW // 2
    found = [np.flatnonzero(region.any(axis=axis)) for axis in (1, 0)]
    rows, columns = (slice(max(0, int(at[0]) - margin), int(at[-1]) + 1 + margin) for at in found)
    return rows, columns


def structural_similarity(first: Image, second: Image) -> NDArray[np.float64]:
    """(H, W) float64 in -1..1, the structural similarity of the luminance around each pixel.

    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, 'Image quality assessment: from error visibility to
    structural similarity', IEEE TIP 13(4), 2004, with the paper's window and constants; beyond the border
    the edge is repeated.
    """
    x, y = (image.astype(np.float64) @ LUMINANCE for image in (first, second))
    maps = np.stack([x, y, x * x, y * y, x * y])
    mean_x, mean_y, square_x, square_y, product = gaussian_filter(
        maps, SIGMA, radius=WINDOW // 2, mode="nearest", axes=(1, 2)
    )
    variance_x, variance_y = square_x - mean_x**2, square_y - mean_y**2
    c1, c2 = (K1 * LEVELS) ** 2, (K2 * LEVELS) ** 2
    alike = (2 * mean_x * mean_y + c1) * (2 * (product - mean_x * mean_y) + c2)
    similarity: NDArray[np.float64] = alike / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
    return similarity


def _mean(total: float, count: int) -> float:
    return float(total / count) if count else float("nan")


def _decibels(squared: float, count: int) -> float:
    """Return the peak signal-to-noise ratio for a sum of squared errors; NaN for a count of 0."""
    if not count:
        return float("nan")
    return float(10 * np.log10(255**2 / max(_mean(squared, count), ROUNDING_ERROR)))
