"""The embedded networks: small, trained by ``bench train-nets`` on rendered faces, shipped with the package.

Two expression classifiers (built and trained differently, so that no generator is both tuned and scored with
one network), one identity embedding, one no-reference quality network, one estimator of movement. Weights are
half-precision safetensors with a JSON card that records how they were trained and their results on held-out
subjects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from ...core.contracts import FeatureExtractorCard
from ...core.errors import CheckpointError
from ...weights.tensors import write_tensors
from ..verification import Verification
from .base import TorchExtractor, fold_norms
from .cropping import LUMINANCE
from .movement import Movement

WEIGHTS = Path(__file__).parent / "weights"
DATASET = "rendered"
"""The data set whose judge split the networks learn from."""


class ConvNorm(nn.Sequential):
    """Convolution, batch normalisation and, unless ``linear``, a ReLU; keeps the size at stride 1."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int = 3,
        stride: int = 1,
        linear: bool = False,
    ) -> None:
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        activation = nn.Identity() if linear else nn.ReLU(inplace=True)
        super().__init__(convolution, nn.BatchNorm2d(outputs), activation)


class Residual(nn.Module):
    """The input plus a correction by two convolutions (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvNorm(width, width), ConvNorm(width, width, linear=True))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return functional.relu(x + self.body(x))


class Dense(nn.Module):
    """The input concatenated with a convolution of it (Huang et al. 2017)."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.body = ConvNorm(inputs, growth)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, inputs + growth, H, W)."""
        return torch.cat([x, self.body(x)], dim=1)


class LocalContrast(nn.Module):
    """Luminance of 64 x 64 images with local mean and contrast normalised.

    The result does not depend on the colour of skin, stone or paint.
    """

    luminance: Tensor
    window: Tensor

    def __init__(self, side: int = 64, reach: int = 8) -> None:
        super().__init__()
        places = torch.arange(side)
        near = ((places[:, None] - places).abs() <= reach).float()
        self.register_buffer("window", near / near.sum(1, keepdim=True), persistent=False)
        self.register_buffer("luminance", torch.tensor(LUMINANCE).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 64, 64) in [0, 1] to (B, 1, 64, 64)."""
        grey = (x * self.luminance).sum(dim=1, keepdim=True)
        centred = grey - self._mean(grey)
        return centred / (self._mean(centred**2) + 1e-3).sqrt()

    def _mean(self, x: Tensor) -> Tensor:
        return self.window @ x @ self.window.T


class Scale(nn.Module):
    """[0, 1] to [-1, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """Same shape."""
        return 2 * x - 1


def _residual_trunk(width: int) -> tuple[nn.Module, ...]:
    """Return the layers from (B, 3, 64, 64) in [0, 1] to (B, 16 * width)."""
    return (
        Scale(),
        ConvNorm(3, 24, kernel=5, stride=2),
        ConvNorm(24, 48, stride=2),
        Residual(48),
        ConvNorm(48, 96, stride=2),
        Residual(96),
        ConvNorm(96, width, stride=2),
        nn.Flatten(),
    )


def residual_judge(classes: int = 7) -> nn.Sequential:
    """Build a residual network from (B, 3, 64, 64) colour to logits."""
    return nn.Sequential(*_residual_trunk(64), nn.Dropout(0.3), nn.Linear(64 * 16, classes))


def dense_judge(classes: int = 7) -> nn.Sequential:
    """Build a densely connected network from the local contrast of (B, 3, 64, 64) images to logits."""
    return nn.Sequential(
        LocalContrast(),
        nn.PixelUnshuffle(2),
        ConvNorm(4, 48, kernel=5, stride=2),
        *(Dense(48 + 24 * layer, 24) for layer in range(3)),
        ConvNorm(120, 64, kernel=1),
        nn.AvgPool2d(2),
        *(Dense(64 + 32 * layer, 32) for layer in range(3)),
        ConvNorm(160, 64, stride=2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 16, classes),
    )


class Unit(nn.Module):
    """Rows of length 1."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, d) to (B, d)."""
        return functional.normalize(x, dim=1)


def identity_embedder(dimension: int = 128) -> nn.Sequential:
    """Build a residual network from (B, 3, 64, 64) colour to unit embeddings."""
    return nn.Sequential(*_residual_trunk(96), nn.Linear(96 * 16, dimension), Unit())


class QualityNet(nn.Module):
    """(B, 3, 128, 128) to (B, 1 + 64): the quality in (0, 1), then the descriptors that it is computed from.

    Pixels are folded into channels rather than averaged, so that the finest grain of an image is kept.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            Scale(),
            nn.PixelUnshuffle(4),
            ConvNorm(48, 48, kernel=1),
            ConvNorm(48, 48),
            ConvNorm(48, 64, stride=2),
            ConvNorm(64, 64, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(64, 1)

    def logits(self, x: Tensor) -> Tensor:
        """(B,) the quality before the sigmoid."""
        logits: Tensor = self.head(self.trunk(x)).squeeze(1)
        return logits

    def forward(self, x: Tensor) -> Tensor:
        """Quality and descriptors."""
        descriptors = self.trunk(x)
        return torch.cat([torch.sigmoid(self.head(descriptors)), descriptors], dim=1)


ARCHITECTURES: dict[str, Callable[[], nn.Module]] = {
    "judge1": residual_judge,
    "judge2": dense_judge,
    "identity": identity_embedder,
    "quality": QualityNet,
    "movement": Movement,
}
"""Name to architecture, in the order of training."""

SIDES = {"judge1": 64, "judge2": 64, "identity": 64, "quality": 128, "movement": 64}
"""Name to height and width of the input, in pixels."""

PREPROCESSING = "v1: whole image, mean over areas to {side} x {side}, RGB / 255"


def build(name: str) -> nn.Module:
    """Return a network of ``ARCHITECTURES`` with fresh weights."""
    return ARCHITECTURES[name]()


def area(images: Tensor, side: int) -> Tensor:
    """Resize (B, 3, H, W) uint8 to (B, 3, side, side) float32 in [0, 1] by means over areas."""
    scaled, size = images.float() / 255, images.shape[-1]
    if images.shape[-2:] != (size, size) or size % side:
        return functional.adaptive_avg_pool2d(scaled, side)
    return scaled if size == side else functional.avg_pool2d(scaled, size // side)  # the same, twice as fast


class EmbeddedNetwork(TorchExtractor):
    """A trained network with its preprocessing.

    Args:
        module: Trained, in evaluation mode.
        side: Height and width of its input.
        card: Its card.
        subjects: The rendered subjects that it was trained on; None where they are not recorded.
        verification: Threshold and levels of a face embedder; None for other networks.
    """

    def __init__(
        self,
        module: nn.Module,
        side: int,
        card: FeatureExtractorCard,
        subjects: frozenset[str] | None = None,
        verification: Verification | None = None,
    ) -> None:
        self.card, self._side, self.verification = card, side, verification
        self.learned_from = None if subjects is None else {DATASET: subjects}
        self.module = module.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB to features.

        Returns:
            float32 on the CPU: probabilities (B, 7) of a classifier, unit embeddings (B, 128), quality and
            descriptors (B, 65), or movements (B, 69), of which only differences are meaningful.
        """
        prepared = area(images.to(self.device), self._side).contiguous(memory_format=torch.channels_last)
        features: Tensor = self._probabilities(prepared) if self.card.labels else self.module(prepared)
        return features.cpu()

    def _probabilities(self, prepared: Tensor) -> Tensor:
        """Return the mean of the probabilities of images and of their mirror images."""
        both: Tensor = self.module(prepared).softmax(dim=1) + self.module(prepared.flip(3)).softmax(dim=1)
        return both / 2


def folded(module: nn.Module) -> nn.Module:
    """Put a module into evaluation mode and fold its normalisations into its convolutions, in place."""
    module.eval()
    fold_norms(module, torch.float32)  # the precision in which the numbers on the cards were measured
    return module


@cache
def card(name: str, folder: Path = WEIGHTS) -> dict[str, Any]:
    """Return the JSON card of a network: its training, its results, the sha256 of its weights.

    Raises:
        CheckpointError: there is no readable card.
    """
    path = folder / f"{name}.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a readable card ({error}); run `bench train-nets`") from error
    return content


@cache
def load(name: str, folder: Path = WEIGHTS) -> EmbeddedNetwork:
    """Return the shipped network of that name, one of ``ARCHITECTURES``.

    Raises:
        CheckpointError: its files are missing, damaged, or do not belong together.
    """
    described, path = card(name, folder), folder / f"{name}.safetensors"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"cannot read {path} ({error}); run `bench train-nets`") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != described["sha256"]:
        raise CheckpointError(f"{path} is not the file that {name}.json describes; run `bench train-nets`")
    module = build(name)
    try:
        module.load_state_dict(safetensors.torch.load(data))
    except (safetensors.SafetensorError, RuntimeError) as error:
        raise CheckpointError(f"{path} does not fit the architecture of {name}: {error}") from error
    return EmbeddedNetwork(
        folded(module),
        SIDES[name],
        extractor_card(name, digest, described),
        _subjects(described["data"]) if described["labels"] else None,
        Verification(**described["verification"]) if "verification" in described else None,
    )


def _subjects(data: dict[str, Any]) -> frozenset[str]:
    """Return the names of the training subjects in the data set of rendered faces."""
    start, stop = data["subjects_per_domain"]
    return frozenset(
        f"{domain}-{data['split']}-{index:04d}" for domain in data["domains"] for index in range(start, stop)
    )


def _reached(described: Mapping[str, Any]) -> str:
    """Return the accuracy of a classifier on held-out subjects, in words; empty for other networks."""
    accuracy = described["reached"].get("accuracy")
    if not accuracy:
        return ""
    share = sum(accuracy.values()) / len(accuracy)
    return f"right on {share:.1%} of rendered faces of subjects it was not trained on (mean over domains)"


def extractor_card(name: str, digest: str, described: Mapping[str, Any]) -> FeatureExtractorCard:
    """Return the feature extractor's card that belongs to the JSON card of a network."""
    return FeatureExtractorCard(
        name=f"embedded-{name}",
        backend="embedded",
        digest=digest,
        preprocessing=PREPROCESSING.format(side=SIDES[name]),
        dimension=described["dimension"],
        licence="MIT",
        source="bench train-nets",
        labels=tuple(described["labels"]),
        reached=_reached(described),
    )


def save(name: str, module: nn.Module, described: Mapping[str, Any], folder: Path) -> Path:
    """Write a trained network in half precision, with its card.

    Returns:
        The path of the weights.

    Raises:
        BenchError: a file cannot be written; an earlier pair then stays.
    """
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in module.state_dict().items()
    }
    path = folder / f"{name}.safetensors"
    write_tensors(path, state, {"name": name, **described})
    return path
