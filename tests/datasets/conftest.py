from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

MakeImage = Callable[[str], Path]


@pytest.fixture
def make_image(tmp_path: Path) -> MakeImage:
    """Writes a small image, different for each name, under ``tmp_path``."""

    def make(relative: str) -> Path:
        path = tmp_path / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(list(relative.encode()))
        Pillow.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8)).save(path)
        return path

    return make


@pytest.fixture(scope="session")
def weights_with_predictor(weights_folder: Path) -> Path:
    """A weights folder with the landmark predictor, where dlib can read it."""
    pytest.importorskip("dlib", reason="needs dlib (fesbench[prepare])")
    return weights_folder
