from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from fesbench import weights
from fesbench.errors import WeightsMissing

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
def weights_with_predictor(request: pytest.FixtureRequest) -> Path:
    """A weights folder with the portable files, fetched once into pytest's cache."""
    pytest.importorskip("dlib", reason="needs dlib (fesbench[prepare])")
    folder = request.config.cache.mkdir("fesbench-weights")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FESBENCH_WEIGHTS", str(folder))
        try:
            weights.fetch("portable")
        except WeightsMissing as error:
            pytest.skip(f"the portable weights cannot be fetched here: {error}")
    return folder
