"""The expression and recognition networks of face-api, from their quantised files.

Source: Vincent Mühler's face-api.js, as kept up in @vladmandic/face-api 1.7.15 (MIT). A model is a binary
file and a JSON list of its tensors; most tensors are stored as uint8 with a scale and a minimum. The
recognition network is dlib's ResNet (public domain), so its embedding is dlib's up to the quantisation.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ... import weights
from ...core.contracts import FeatureExtractor, FeatureExtractorCard
from ...core.errors import CheckpointError
from ..verification import FaceEmbedder
from . import dlib_resnet
from .base import TorchExtractor, load_once
from .cropping import Box, crop

LABELS = ("neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised")
MEAN = (122.782, 117.001, 104.298)
EXPRESSION_SIZE = 112
EXPRESSION_BOX = Box(24, 41, 232, 249)
WIDTHS = (32, 64, 128, 256)
MAX_MANIFEST_BYTES = 1 << 20
MAX_BYTES = 64 << 20
LICENCE = "MIT (@vladmandic/face-api)"
SOURCE = "@vladmandic/face-api 1.7.15, model/"


class Separable(nn.Module):
    """3×3 depthwise convolution with TensorFlow's 'same' border, then 1×1 with bias."""

    def __init__(
        self,
        depthwise: NDArray[np.float32],
        pointwise: NDArray[np.float32],
        bias: NDArray[np.float32],
        stride: int,
    ) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.from_numpy(_contiguous(depthwise, 2, 3, 0, 1)))
        self.pointwise = nn.Parameter(torch.from_numpy(_contiguous(pointwise, 3, 2, 0, 1)))
        self.bias = nn.Parameter(torch.from_numpy(bias))
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H/stride, W/stride)."""
        x = F.conv2d(_same(x, self.stride), self.depthwise, stride=self.stride, groups=x.shape[1])
        return F.conv2d(x, self.pointwise, self.bias)


class Stem(nn.Module):
    """3×3 convolution with stride 2 and bias."""

    def __init__(self, filters: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.from_numpy(_contiguous(filters, 3, 2, 0, 1)))
        self.bias = nn.Parameter(torch.from_numpy(bias))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, out, H/2, W/2)."""
        return F.conv2d(_same(x, 2), self.weight, self.bias, stride=2)


class DenseBlock(nn.Module):
    """Four convolutions, each fed with the rectified sum of all earlier outputs."""

    def __init__(self, entry: nn.Module, convolutions: list[Separable]) -> None:
        super().__init__()
        self.entry = entry
        self.convolutions = nn.ModuleList(convolutions)

    def forward(self, x: Tensor) -> Tensor:
        """Halves height and width."""
        total: Tensor = self.entry(x).relu()
        for convolution in self.convolutions:
            total = total + convolution(total.relu())
        return total.relu()


def published_expression() -> FeatureExtractor:
    """Return the expression network of the weights folder.

    Raises:
        WeightsMissing: a file is not there.
        CheckpointError: the files are not that network.
    """
    with _published("face_expression_model") as folder:
        return load_once(FaceApiExpression, folder)


def published_recognition() -> FeatureExtractor:
    """Return the recognition network of the weights folder.

    Raises:
        WeightsMissing: a file is not there.
        CheckpointError: the files are not that network.
    """
    with _published("face_recognition_model") as folder:
        return load_once(FaceApiRecognition, folder)


class FaceApiExpression(TorchExtractor):
    """Expression probabilities (B, 7), columns in the order of ``card.labels``.

    The box (24, 41)-(232, 249) of the aligned 256-pixel crop is resized to 112×112; the mean colour is
    subtracted and the result divided by 255.

    Args:
        folder: Holds ``face_expression_model.bin`` and its manifest.

    Raises:
        WeightsMissing: a file is not there.
        CheckpointError: the files are not that network.
    """

    def __init__(self, folder: Path) -> None:
        self.module, digest = _loaded(folder, "face_expression_model", _expression_module)
        self.card = FeatureExtractorCard(
            name="face-api-expression",
            backend="face-api",
            digest=digest,
            preprocessing="v1: box 24,41,232,249 of 256, antialiased bilinear to 112, RGB minus mean, /255",
            dimension=len(LABELS),
            licence=LICENCE,
            source=SOURCE + "face_expression_model",
            labels=LABELS,
        )

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, 7) float32 probabilities."""
        return self.probabilities(crop(images.to(self.device), EXPRESSION_BOX, EXPRESSION_SIZE)).cpu()

    @torch.no_grad()
    def probabilities(self, faces: Tensor) -> Tensor:
        """(B, 3, 112, 112) RGB in 0..255 to (B, 7) probabilities, on the device of ``faces``."""
        logits: Tensor = self.module(_normalised(faces))
        return logits.softmax(1)


class FaceApiRecognition(TorchExtractor, FaceEmbedder):
    """128-d face descriptors of the dlib network, rounded to 8 bits; verified by dlib's own threshold.

    Args:
        folder: Holds ``face_recognition_model.bin`` and its manifest.

    Raises:
        WeightsMissing: a file is not there.
        CheckpointError: the files are not that network.
    """

    verification = dlib_resnet.VERIFICATION

    def __init__(self, folder: Path) -> None:
        self.module, digest = _loaded(folder, "face_recognition_model", _recognition_module)
        self.card = FeatureExtractorCard(
            name="face-api-recognition",
            backend="face-api",
            digest=digest,
            preprocessing="v1: box 33,38,223,228 of 256, antialiased bilinear to 150, RGB minus mean, /255",
            dimension=dlib_resnet.DIMENSION,
            licence=f"{LICENCE}; weights after dlib (public domain)",
            source=SOURCE + "face_recognition_model",
        )

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, 128) float32 descriptors, not normalised."""
        faces = crop(images.to(self.device), dlib_resnet.FACE, dlib_resnet.INPUT_SIZE)
        return self.describe(faces).cpu()

    @torch.no_grad()
    def describe(self, chips: Tensor) -> Tensor:
        """(B, 3, 150, 150) RGB face chips in 0..255 to (B, 128) descriptors."""
        descriptors: Tensor = self.module(_normalised(chips))
        return descriptors


def _loaded(folder: Path, model: str, build: Callable[[_Tensors], nn.Module]) -> tuple[nn.Module, str]:
    """Return a frozen module built of all tensors of a model, and the digest of its files."""
    tensors = _Tensors(folder, model)
    module = build(tensors).eval().requires_grad_(False)
    tensors.finish()
    return module, tensors.digest


@contextmanager
def _published(model: str) -> Iterator[Path]:
    """Yield the folder of the two files of a model, which are the published ones; see ``weights.pinned``."""
    with (
        weights.pinned("face-api", f"{model}-weights_manifest.json"),
        weights.pinned("face-api", f"{model}.bin") as (path, _),
    ):
        yield path.parent


class _Tensors:
    """The tensors of one model, each to be taken once, with its shape checked.

    ``digest`` is the sha256 of the binary file followed by the manifest.
    """

    def __init__(self, folder: Path, model: str) -> None:
        self.path = folder / f"{model}.bin"
        manifest_path = folder / f"{model}-weights_manifest.json"
        data = weights.read(self.path, MAX_BYTES)
        manifest = weights.read(manifest_path, MAX_MANIFEST_BYTES)
        self.digest = hashlib.sha256(data + manifest).hexdigest()
        try:
            self.arrays = dict(_decode(data, json.loads(manifest)[0]["weights"]))
        except (ValueError, KeyError, IndexError, TypeError, OverflowError, RecursionError) as error:
            raise CheckpointError(f"{manifest_path} does not describe {self.path.name}: {error}") from error

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """The tensor, in TensorFlow's axis order."""
        array = self.arrays.pop(name, None)
        if array is None or array.shape != shape:
            found = "missing" if array is None else f"of shape {array.shape}"
            raise CheckpointError(f"{self.path}: {name} is {found}, expected shape {shape}")
        if not np.isfinite(array).all():
            raise CheckpointError(f"{self.path}: {name} holds values that are not finite")
        return array

    def finish(self) -> None:
        """Nothing may be left over."""
        if self.arrays:
            raise CheckpointError(f"{self.path} holds unexpected tensors: {', '.join(sorted(self.arrays))}")


def _decode(data: bytes, entries: list[Mapping[str, Any]]) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Cut the binary file into float32 tensors; every byte must belong to one of them."""
    position = 0
    for entry in entries:
        shape = tuple(int(size) for size in entry["shape"])
        quantised = entry.get("quantization")
        dtype = np.dtype(np.uint8 if quantised else "<f4")
        if entry["dtype"] != "float32" or (quantised and quantised["dtype"] != "uint8"):
            raise ValueError(f"{entry['name']} has an unknown type")
        values = np.frombuffer(data, dtype, int(np.prod(shape, dtype=np.int64)), position).astype(np.float32)
        position += values.size * dtype.itemsize
        if quantised:
            with np.errstate(over="ignore", invalid="ignore"):
                values = values * np.float32(quantised["scale"]) + np.float32(quantised["min"])
        yield str(entry["name"]), values.reshape(shape)
    if position != len(data):
        raise ValueError(f"{len(data)} bytes in the file, {position} in the manifest")


def _expression_module(tensors: _Tensors) -> nn.Sequential:
    blocks: list[nn.Module] = []
    inputs = 3
    for index, width in enumerate(WIDTHS):
        blocks.append(_dense_block(tensors, f"dense{index}", inputs, width))
        inputs = width
    head = nn.Linear(inputs, len(LABELS))
    head.weight.data = torch.from_numpy(_contiguous(tensors.take("fc/weights", inputs, len(LABELS)), 1, 0))
    head.bias.data = torch.from_numpy(tensors.take("fc/bias", len(LABELS)))
    return nn.Sequential(*blocks, nn.AvgPool2d(7, 2), nn.Flatten(), head)


def _dense_block(tensors: _Tensors, name: str, inputs: int, width: int) -> DenseBlock:
    """The first block of the network begins with a full convolution, the others with a separable one."""
    entry: nn.Module
    if inputs == 3:
        filters = tensors.take(f"{name}/conv0/filters", 3, 3, inputs, width)
        entry = Stem(filters, tensors.take(f"{name}/conv0/bias", width))
    else:
        entry = _separable(tensors, f"{name}/conv0", inputs, width, stride=2)
    return DenseBlock(entry, [_separable(tensors, f"{name}/conv{i}", width, width, 1) for i in (1, 2, 3)])


def _separable(tensors: _Tensors, name: str, inputs: int, outputs: int, stride: int) -> Separable:
    return Separable(
        tensors.take(f"{name}/depthwise_filter", 3, 3, inputs, 1),
        tensors.take(f"{name}/pointwise_filter", 1, 1, inputs, outputs),
        tensors.take(f"{name}/bias", outputs),
        stride,
    )


def _recognition_module(tensors: _Tensors) -> dlib_resnet.FaceResNet:
    convolutions = [
        _convolution(tensors, name, layer)
        for name, layer in zip(_recognition_names(), dlib_resnet.layers(), strict=True)
    ]
    projection = tensors.take("fc", dlib_resnet.UNITS[-1].outputs, dlib_resnet.DIMENSION)
    return dlib_resnet.FaceResNet(convolutions, projection)


def _recognition_names() -> Iterator[str]:
    """face-api's names of the 29 convolutions, in order."""
    yield "conv32_down"
    for width, names in ((32, "123"), (64, ("down", *"123")), (128, ("down", *"12")), (256, ("down", *"12"))):
        for name in names:
            yield from (f"conv{width}_{name}/conv1", f"conv{width}_{name}/conv2")
    yield from ("conv256_down_out/conv1", "conv256_down_out/conv2")


def _convolution(tensors: _Tensors, name: str, layer: dlib_resnet.Layer) -> dlib_resnet.Convolution:
    filters = tensors.take(f"{name}/conv/filters", layer.kernel, layer.kernel, layer.inputs, layer.outputs)
    return dlib_resnet.Convolution(
        _contiguous(filters, 3, 2, 0, 1),
        tensors.take(f"{name}/conv/bias", layer.outputs),
        tensors.take(f"{name}/scale/weights", layer.outputs),
        tensors.take(f"{name}/scale/biases", layer.outputs),
    )


def _normalised(images: Tensor) -> Tensor:
    mean = torch.tensor(MEAN, device=images.device).view(1, 3, 1, 1)
    return (images.float() - mean) / 255


def _same(x: Tensor, stride: int) -> Tensor:
    """TensorFlow's 'same' border for a 3×3 filter on an even size: uneven where the stride is 2."""
    before = 2 - stride
    return F.pad(x, (before, 1, before, 1))


def _contiguous(array: NDArray[np.float32], *axes: int) -> NDArray[np.float32]:
    return np.ascontiguousarray(array.transpose(axes))
