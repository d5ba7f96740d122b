"""The image encoder of QualiCLIP and its prompts, read from the official checkpoint.

Agnolucci et al. (arXiv 2403.11176) fine-tune the image encoder of CLIP RN50 to rank degradations, and judge
an image by its likeness to seven pairs of opposite prompts. The architecture is open_clip's, except for the
last layer: the official code pools without the positional embedding, so that images of
any size keep it. The checkpoint holds the prompts' features too, so no text is encoded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from ... import weights as weight_files
from ...core.contracts import FeatureExtractor, FeatureExtractorCard
from ...core.errors import CheckpointError
from ...weights.tensors import load_exactly
from .base import TorchExtractor, fast, load_once, read_weights, required

ARCHITECTURE = "RN50-quickgelu"
HEAD_WIDTH = 64
DIMENSION = 1024
PROMPTS = 14
"""Seven pairs: good and bad photo, sharp and blurry image, sharp and blurry edges, high and low resolution,
noise-free and noisy, high and low quality, good and bad picture; the good one first."""

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)

VISUAL = "clip_model.visual."


class SizeFreePool(nn.Module):
    """CLIP's attention pool without its positional embedding: one query, the mean, over all places.

    Args:
        pool: Whose projections are used.
    """

    def __init__(self, pool: nn.Module) -> None:
        super().__init__()
        self.q_proj, self.k_proj, self.v_proj, self.c_proj = (
            pool.get_submodule(f"{name}_proj") for name in "qkvc"
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, 1024)."""
        places = x.flatten(2).transpose(1, 2)
        mean = places.mean(dim=1, keepdim=True)
        tokens = torch.cat([mean, places], dim=1)
        query, key, value = (
            _heads(projection(given))
            for projection, given in ((self.q_proj, mean), (self.k_proj, tokens), (self.v_proj, tokens))
        )
        pooled = functional.scaled_dot_product_attention(query, key, value)
        projected: Tensor = self.c_proj(pooled.flatten(1))
        return projected


def _heads(x: Tensor) -> Tensor:
    """(B, T, C) to (B, C / 64, T, 64)."""
    return x.reshape(*x.shape[:2], -1, HEAD_WIDTH).transpose(1, 2)


def published() -> FeatureExtractor:
    """Return the encoder of the weights folder.

    Raises:
        WeightsMissing: the file is not there, or open-clip-torch is not installed.
        CheckpointError: the file is another one, or does not fit the network.
    """
    with weight_files.pinned("paper", "qualiclip.pth") as file:
        return load_once(QualiClipNetwork, *file)


class QualiClipNetwork(TorchExtractor):
    """Cosine similarities of images to the fourteen prompts: (N, 14), positive and negative in turn.

    Args:
        weights: ``qualiclip.pth`` as the authors' release has it: ``clip_model.*``, of which the text tower
            is ignored, and ``prompts_features``.
        sha256: The digest that the file must have, or its first digits; empty accepts any file that fits.

    Attributes:
        scale: The factor of cosines that CLIP itself learned, ``exp(logit_scale)``.

    Raises:
        WeightsMissing: there is no such file, or open-clip-torch is not installed.
        CheckpointError: the file is another one, or does not fit the network.
    """

    def __init__(self, weights: Path | str, sha256: str = "") -> None:
        path = Path(weights)
        state, digest = read_weights(path, sha256)
        self.module = fast(_encoder(state))
        self.module.register_buffer("prompts", _prompts(state, path))
        self.scale = _scale(state, path)
        self.card = FeatureExtractorCard(
            name="qualiclip",
            backend="paper",
            digest=digest,
            preprocessing="v1: native size, / 255, CLIP's mean and deviation, no positional embedding",
            dimension=PROMPTS,
            licence="CC BY-NC 4.0 (non-commercial)",
            source="miccunifi/QualiCLIP, qualiclip.pth",
        )

    @torch.inference_mode()
    def image_features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB of at least 32 x 32 pixels to (B, 1024) float32, not normalised."""
        mean, deviation = (torch.tensor(v, device=self.device).view(1, 3, 1, 1) for v in (MEAN, DEVIATION))
        scaled = (images.to(self.device).float() / 255 - mean) / deviation
        encoded: Tensor = self.module(scaled.contiguous(memory_format=torch.channels_last))
        return encoded

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB to (B, 14) float32 cosines."""
        prompts = self.module.get_buffer("prompts")
        return (functional.normalize(self.image_features(images), dim=1) @ prompts.T).cpu()


def _encoder(state: Mapping[str, Tensor]) -> nn.Module:
    """open_clip's image tower with the checkpoint's weights and a pool for any size."""
    open_clip = required("open_clip")
    config = open_clip.get_model_config(ARCHITECTURE)
    vision = config["vision_cfg"]
    with torch.device("meta"):
        encoder: nn.Module = required("open_clip.modified_resnet").ModifiedResNet(
            layers=vision["layers"],
            output_dim=config["embed_dim"],
            heads=vision["width"] * 32 // HEAD_WIDTH,
            image_size=vision["image_size"],
            width=vision["width"],
        )
    visual = {name.removeprefix(VISUAL): v for name, v in state.items() if name.startswith(VISUAL)}
    load_exactly(encoder, visual)
    encoder.add_module("attnpool", SizeFreePool(encoder.get_submodule("attnpool")))
    return encoder


def _prompts(state: Mapping[str, Tensor], path: Path) -> Tensor:
    """(14, 1024) unit rows."""
    prompts = state.get("prompts_features")
    if prompts is None or prompts.shape != (PROMPTS, DIMENSION):
        found = "none" if prompts is None else tuple(prompts.shape)
        raise CheckpointError(
            f"{path}: prompts_features must be ({PROMPTS}, {DIMENSION}), found {found}; "
            "take qualiclip.pth from the authors' release"
        )
    return functional.normalize(prompts.float(), dim=1)


def _scale(state: Mapping[str, Tensor], path: Path) -> float:
    scale = state.get("clip_model.logit_scale")
    if scale is None or scale.numel() != 1:
        raise CheckpointError(f"{path} holds no clip_model.logit_scale; take it from the authors' release")
    return float(scale.float().exp())
