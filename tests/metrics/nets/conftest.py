"""The real weight files, and the London photos as batches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

Photos = Callable[[str, int], Tensor]


@pytest.fixture(scope="session")
def portable(weights_folder: Path) -> Path:
    """The folder of the portable weight files."""
    return weights_folder / "portable"


@pytest.fixture(scope="session")
def face_api(shared: Path) -> Path:
    """The folder of the face-api files."""
    return shared / "data" / "nets" / "face-api"


@pytest.fixture(scope="session")
def london(shared: Path) -> Photos:
    """(B, 3, size, size) uint8 photos of one expression, subjects in order."""

    def load(expression: str, size: int) -> Tensor:
        paths = sorted((shared / "data" / "london" / expression).glob("*.jpg"))
        images = [
            Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BILINEAR) for path in paths
        ]
        return torch.from_numpy(np.stack([np.asarray(image) for image in images])).permute(0, 3, 1, 2)

    return load
