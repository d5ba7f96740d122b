"""The embedded networks: small, trained by ``bench train-nets`` on rendered faces, shipped with the package.

Two judges of expression (built and trained differently, so that no generator is both tuned and scored by one
network), one identity embedding, one no-reference quality network. Weights are half-precision safetensors
beside a JSON card that says how they were made and what they reach on held-out subjects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from ...core.contracts import Network, NetworkCard
from ...core.errors import CheckpointError
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

    def fuse(self) -> None:
        """Fold the normalisation into the convolution; the output stays, up to rounding."""
        convolution, norm = self[0], self[1]
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        self[0], self[1] = fuse_conv_bn_eval(convolution, norm), nn.Identity()


class Residual(nn.Module):
    """The input plus a correction by two convolutions (He et al. 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(ConvNorm(width, width), ConvNorm(width, width, linear=True))

    def forward(self, x: Tensor) -> Tensor:
        """(B, width, H, W) to the same shape."""
        return functional.relu(x + self.body(x))


class Dense(nn.Module):
    """The input with what a convolution finds in it put beside it (Huang et al. 2017)."""

    def __init__(self, inputs: int, growth: int) -> None:
        super().__init__()
        self.body = ConvNorm(inputs, growth)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, inputs + growth, H, W)."""
        return torch.cat([x, self.body(x)], dim=1)


class LocalContrast(nn.Module):
    """Luminance of 64 x 64 images with its local mean removed and its local contrast evened out.

    What is left does not depend on the colour of skin, stone or paint.
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


def residual_judge(classes: int = 7) -> nn.Sequential:
    """(B, 3, 64, 64) colour to logits through a residual network."""
    return nn.Sequential(
        Scale(),
        ConvNorm(3, 24, kernel=5, stride=2),
        ConvNorm(24, 48, stride=2),
        Residual(48),
        ConvNorm(48, 96, stride=2),
        Residual(96),
        ConvNorm(96, 64, stride=2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(64 * 16, classes),
    )


def dense_judge(classes: int = 7) -> nn.Sequential:
    """(B, 3, 64, 64) to logits through densely connected layers that see local contrast only."""
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
    """(B, 3, 64, 64) to unit embeddings."""
    return nn.Sequential(
        Scale(),
        ConvNorm(3, 24, kernel=5, stride=2),
        ConvNorm(24, 48, stride=2),
        Residual(48),
        ConvNorm(48, 96, stride=2),
        Residual(96),
        ConvNorm(96, 96, stride=2),
        nn.Flatten(),
        nn.Linear(96 * 16, dimension),
        Unit(),
    )


class QualityNet(nn.Module):
    """(B, 3, 128, 128) to (B, 1 + 64): the quality in (0, 1), then the descriptors that it weighs.

    Pixels are folded into channels rather than averaged, so that the finest grain of an image is seen.
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
"""Name to the side of the square that the network looks at, in pixels."""

PREPROCESSING = "v1: whole image, mean over areas to {side} x {side}, RGB / 255"


def build(name: str) -> nn.Module:
    """A network of the given name with fresh weights."""
    return ARCHITECTURES[name]()


def area(images: Tensor, side: int) -> Tensor:
    """(B, 3, H, W) uint8 to (B, 3, side, side) float32 in [0, 1]: each pixel the mean of its area."""
    scaled = images.float() / 255
    return scaled if images.shape[-2:] == (side, side) else functional.adaptive_avg_pool2d(scaled, side)


class EmbeddedNetwork(Network):
    """A trained network behind its preprocessing.

    Args:
        name: Its architecture.
        module: Trained, in evaluation mode.
        card: What it is.
        subjects: The rendered subjects that it learned from, where they are recorded.
    """

    def __init__(
        self, name: str, module: nn.Module, card: NetworkCard, subjects: frozenset[str] | None = None
    ) -> None:
        self.card, self._side = card, SIDES[name]
        self.learned_from = None if subjects is None else {DATASET: subjects}
        self._module = module.to(memory_format=torch.channels_last)

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """What the network gives.

        Probabilities (B, 7) of a judge, unit embeddings (B, 128), quality and descriptors (B, 65), or
        movements (B, 69), whose differences alone mean anything.
        """
        device = next(self._module.parameters()).device
        prepared = area(images.to(device), self._side).contiguous(memory_format=torch.channels_last)
        features: Tensor = self._judged(prepared) if self.card.labels else self._module(prepared)
        return features.cpu()

    def _judged(self, prepared: Tensor) -> Tensor:
        """Probabilities, the mean over an image and its mirror image: a face has no preferred side."""
        both: Tensor = self._module(prepared).softmax(dim=1) + self._module(prepared.flip(3)).softmax(dim=1)
        return both / 2

    def to(self, device: str) -> EmbeddedNetwork:
        """Move the parameters."""
        self._module.to(device)
        return self


def fused(module: nn.Module) -> nn.Module:
    """The module in evaluation mode, its normalisations folded into its convolutions, in place."""
    module.eval()
    for part in module.modules():
        if isinstance(part, ConvNorm):
            part.fuse()
    return module


@cache
def card(name: str, folder: Path = WEIGHTS) -> dict[str, Any]:
    """The JSON card of a network: how it was made, what it reaches, sha256 of its weights.

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
    """The shipped network of the given name, one of ``ARCHITECTURES``.

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
    subjects = _subjects(described["data"]) if described["labels"] else None
    return EmbeddedNetwork(name, fused(module), network_card(name, digest, described), subjects)


def _subjects(data: dict[str, Any]) -> frozenset[str]:
    """The names of the subjects that a network learned from, as the data set of rendered faces gives them."""
    start, stop = data["subjects_per_domain"]
    return frozenset(
        f"{domain}-{data['split']}-{index:04d}" for domain in data["domains"] for index in range(start, stop)
    )


def _reached(described: dict[str, Any]) -> str:
    """What a judge gets right on held-out subjects, in words; empty for other networks."""
    accuracy = described["reached"].get("accuracy")
    if not accuracy:
        return ""
    share = sum(accuracy.values()) / len(accuracy)
    return f"right on {share:.1%} of rendered faces of subjects it was not trained on (mean over domains)"


def network_card(name: str, digest: str, described: dict[str, Any]) -> NetworkCard:
    """What the suite shows of a network."""
    return NetworkCard(
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


def save(name: str, module: nn.Module, described: dict[str, Any], folder: Path) -> Path:
    """Write a trained network in half precision, with its card; returns the path of the weights."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {
        key: (value.half() if value.is_floating_point() else value).contiguous()
        for key, value in module.state_dict().items()
    }
    data = safetensors.torch.save(state)
    path = folder / f"{name}.safetensors"
    path.write_bytes(data)
    complete = {"name": name, "sha256": hashlib.sha256(data).hexdigest()} | described
    (folder / f"{name}.json").write_text(json.dumps(complete, indent=2) + "\n", "utf-8")
    return path
