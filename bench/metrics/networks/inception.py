"""The Inception network of FID, as pytorch-fid defines it, through that package itself.

Heusel et al. 2017 (arXiv 1706.08500) compare images by a TensorFlow network of 2015; M. Seitzer's pytorch-fid
carries its weights and its architecture over to PyTorch. Its way to the network's input is part of the
metric: bilinear interpolation without antialiasing to 299 x 299, then ``2 x - 1``. Other programs resize
otherwise, which gives another metric.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn

from ... import weights as weight_files
from ...core.contracts import FeatureExtractor, FeatureExtractorCard
from ...core.errors import CheckpointError
from .base import TorchExtractor, fast, load_once, read_weights, required
from .bfloat16 import Bfloat16

FILE = "pt_inception-2015-12-05-6726825d.pth"
PUBLISHED = "6726825d"
"""How the sha256 of the published file begins."""
DIMENSION = 2048
POOL = 3
"""pytorch-fid's number of the block whose output is the features."""


def published() -> FeatureExtractor:
    """Return pytorch-fid's network of the weights folder.

    Raises:
        WeightsMissing: the file is not there, or pytorch-fid is not installed.
        CheckpointError: the file is another one, or does not fit the network.
    """
    with weight_files.pinned("paper", FILE) as file:
        return load_once(InceptionFeatures, *file)


def published_bfloat16() -> FeatureExtractor:
    """Return ``published`` in bfloat16; its errors are the same."""
    return Bfloat16(published())


class InceptionFeatures(TorchExtractor):
    """Pooled Inception features: (N, 2048), what FID and KID compare.

    Args:
        weights: ``pt_inception-2015-12-05-6726825d.pth``.
        sha256: The digest that the file must have, or its first digits; empty accepts any file that fits.

    Raises:
        WeightsMissing: there is no such file, or pytorch-fid is not installed.
        CheckpointError: the file is another one, or does not fit the network.
    """

    def __init__(self, weights: Path | str, sha256: str = PUBLISHED) -> None:
        state, digest = read_weights(Path(weights), sha256)
        self.module = fast(_network(state, Path(weights)))
        self.card = FeatureExtractorCard(
            name="inception-2015",
            backend="paper",
            digest=digest,
            preprocessing="v1: whole image / 255, bilinear without antialiasing to 299 x 299, 2 x - 1",
            dimension=DIMENSION,
            licence="Apache-2.0",
            source="pytorch-fid, pt_inception-2015-12-05-6726825d.pth",
        )

    @torch.inference_mode()
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB to (B, 2048) float32."""
        scaled = (images.to(self.device).float() / 255).contiguous(memory_format=torch.channels_last)
        pooled: Tensor = self.module(scaled)[0]
        return pooled.flatten(1).cpu()


def _network(state: Mapping[str, Tensor], path: Path) -> nn.Module:
    """pytorch-fid's own network with ``state`` in it."""
    package = required("pytorch_fid.inception")
    with _download_replaced(package, state):
        try:
            network: nn.Module = package.InceptionV3([POOL])
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:400]
            raise CheckpointError(f"{path} does not fit pytorch-fid's Inception network: {reason}") from error
    return network


@contextmanager
def _download_replaced(package: ModuleType, state: Mapping[str, Tensor]) -> Iterator[None]:
    """Make pytorch-fid, which can only download its weights, take ``state`` instead."""

    def load(*_: Any, **__: Any) -> Mapping[str, Tensor]:
        return state

    download = package.load_state_dict_from_url
    package.load_state_dict_from_url = load  # type: ignore[attr-defined]
    try:
        yield
    finally:
        package.load_state_dict_from_url = download  # type: ignore[attr-defined]
