"""The regression as a layer of a network: closed form, one set of local maps for each target expression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fesbench.core.errors import BenchError, DatasetError
from fesbench.generators.training_data import TrainingImages

from .regression import Channels, LocalRidge, window_shifts

BATCH = 64
"""Pairs in a batch of the fit."""


@dataclass(frozen=True)
class RegressionOptions:
    """Options of the fit; see ``LocalRidge`` for those that are not described here.

    With ``mirror`` every pair is used mirrored as well, as in the training of the refinement; the penalty is
    then doubled, so that its relative weight stays the same.
    """

    receptive_field: int = 5
    alpha: float = 1.0
    channels: Channels = "same"
    residual: bool = True
    mirror: bool = True


class RegressionLayer(nn.Module):
    """Maps images by the local regression of their target expression; neutral targets change nothing.

    ``coef`` (p, E, 3, R, R) holds the weights of the difference to the source, window first as in
    ``apply_windows``, one set for each of E expressions, all 0 where an expression was not fitted. It is
    frozen: no gradient reaches it.

    Args:
        coef: See above.

    Raises:
        BenchError: a shape that no window and number of channels gives.
    """

    channels: Channels

    def __init__(self, coef: Tensor) -> None:
        super().__init__()
        if coef.ndim != 5 or coef.shape[2] != 3 or (found := _channels(len(coef))) is None:
            raise BenchError(f"regression weights must be (window, E, 3, R, R), not {tuple(coef.shape)}")
        self.channels = found
        self.coef = nn.Parameter(coef, requires_grad=False)

    @property
    def resolution(self) -> int:
        """The size in pixels of the images that the layer accepts."""
        return self.coef.shape[-1]

    def forward(self, images: Tensor, condition: Tensor) -> Tensor:
        """Map (B, 3, R, R) images in [-1, 1] by (B, E) one-hot float32 targets, clamped to [-1, 1].

        Raises:
            BenchError: the images are not of ``resolution``.
        """
        if images.shape[-2:] != self.coef.shape[-2:]:
            raise BenchError(
                f"the regression was fitted at {self.resolution} x {self.resolution} pixels, "
                f"and the images are {images.shape[-2]} x {images.shape[-1]}"
            )
        result = images + torch.tensordot(condition, self.coef[-1], 1)
        for weights, shifted in zip(
            self.coef, window_shifts(images, len(self.coef), self.channels), strict=False
        ):
            result = result + torch.tensordot(condition, weights, 1) * shifted
        mapped: Tensor = result.clamp(-1, 1)
        return mapped


def fit_layer(data: TrainingImages, options: RegressionOptions) -> RegressionLayer:
    """Fit every expression to the images of people who have a neutral face.

    Args:
        data: At the resolution of the layer.
        options: Of the fit.

    Raises:
        DatasetError: no person has a neutral face and another one.
    """
    learnable = data.paired & (data.neutrals != torch.arange(len(data.labels)))
    if not learnable.any():
        raise DatasetError(
            "RegGAN learns from pairs of a neutral and another face of one person, and the data has none"
        )
    size = data.images.shape[-1]
    planes = 3 if options.channels == "all" else 1
    coef = torch.zeros(planes * options.receptive_field**2 + 1, len(data.expressions), 3, size, size)
    for label in torch.unique(data.labels[learnable]).tolist():
        coef[:, label] = _solve(data, torch.nonzero(learnable & (data.labels == label)).flatten(), options)
    return RegressionLayer(coef)


def empty_layer(expressions: int, resolution: int, options: RegressionOptions) -> RegressionLayer:
    """Return a layer that changes nothing, with weights of the shape that ``fit_layer`` would give."""
    planes = 3 if options.channels == "all" else 1
    features = planes * options.receptive_field**2 + 1
    return RegressionLayer(torch.zeros(features, expressions, 3, resolution, resolution))


def _solve(data: TrainingImages, rows: Tensor, options: RegressionOptions) -> Tensor:
    """The weights of the difference, (p, 3, R, R), from the pairs whose targets are ``rows``."""
    alpha = options.alpha * (2 if options.mirror else 1)
    ridge = LocalRidge(options.receptive_field, alpha, options.channels, options.residual)
    for chosen in torch.split(rows, BATCH):
        pair = torch.stack([data.images[data.neutrals[chosen]], data.truths[chosen]]).float() / 127.5 - 1
        for sources, targets in [pair, pair.flip(-1)] if options.mirror else [pair]:
            ridge.partial_fit(sources, targets)
    coef = ridge.coef_.movedim(-1, 0)
    if not options.residual:
        _subtract_identity(coef, options.channels)
    return coef


def _subtract_identity(coef: Tensor, channels: Channels) -> None:
    """Turn (p, 3, R, R) weights of images into those of the difference to the source."""
    if channels == "same":
        coef[(len(coef) - 1) // 2] -= 1
        return
    window = (len(coef) - 1) // 3
    for plane in range(3):
        coef[plane * window + window // 2, plane] -= 1


def _channels(features: int) -> Channels | None:
    """The channels that a number of weights implies: windows are odd squares, never three times a square."""
    shapes: dict[int, Channels] = {1: "same", 3: "all"}
    for planes, channels in shapes.items():
        window = math.isqrt((features - 1) // planes)
        if window % 2 and planes * window**2 == features - 1:
            return channels
    return None
