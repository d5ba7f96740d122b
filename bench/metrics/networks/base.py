"""Feature extractors around a torch module: reading weights, exact speed-ups, calls on plain images.

Folding batch normalisation into the convolution before it and storing images with channels last changes no
result beyond float32 rounding. Lower precision does, so it is not used here.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...core.contracts import FeatureExtractor, Image
from ...core.errors import BenchError, CheckpointError, WeightsMissing
from ...weights.tensors import read_checkpoint

BATCH = 16
"""Images in a pass; more are no faster on a CPU."""


@cache
def load_once(kind: Callable[..., FeatureExtractor], *arguments: Path | str) -> FeatureExtractor:
    """Return ``kind(*arguments)``: the same object in every call with the same arguments."""
    return kind(*arguments)


def read_weights(path: Path, sha256: str) -> tuple[Mapping[str, Tensor], str]:
    """Return the tensors of a published file and the sha256 of the file.

    No code in the file is run.

    Args:
        path: What ``torch.save`` wrote.
        sha256: The digest that the file must have, or its first digits; empty accepts any.

    Raises:
        WeightsMissing: there is no such file.
        CheckpointError: it is another file, or cannot be read as tensors.
    """
    if not path.is_file():
        raise WeightsMissing(f"there is no weight file {path}; `bench weights list` shows them all")
    content = read_checkpoint(path)
    if not content.digest.startswith(sha256):
        raise CheckpointError(
            f"{path} is not the expected file: its sha256 is {content.digest}, not {sha256}…; get the "
            "published one, or state the digest of your own"
        )
    return content.state, content.digest


def fold_norms(module: nn.Module, precision: torch.dtype = torch.float64) -> None:
    """Fold every batch normalisation into the convolution right before it, in place.

    Outputs stay the same up to rounding.

    Args:
        module: A float32 module in evaluation mode.
        precision: Type of the arithmetic; the result is float32.
    """
    for part in module.modules():
        children = list(part.named_children())
        for (first, convolution), (second, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                folded = fuse_conv_bn_eval(convolution.to(precision), norm.to(precision))
                setattr(part, first, folded.float())
                setattr(part, second, nn.Identity())


def fast(module: nn.Module) -> nn.Module:
    """Prepare a module for inference: frozen, normalisations folded, weights with channels last."""
    module.eval().requires_grad_(False)
    fold_norms(module)
    return module.to(memory_format=torch.channels_last)


class TorchExtractor(FeatureExtractor):
    """A feature extractor around a torch module, which can also be called on plain images of any sizes."""

    module: nn.Module

    @property
    def device(self) -> torch.device:
        """Where the parameters are."""
        return next(self.module.parameters()).device

    def __call__(self, images: Sequence[Image] | NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the features of images.

        Args:
            images: (H, W, 3) uint8 RGB arrays; sizes may differ.

        Returns:
            (N, card.dimension) float32, in the order of ``images``.

        Raises:
            BenchError: one of them is not such an array.
        """
        features = np.empty((len(images), self.card.dimension), np.float32)
        for rows in _batches(images):
            stack = np.stack([images[i] for i in rows]).transpose(0, 3, 1, 2)
            features[rows] = self.features(torch.from_numpy(np.ascontiguousarray(stack))).numpy()
        return features

    def to(self, device: str) -> Self:
        """Move the parameters."""
        self.module.to(device)
        return self


def _batches(images: Sequence[Image] | NDArray[np.uint8]) -> Iterator[list[int]]:
    """Yield the indices of images of one size, at most ``BATCH`` at a time."""
    by_size: dict[tuple[int, ...], list[int]] = {}
    for index, image in enumerate(images):
        by_size.setdefault(_checked_shape(image, index), []).append(index)
    for rows in by_size.values():
        for start in range(0, len(rows), BATCH):
            yield rows[start : start + BATCH]


def _checked_shape(image: Image, index: int) -> tuple[int, ...]:
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or not array.size:
        raise BenchError(
            f"image {index} is {array.shape} {array.dtype}; give RGB images of shape (H, W, 3), uint8"
        )
    return array.shape


def required(module: str) -> ModuleType:
    """Import a module of an optional package.

    Raises:
        WeightsMissing: the package is not installed or cannot be imported; says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0].replace("_", "-")
        raise WeightsMissing(
            f"this backend needs {package}, which cannot be imported ({error}); "
            'install it with: pip install "fesbench[paper]"'
        ) from error
