"""Local ridge regression: every output pixel from the window of pixels around it, in closed form.

This is the model of masked regression (Khan, Akram, Mahmood et al., IJCV 2020, arXiv 2011.09104) and, in our
reading, RegGAN's first stage (arXiv 2603.15648). The official program inverts one matrix per pixel from a
dense mask; here one pass over the images computes displacement correlations, from which all windows are
solved.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import partial
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fesbench.core.errors import BenchError

from .correlations import Correlations, Problem
from .solvers import dual, prefers_dual, primal

Channels = Literal["same", "all"]
Array = Tensor | NDArray[np.floating]
Solver = Callable[[float, torch.dtype], Tensor]


class Layout(NamedTuple):
    """The shape (..., C, H, W) of the targets and the type of the sources, the same in all batches."""

    targets: tuple[int, ...] = ()
    dtype: torch.dtype = torch.float32


def apply_windows(images: Tensor, weights: Tensor, channels: Channels, residual: bool) -> Tensor:
    """Evaluate fitted maps.

    Args:
        images: (N, C, H, W) float32 or float64.
        weights: (p, ..., C, H, W): ``LocalRidge.coef_`` with its last axis first, of the images' type.
        channels: As in the fit.
        residual: Whether the weights give the difference to the image.

    Returns:
        (N, ..., C, H, W); each result depends on its own image alone.
    """
    result = weights[-1].expand(len(images), *weights.shape[1:]).clone()
    if residual:
        result += images.reshape(len(images), *[1] * (result.ndim - 4), *images.shape[1:])
    for image, total in zip(images, result, strict=True):
        for weight, shifted in zip(weights, window_shifts(image, len(weights), channels), strict=False):
            total.addcmul_(weight, shifted)
    return result


def window_shifts(images: Tensor, features: int, channels: Channels) -> Iterator[Tensor]:
    """Yield the factors of a window's weights, in the order of the weights, without the bias.

    Args:
        images: (..., C, H, W).
        features: Length of the weights, the bias included.
        channels: See ``LocalRidge``.

    Yields:
        (..., C, H, W) shifted images for ``"same"``, (..., 1, H, W) shifted planes for ``"all"``.
    """
    planes = [images] if channels == "same" else torch.split(images, 1, -3)
    window = round(((features - 1) // len(planes)) ** 0.5)
    height, width = images.shape[-2:]
    for plane in planes:
        padded = torch.nn.functional.pad(plane, [window // 2] * 4)
        for row in range(window):
            for column in range(window):
                yield padded[..., row : row + height, column : column + width]


class LocalRidge:
    """Ridge regression of images on images with local receptive fields.

    For each output pixel, the weights w minimise ``sum_n (t_n - w·x_n)² + alpha |w|²``, where x_n is the
    window around that pixel in source n, zero outside the image, followed by a constant 1. The solution is
    exact; the arithmetic is float64 for any input.

    Args:
        receptive_field: Side r of the window in pixels, odd.
        alpha: Ridge penalty, positive; it is not scaled by the number of images, and holds for the bias too.
        channels: ``"same"``: each channel from itself; ``"all"``: each channel from all of them.
        residual: Fit the difference to the source, so that a strong penalty copies the source and does not
            blacken it.

    Attributes:
        errors_: Mean squared held-out error of each alpha, after ``select_alpha``.
    """

    _images: tuple[Tensor, Tensor] | None
    _statistics: Correlations | None
    _solver: Solver
    _coef: Tensor | None

    def __init__(
        self,
        receptive_field: int = 3,
        alpha: float = 0.4,
        channels: Channels = "same",
        residual: bool = False,
    ) -> None:
        if receptive_field < 1 or receptive_field % 2 == 0:
            raise BenchError(f"receptive_field must be odd and positive, not {receptive_field}")
        if channels not in ("same", "all"):
            raise BenchError(f"channels must be 'same' or 'all', not {channels!r}")
        self.receptive_field, self.channels, self.residual = receptive_field, channels, residual
        self.alpha = alpha
        self.errors_: dict[float, float] = {}
        self._forget()

    @property
    def alpha(self) -> float:
        """The ridge penalty."""
        return self._alpha

    @alpha.setter
    def alpha(self, value: float) -> None:
        self._alpha = _positive(value)
        self._coef = None

    @property
    def coef_(self) -> Tensor:
        """Fitted weights, of the sources' type.

        (..., C, H, W, r·r + 1) for ``channels="same"``, (..., C, H, W, C·r·r + 1) for ``"all"``: the windows
        of the channels one after the other, each in row-major order, then the bias; ``...`` are the extra
        axes of the targets. With ``residual=True`` they give the difference to the source.
        """
        if self._coef is None:
            self._coef = self._weights(self._solver, self._alpha)
        return self._coef

    def fit(self, sources: Array, targets: Array) -> LocalRidge:
        """Fit to these images alone; they are kept by reference, for ``select_alpha``.

        Args:
            sources: (N, C, H, W) float32 or float64, tensor or array.
            targets: (N, ..., C, H, W): axes between N and C stand for several targets of the same source,
                which share the source's statistics and factorisations.

        Returns:
            The regression itself.

        Raises:
            BenchError: shapes or types do not fit, or values are not finite.
        """
        self._forget()
        images = self._checked(sources, targets)
        if prefers_dual(self._problem, len(images[0])):
            self._solver = partial(dual, self._problem, *self._grouped(*images))
        else:
            self._add(*images)
        self._images = images
        self._coef = self._weights(self._solver, self._alpha)
        return self

    def partial_fit(self, sources: Array, targets: Array) -> LocalRidge:
        """Fit to more images, of the same shapes; memory does not grow, and no image is kept.

        Returns:
            The regression itself; it is solved at the next use of ``coef_`` or ``predict``.

        Raises:
            BenchError: shapes or types do not fit, or values are not finite.
        """
        batch = self._checked(sources, targets)
        if self._statistics is None and self._images is not None:
            self._add(*self._images)
        self._add(*batch)
        self._images, self._coef = None, None
        return self

    def without(self, held: LocalRidge) -> LocalRidge:
        """Return the regression on all images of this one but those of another one.

        Args:
            held: A regression with the same settings on some of the images of this one. Both have been given
                them by ``partial_fit``.

        Raises:
            BenchError: one of the two keeps no statistics, or they are of other shapes.
        """
        others = copy.copy(self)
        others._statistics = copy.deepcopy(held._comparable(self))
        others._statistics.complement(self._comparable(held))
        others._solver, others._coef = partial(primal, others._statistics), None
        return others

    def joined(self, others: Iterable[LocalRidge]) -> LocalRidge:
        """Return the regression on all images of this one and of others.

        Args:
            others: Regressions with the same settings on other images, given by ``partial_fit`` as here.

        Raises:
            BenchError: as for ``without``.
        """
        whole = copy.copy(self)
        whole._statistics = copy.deepcopy(self._comparable(self))
        for other in others:
            whole._statistics.include(other._comparable(self))
        whole._solver, whole._coef = partial(primal, whole._statistics), None
        return whole

    def _comparable(self, other: LocalRidge) -> Correlations:
        """Return the statistics, if they can be added to those of another regression."""
        if self._statistics is None or other._statistics is None or self._problem != other._problem:
            raise BenchError("this needs two regressions of the same shapes, both by partial_fit")
        return self._statistics

    def select_alpha(self, alphas: Iterable[float], groups: Sequence[Hashable]) -> LocalRidge:
        """Choose the penalty by exact leave-subjects-out cross-validation on the images given to ``fit``.

        Each group is held out once. Its statistics are subtracted from the sum over all images, which gives
        exactly a fit without the group.

        Args:
            alphas: Candidates, positive.
            groups: N labels, one for each image. Images of one person must share a label; several people may
                share one, which makes fewer folds.

        Returns:
            The regression itself, with the ``alpha`` of the smallest held-out error.

        Raises:
            BenchError: the images of ``fit`` are not kept any more, or the labels do not fit them.
        """
        if self._images is None:
            raise BenchError("select_alpha needs the images: call fit, not partial_fit, before it")
        sources, targets = self._images
        folds = _folds(groups, sources.device)
        if len(groups) != len(sources) or len(folds) < 2:
            raise BenchError(
                f"groups must label {len(sources)} images with at least 2 subjects, "
                f"not {len(groups)} with {len(folds)}"
            )
        squares = {_positive(alpha): 0.0 for alpha in alphas}
        if not squares:
            raise BenchError("alphas must hold at least one candidate")
        for held in folds:
            solve = self._without(held, sources, targets)
            for alpha in squares:
                missed = self._apply(sources[held], self._weights(solve, alpha)) - targets[held]
                squares[alpha] += float(missed.double().square().sum())
        self.errors_ = {alpha: total / targets.numel() for alpha, total in squares.items()}
        self.alpha = min(self.errors_, key=self.errors_.__getitem__)
        return self

    def predict(self, images: Array) -> Tensor:
        """Map (N, C, H, W) images to (N, ..., C, H, W), of the type of the weights; not clamped."""
        inputs = torch.as_tensor(images)
        coef = self.coef_
        if inputs.ndim != 4 or inputs.shape[1:] != coef.shape[-4:-1]:
            raise BenchError(
                f"images must be (N, C, H, W) with (C, H, W) = {tuple(coef.shape[-4:-1])}, as fitted, "
                f"not {tuple(inputs.shape)}"
            )
        return self._apply(inputs.to(coef), coef)

    def _apply(self, images: Tensor, coef: Tensor) -> Tensor:
        return apply_windows(images, coef.movedim(-1, 0).contiguous(), self.channels, self.residual)

    def _forget(self) -> None:
        self._layout = Layout()
        self._images = self._statistics = self._coef = None
        self._solver = _unfitted

    def _checked(self, sources: Array, targets: Array) -> tuple[Tensor, Tensor]:
        """Both as tensors, after checking their shapes, types and values."""
        x = torch.as_tensor(sources)
        y = torch.as_tensor(targets).to(x.device)
        if x.dtype not in (torch.float32, torch.float64) or not y.is_floating_point():
            raise BenchError(f"images must be float32 or float64, not {x.dtype} and {y.dtype}")
        if x.ndim != 4 or y.ndim < 4 or len(x) != len(y) or x.shape[1:] != y.shape[-3:] or not y.numel():
            raise BenchError(
                "sources must be (N, C, H, W) and targets (N, ..., C, H, W) with N > 0, "
                f"not {tuple(x.shape)} and {tuple(y.shape)}"
            )
        if not (x.sum().isfinite() and y.sum().isfinite()):
            raise BenchError("images must be finite; these hold NaN or infinite values")
        layout = Layout(tuple(y.shape[1:]), x.dtype)
        if self._layout not in (Layout(), layout):
            raise BenchError(f"shapes and types differ from those before: {layout} after {self._layout}")
        self._layout = layout
        return x, y

    @property
    def _problem(self) -> Problem:
        *extra, channels, height, width = self._layout.targets
        targets, size = math.prod(extra), (height, width, self.receptive_field, self.residual)
        return (
            Problem(channels, 1, targets, *size)
            if self.channels == "same"
            else Problem(1, channels, targets * channels, *size)
        )

    def _grouped(self, sources: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The images as (N, groups, planes, H, W) and (N, groups, targets, H, W) views."""
        targets = targets.reshape(len(targets), -1, *targets.shape[-3:])
        if self.channels == "same":
            return sources[:, :, None], targets.transpose(1, 2)
        return sources[:, None], targets.flatten(1, 2)[:, None]

    def _add(self, sources: Tensor, targets: Tensor) -> None:
        if self._statistics is None:
            self._statistics = Correlations(self._problem, sources.device)
            self._solver = partial(primal, self._statistics)
        self._statistics.add(*self._grouped(sources, targets))

    def _weights(self, solve: Solver, alpha: float) -> Tensor:
        return solve(alpha, self._layout.dtype).reshape(*self._layout.targets, -1)

    def _without(self, held: Tensor, sources: Tensor, targets: Tensor) -> Solver:
        """The solver for all images except those at ``held``."""
        if self._statistics is None:
            rest = torch.ones(len(sources), dtype=torch.bool, device=sources.device)
            rest[held] = False
            return partial(dual, self._problem, *self._grouped(sources[rest], targets[rest]))
        others = Correlations(self._problem, sources.device)
        others.add(*self._grouped(sources[held], targets[held]))
        others.complement(self._statistics)
        return partial(primal, others)


def _positive(alpha: float) -> float:
    if not 0 < alpha < math.inf:
        raise BenchError(f"alpha must be positive and finite (0 leaves border windows singular), not {alpha}")
    return float(alpha)


def _unfitted(alpha: float, dtype: torch.dtype) -> Tensor:
    raise BenchError("the regression is not fitted: call fit or partial_fit first")


def _folds(groups: Sequence[Hashable], device: torch.device) -> list[Tensor]:
    """Indices of the images of each label."""
    members: dict[Hashable, list[int]] = {}
    for index, label in enumerate(groups):
        members.setdefault(label, []).append(index)
    return [torch.tensor(indices, device=device) for indices in members.values()]
