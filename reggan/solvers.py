"""Solvers of one small ridge system for each pixel, many at once, in the fastest exact form."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from .correlations import Correlations, Problem

ELIMINATION_LIMIT = 32
"""Largest order for which elimination across pixels beats one LAPACK call for each pixel."""
DUAL_SHARE = 2 / 3
"""Images for each feature up to which the dual form is the faster one (measured for 76 to 148 features)."""
SOLVE_BYTES = 2**22
"""Size of the systems solved together: small ones would be all overhead, large ones leave the cache."""


def eliminate(system: Tensor) -> Tensor:
    """Solve symmetric positive definite systems by LDLᵀ elimination, all pixels at once.

    Args:
        system: (p, p + q, n) matrices beside their q right-hand sides, one system for each of n pixels; of
            the matrix only the upper triangle is read. Overwritten.

    Returns:
        (p, q, n) solutions, a view into ``system``.
    """
    order = system.shape[0]
    for k in range(order - 1):
        factor = system[k, k + 1 : order] / system[k, k]
        system[k + 1 :, k + 1 :].addcmul_(factor[:, None], system[k, k + 1 :], value=-1)
    solution = system[:, order:]
    for k in reversed(range(order)):
        solution[k] /= system[k, k]
        solution[:k].addcmul_(system[:k, k, None], solution[k], value=-1)
    return solution


def factorise(matrices: Tensor, right: Tensor) -> Tensor:
    """Solve symmetric positive definite systems by batched Cholesky factorisation.

    Args:
        matrices: (..., p, p) contiguous; only the upper triangle is read. Overwritten.
        right: (..., p, q) right-hand sides.

    Returns:
        (..., p, q) solutions.
    """
    lower = matrices.mT
    torch.linalg.cholesky(lower, out=lower)
    return torch.cholesky_solve(right, lower)


def prefers_dual(problem: Problem, images: int) -> bool:
    """Return whether ``dual`` is faster than ``primal`` for this number of images."""
    return images <= DUAL_SHARE * problem.features


def primal(statistics: Correlations, alpha: float, dtype: torch.dtype) -> Tensor:
    """Compute ridge weights from correlations.

    Args:
        statistics: Of the images.
        alpha: Ridge penalty of every weight, the bias included; positive.
        dtype: Of the result; the arithmetic is float64.

    Returns:
        (targets, groups, H, W, features) weights; features in the order plane, row, column, bias.
    """
    problem = statistics.problem
    small = problem.features <= ELIMINATION_LIMIT
    solve = _by_elimination if small else _by_cholesky
    weights = _empty_weights(problem, statistics.gram, dtype)
    for group in range(problem.groups):
        for rows, columns in _spans(problem, SOLVE_BYTES // (8 * problem.features**2)):
            _store(weights[:, group, rows, columns], solve(statistics, group, rows, columns, alpha), problem)
    return weights


def dual(problem: Problem, sources: Tensor, targets: Tensor, alpha: float, dtype: torch.dtype) -> Tensor:
    """Compute the weights of ``primal`` through the N x N Gram matrix of the images.

    Args:
        problem: Sizes.
        sources: (N, groups, planes, H, W).
        targets: (N, groups, targets, H, W).
        alpha: Ridge penalty, positive.
        dtype: Of the result; the arithmetic is float64.

    Returns:
        (targets, groups, H, W, features) weights; features in the order plane, row, column, bias.
    """
    weights = _empty_weights(problem, sources, dtype)
    padded = torch.nn.functional.pad(sources.double(), [problem.margin] * 4)
    windows = padded.unfold(3, problem.window, 1).unfold(4, problem.window, 1)
    for group in range(problem.groups):
        for rows, columns in _spans(problem, SOLVE_BYTES // (8 * len(sources) * problem.features)):
            x = windows[:, group, :, rows, columns].permute(2, 3, 0, 4, 1, 5).flatten(3)
            x = torch.nn.functional.pad(x, (0, 1), value=1.0)
            y = targets[:, group, :, rows, columns].permute(2, 3, 0, 1).double()
            if problem.residual:
                centres = sources[:, group, :, rows, columns].permute(2, 3, 0, 1)
                y = y - centres.repeat(1, 1, 1, problem.targets // problem.planes)
            kernel = x @ x.mT
            kernel.diagonal(dim1=-2, dim2=-1).add_(alpha)
            _store(weights[:, group, rows, columns], x.mT @ factorise(kernel, y), problem)
    return weights


def _by_elimination(
    statistics: Correlations, group: int, rows: slice, columns: slice, alpha: float
) -> Tensor:
    problem, size = statistics.problem, (rows.stop - rows.start, columns.stop - columns.start)
    order = problem.features
    system = statistics.gram.new_empty((order, order + problem.targets, *size))
    last = system.permute(2, 3, 0, 1)
    statistics.fill_gram(group, rows, columns, last[..., :order])
    statistics.fill_right(group, rows, columns, last[..., order:])
    last.diagonal(dim1=-2, dim2=-1).add_(alpha)
    return torch.unflatten(eliminate(system.flatten(2)), 2, size).permute(2, 3, 0, 1)


def _by_cholesky(statistics: Correlations, group: int, rows: slice, columns: slice, alpha: float) -> Tensor:
    problem, size = statistics.problem, (rows.stop - rows.start, columns.stop - columns.start)
    matrices = statistics.gram.new_empty((*size, problem.features, problem.features))
    right = statistics.gram.new_empty((*size, problem.features, problem.targets))
    statistics.fill_gram(group, rows, columns, matrices)
    statistics.fill_right(group, rows, columns, right)
    matrices.diagonal(dim1=-2, dim2=-1).add_(alpha)
    return factorise(matrices, right)


def _empty_weights(problem: Problem, like: Tensor, dtype: torch.dtype) -> Tensor:
    return like.new_empty(
        (problem.targets, problem.groups, problem.height, problem.width, problem.features), dtype=dtype
    )


def _store(weights: Tensor, block: Tensor, problem: Problem) -> None:
    """Put (h, w, p, targets) solutions, features by row, plane, column, into (targets, h, w, p) weights."""
    planes, window = problem.planes, problem.window
    inner = torch.unflatten(block[..., :-1, :], 2, (window, planes, window)).permute(5, 0, 1, 3, 2, 4)
    torch.unflatten(weights[..., :-1], 3, (planes, window, window)).copy_(inner)
    weights[..., -1].copy_(block[..., -1, :].movedim(-1, 0))


def _spans(problem: Problem, pixels: int) -> Iterator[tuple[slice, slice]]:
    """Blocks of about ``pixels`` pixels that cover the image: some whole rows, or a part of one."""
    rows, columns = max(1, pixels // problem.width), min(problem.width, max(1, pixels))
    for top in range(0, problem.height, rows):
        for left in range(0, problem.width, columns):
            yield (
                slice(top, min(top + rows, problem.height)),
                slice(left, min(left + columns, problem.width)),
            )
