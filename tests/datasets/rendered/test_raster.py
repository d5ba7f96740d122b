"""Drawing with arrays: shortcuts give what the plain formulas give, to the bit."""

import numpy as np
import pytest

from fesbench.datasets.rendered.raster import blend, box_blur

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("precision", [np.float32, np.float64])
@pytest.mark.parametrize(
    "covered", [(slice(0), slice(0)), (slice(3, 9), slice(5, 6)), (slice(None), slice(None))]
)
@pytest.mark.parametrize("shape", [(3, 1, 1), (3, 16, 12)])
def test_blending_is_done_where_the_mask_covers_and_nowhere_else(precision, covered, shape):
    image, paint = RANDOM.random((3, 16, 12), np.float32), RANDOM.random(shape, np.float32)
    mask = np.zeros((16, 12), precision)
    mask[covered] = RANDOM.random(mask[covered].shape)
    expected = image.copy()
    expected += (paint - image) * mask
    blend(image, paint, mask)
    np.testing.assert_array_equal(image, expected)


@pytest.mark.parametrize("radius", [0, 1, 4, 20])
def test_a_box_blur_is_the_mean_of_a_window_whose_edges_are_repeated(radius):
    image = RANDOM.random((3, 16, 12), np.float32)
    padded = np.pad(image, [(0, 0), (radius, radius), (radius, radius)], mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * radius + 1, 2 * radius + 1), axis=(1, 2))
    np.testing.assert_allclose(box_blur(image, radius), windows.mean((-2, -1)), atol=2e-5)
