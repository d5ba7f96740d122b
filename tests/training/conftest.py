"""A small data set to train on."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder of six subjects to train on and one for validation, each neutral (dark) and happy (bright)."""
    folder = tmp_path / "faces"
    folder.mkdir()
    rows = ["path,subject,expression,split"]
    for subject in range(7):
        for expression, grey in (("neutral", 60), ("happy", 200)):
            pixels = np.random.default_rng(subject).normal(grey, 8, (40, 32, 3)).clip(0, 255)
            name = f"s{subject}-{expression}"
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{name}.png")
            rows.append(f"{name}.png,s{subject},{expression},{'val' if subject == 6 else 'train'}")
    (folder / "manifest.csv").write_text("\n".join(rows) + "\n")
    return folder
