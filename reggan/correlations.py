"""Sufficient statistics of local ridge regression: displacement correlations.

The Gram matrix of an r x r window is a sample of the maps ``S_d(u) = sum_n x_n(u) x_n(u + d)``: its entry for
the offsets i and j of the window at pixel q is ``S_{j-i}(q + i)``. So r(2r - 1) maps, summed over the images
once, hold the Gram matrices of all pixels, and the memory does not depend on the number of images.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

TILE = 8
"""Pixels of a row whose products one matrix multiplication of a batch gives."""
BATCH_BYTES = 4 * 2**20
"""Size of the float64 planes taken into one matrix multiplication."""

SUMS = ("gram", "cross", "source_sum", "target_sum")
"""The attributes of ``Correlations`` that are sums over images."""


@dataclass(frozen=True)
class Problem:
    """Sizes of ``groups`` independent regressions, each of ``targets`` planes on ``planes`` source planes.

    All planes are ``height`` x ``width`` pixels, and windows ``window`` x ``window`` pixels. With
    ``residual``, the difference of target k to source plane k mod ``planes`` is fitted.
    """

    groups: int
    planes: int
    targets: int
    height: int
    width: int
    window: int
    residual: bool

    @property
    def margin(self) -> int:
        """Pixels from the centre of a window to its edge."""
        return self.window // 2

    @property
    def features(self) -> int:
        """Weights of one output pixel, the bias included."""
        return self.planes * self.window**2 + 1

    @property
    def columns(self) -> int:
        """The width, rounded up to whole tiles."""
        return -(-self.width // TILE) * TILE

    @property
    def top(self) -> int:
        """Zero rows above a flat plane: one more than the margin, for columns left of the first."""
        return self.margin + 1

    @property
    def stride(self) -> int:
        """Row length of flat planes: a displaced pixel outside its row must be zero."""
        return -(-(self.width + self.window - 1) // TILE) * TILE


class FlatPlanes:
    """A buffer of zero-padded float64 planes, rows ``problem.stride`` apart.

    The zeros before and after the pixels keep every displacement inside a window within its plane. The buffer
    is allocated once for all batches, as new pages cost more than the products computed from them.

    Args:
        problem: Sizes.
        images: Largest batch.
        planes: Planes of one image.
        device: Where the planes live.
    """

    def __init__(self, problem: Problem, images: int, planes: int, device: torch.device) -> None:
        rows = problem.top + problem.height + problem.window
        self.buffer = torch.zeros((images, planes, rows, problem.stride), dtype=torch.float64, device=device)
        self.inside = self.buffer[:, :, problem.top : problem.top + problem.height, : problem.width]

    def hold(self, planes: Tensor) -> Tensor:
        """Copy (N, P, H, W) planes into the buffer; return (N, P, rows, stride)."""
        self.inside[: len(planes)].copy_(planes)
        return self.buffer[: len(planes)]


def displaced_products(left: Tensor, right: Tensor, problem: Problem, dy: int, reach: int) -> Tensor:
    """Sum each pixel times its neighbours ``dy`` rows below, -reach to reach columns away, over images.

    A matrix product of TILE pixels with their TILE + 2 reach neighbours contains the needed band. Though BLAS
    computes more than the band, this is faster than adding maps one by one.

    Args:
        left: (N, rows, stride) flat planes, float64.
        right: Planes of the same layout.
        problem: Sizes.
        dy: Rows of displacement, from -window to window.
        reach: Largest displacement in columns.

    Returns:
        (H, tiles, TILE, 2 reach + 1) float64.
    """
    images, across = left.shape[0], problem.stride // TILE
    tiles, width = problem.height * across, TILE + 2 * reach
    start = left.storage_offset() + problem.top * problem.stride
    shifted = right.storage_offset() + (problem.top + dy) * problem.stride - reach
    pixels = left.as_strided((tiles, TILE, images), (TILE, 1, left.stride(0)), start)
    neighbours = right.as_strided((tiles, images, width), (TILE, right.stride(0), 1), shifted)
    products = torch.bmm(pixels, neighbours)
    steps = (across * TILE * width, TILE * width, width + 1, 1)
    band = products.as_strided((problem.height, across, TILE, 2 * reach + 1), steps)
    return band[:, : problem.columns // TILE]


class Correlations:
    """Sufficient statistics of the ridge solutions, additive over batches.

    Args:
        problem: Sizes.
        device: Where the statistics live.
    """

    def __init__(self, problem: Problem, device: torch.device) -> None:
        self.problem, self.count = problem, 0
        p, padded = problem, (problem.height + 2 * problem.margin, problem.columns + 2 * problem.margin)
        zeros = partial(torch.zeros, dtype=torch.float64, device=device)
        self.gram = zeros((p.groups, *padded, p.window, p.planes, p.planes, 2 * p.window - 1))
        self.cross = zeros((p.groups, p.targets, p.height, p.columns, p.window, p.planes, p.window))
        self.source_sum = zeros((p.groups, *padded, p.planes))
        self.target_sum = zeros((p.groups, p.targets, p.height, p.width))

    def add(self, sources: Tensor, targets: Tensor) -> None:
        """Add the statistics of a batch.

        Args:
            sources: (N, groups, planes, H, W) of any float type.
            targets: (N, groups, targets, H, W).
        """
        p = self.problem
        batch = min(len(sources), max(1, BATCH_BYTES // (8 * p.planes * p.height * p.stride)))
        buffers = [FlatPlanes(p, batch, planes, sources.device) for planes in (p.planes, 1)]
        for x, y in zip(torch.split(sources, batch), torch.split(targets, batch), strict=True):
            self.count += len(x)
            for group in range(p.groups):
                flat = buffers[0].hold(x[:, group])
                self._add_sources(group, flat)
                for k in range(p.targets):
                    self._add_target(group, k, buffers[1].hold(y[:, group, k : k + 1])[:, 0], flat)

    def include(self, other: Correlations) -> None:
        """Add the statistics of other images."""
        self.count += other.count
        for name in SUMS:
            getattr(self, name).add_(getattr(other, name))

    def complement(self, total: Correlations) -> None:
        """Replace the statistics of some images by those of all others, given those of all."""
        self.count = total.count - self.count
        for name in SUMS:
            getattr(self, name).neg_().add_(getattr(total, name))

    def _add_sources(self, group: int, flat: Tensor) -> None:
        p, m = self.problem, self.problem.margin
        inside = torch.unflatten(self.gram[group, m : m + p.height, m : m + p.columns], 1, (-1, TILE))
        for dy in range(p.window):
            for i in range(p.planes):
                for j in range(p.planes):
                    inside[..., dy, i, j, :] += displaced_products(
                        flat[:, i], flat[:, j], p, dy, p.window - 1
                    )
        sums = flat.sum(0)[:, p.top : p.top + p.height, : p.width]
        self.source_sum[group, m : m + p.height, m : m + p.width] += sums.movedim(0, -1)

    def _add_target(self, group: int, k: int, flat: Tensor, sources: Tensor) -> None:
        p, m = self.problem, self.problem.margin
        if p.residual:
            flat -= sources[:, k % p.planes]
        cross = torch.unflatten(self.cross[group, k], 1, (-1, TILE))
        for dy in range(p.window):
            for i in range(p.planes):
                cross[..., dy, i, :] += displaced_products(flat, sources[:, i], p, dy - m, m)
        self.target_sum[group, k] += flat.sum(0)[p.top : p.top + p.height, : p.width]

    def fill_gram(self, group: int, rows: slice, columns: slice, out: Tensor) -> None:
        """Write the upper triangles of the pixels' Gram matrices.

        Args:
            group: Which of the independent problems.
            rows: Output rows, with start and stop.
            columns: Output columns.
            out: (h, w, p, p) float64 of any layout; features in the order row, plane, column, bias. What lies
                below the diagonal blocks of one window row is left as it is.
        """
        p, maps, sums = self.problem, self.gram[group], self.source_sum[group]
        height, width = rows.stop - rows.start, columns.stop - columns.start
        down, across, turn, first, second, _ = maps.stride()
        window, planes = p.window, p.planes
        offsets = (window, planes, window)
        blocks = torch.unflatten(torch.unflatten(out[..., :-1, :-1], 3, offsets), 2, offsets)
        biases = torch.unflatten(out[..., :-1, -1], 2, offsets)
        for i in range(window):
            # the displacement from (i, ix) to (jy, jx) is linear in all four, so one view holds the block row
            corner = maps[rows.start + i, columns.start, 0, 0, 0, window - 1].storage_offset()
            blocks[:, :, i, :, :, i:].copy_(
                maps.as_strided(
                    (height, width, planes, window, window - i, planes, window),
                    (down, across, first, across - 1, turn, second, 1),
                    corner,
                )
            )
            line = sums[rows.start + i : rows.stop + i, columns.start : columns.stop + window - 1]
            biases[:, :, i].copy_(line.unfold(1, window, 1))
        out[..., -1, -1] = self.count

    def fill_right(self, group: int, rows: slice, columns: slice, out: Tensor) -> None:
        """Write the right-hand sides: ``out`` is (h, w, p, targets) float64, features as in ``fill_gram``."""
        out[..., :-1, :].copy_(self.cross[group, :, rows, columns].flatten(3).movedim(0, -1))
        out[..., -1, :].copy_(self.target_sum[group, :, rows, columns].movedim(0, -1))
