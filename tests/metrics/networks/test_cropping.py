from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from fesbench.metrics.networks.cropping import WHOLE, Box, crop, grey

NOISE = np.random.default_rng(0).random((96, 96), dtype=np.float32)


@pytest.mark.parametrize(
    ("box", "size"), [((33, 38, 223, 228), 150), ((24, 41, 232, 249), 20), ((1, 2, 9, 8), 5)]
)
def test_a_box_is_resized_as_pillow_does_it(box: tuple[int, int, int, int], size: int) -> None:
    edges = tuple(edge * 96 / 256 for edge in box)
    wanted = Image.fromarray(NOISE).resize((size, size), Image.Resampling.BILINEAR, box=edges)
    found = crop(torch.from_numpy(NOISE)[None, None], Box(*box), size)
    np.testing.assert_allclose(found[0, 0].numpy(), np.asarray(wanted), atol=1e-5)


@pytest.mark.parametrize("size", [32, 150])
def test_the_whole_image_is_resized_as_torch_does_it(size: int) -> None:
    image = torch.from_numpy(NOISE)[None, None]
    wanted = torch.nn.functional.interpolate(image, (size, size), mode="bilinear", antialias=True)
    torch.testing.assert_close(crop(image, WHOLE, size), wanted, atol=1e-5, rtol=0)


def test_grey_of_grey_is_the_same_grey() -> None:
    image = torch.full((2, 3, 4, 4), 77, dtype=torch.uint8)
    torch.testing.assert_close(grey(image), torch.full((2, 1, 4, 4), 77.0))
