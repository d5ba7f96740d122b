"""Expression classifiers that users train on their own data: a torchvision backbone behind a JSON card."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from ... import weights
from ...core.contracts import FeatureExtractor, FeatureExtractorCard
from ...core.errors import BenchError, CheckpointError
from ...weights.tensors import write_tensors
from .base import TorchExtractor, fast, load_once, required
from .cropping import WHOLE, crop

BACKBONES = ("resnet18", "resnet34", "resnet50", "mobilenet_v3_large", "efficientnet_b0", "convnext_tiny")
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours, as torchvision's backbones expect them."""
MAX_BYTES = 1 << 30
MAX_CARD_BYTES = 1 << 20


def trained(name: str) -> FeatureExtractor:
    """Return the classifier of that name in the weights folder, made by ``bench train-classifier``.

    Raises:
        WeightsMissing: a file or torchvision is missing.
        CheckpointError: the files are damaged or do not belong together.
    """
    return load_once(TrainedClassifier, weights.classifiers()[name])


class TrainedClassifier(TorchExtractor):
    """Probabilities (B, labels) of a classifier that ``bench train-classifier`` made.

    Args:
        path: Its ``.json`` card, in the same folder as the ``.safetensors`` file.

    Raises:
        WeightsMissing: a file is not there, or torchvision is not installed.
        CheckpointError: the files are damaged or do not belong together.
    """

    def __init__(self, path: Path) -> None:
        described = read_card(path)
        content = weights.read(path.with_suffix(".safetensors"), MAX_BYTES)
        digest = hashlib.sha256(content).hexdigest()
        if digest != described["sha256"]:
            raise CheckpointError(
                f"{path.with_suffix('.safetensors')} is not the file that {path.name} describes"
            )
        module = build(described["backbone"], len(described["labels"]))
        try:
            module.load_state_dict(safetensors.torch.load(content))
        except (safetensors.SafetensorError, RuntimeError) as error:
            raise CheckpointError(f"{path.stem} does not fit {described['backbone']}: {error}") from error
        self.module, self.side = fast(module), int(described["side"])
        data = described["data"]
        self.learned_from = dict.fromkeys((data["name"], data["digest"]), frozenset(data["subjects"]))
        self.card = FeatureExtractorCard(
            name=f"classifier-{path.stem}",
            backend="classifier",
            digest=digest,
            preprocessing=f"v1: whole image, antialiased bilinear to {self.side}, RGB / 255, ImageNet's mean",
            dimension=len(described["labels"]),
            source=f"bench train-classifier --data {data['name']}",
            labels=tuple(described["labels"]),
            reached=ceiling(described["held_out"]),
        )

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB aligned crops to (B, labels) float32 probabilities."""
        logits: Tensor = self.module(normalised(crop(images.to(self.device), WHOLE, self.side)))
        return logits.softmax(1).cpu()


def normalised(images: Tensor) -> Tensor:
    """Bring (B, 3, H, W) in 0..255 to the range of ImageNet's backbones, channels last."""
    mean, deviation = (torch.tensor(v, device=images.device).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
    return ((images.float() / 255 - mean) / deviation).contiguous(memory_format=torch.channels_last)


def build(backbone: str, labels: int) -> nn.Module:
    """Return a torchvision network with fresh weights and one output for each label.

    Raises:
        WeightsMissing: torchvision is not installed.
        BenchError: the backbone is not one of ``BACKBONES``.
    """
    if backbone not in BACKBONES:
        raise BenchError(f"unknown backbone {backbone!r}; choose one of {', '.join(BACKBONES)}")
    network: nn.Module = required("torchvision.models").get_model(backbone, weights=None, num_classes=labels)
    return network


def save(module: nn.Module, path: Path, described: Mapping[str, Any]) -> None:
    """Write the card of a classifier to ``path`` (``.json``), its weights to the ``.safetensors`` file there.

    Raises:
        BenchError: a file cannot be written; an earlier pair then stays.
    """
    write_tensors(path.with_suffix(".safetensors"), module.state_dict(), {"format": 1, **described})


def read_card(path: Path) -> dict[str, Any]:
    """Return the card of a classifier: how it was trained, and its accuracy on held-out subjects.

    Raises:
        WeightsMissing: there is no such file.
        CheckpointError: it is not such a card.
    """
    try:
        content: dict[str, Any] = json.loads(weights.read(path, MAX_CARD_BYTES))
        fields = {"sha256", "backbone", "labels", "side", "data", "held_out"} - content.keys()
    except (ValueError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no card of a classifier: {error}") from error
    if fields:
        raise CheckpointError(f"{path} is no card of a classifier: it lacks {', '.join(sorted(fields))}")
    return content


def ceiling(held_out: Mapping[str, Any]) -> str:
    """Return the accuracy of a classifier on held-out subjects, the ceiling of its scores, in words."""
    return (
        f"right on {held_out['accuracy']:.1%} of {held_out['images']} real images of {held_out['subjects']} "
        f"subjects it was not trained on (mean over expressions {held_out['macro']:.1%})"
    )
