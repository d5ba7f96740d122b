"""Passes of images through networks."""

import numpy as np
import pytest

from fesbench.core.contracts import SHARD, FeatureExtractor, FeatureExtractorCard
from fesbench.metrics.ecs import ExpressionConsistency
from fesbench.scoring.scorer import PADDING, Scorer


class Sizes(FeatureExtractor):
    """Remembers how many images each pass had."""

    card = FeatureExtractorCard("sizes", "test", "ab", "none", 3, labels=("happy", "sad", "angry"))

    def __init__(self):
        self.passes = []

    def features(self, images):
        self.passes.append(len(images))
        return images.float().mean(dim=(2, 3))


@pytest.fixture
def network():
    return Sizes()


@pytest.mark.parametrize(
    ("images", "passes"), [(1, [8]), (8, [8]), (30, [32]), (32, [32]), (40, [32, 8]), (70, [32, 32, 8])]
)
def test_a_pass_holds_at_most_a_shard_and_is_padded(network, images, passes):
    pixels = np.random.default_rng(0).integers(0, 256, (images, 8, 8, 3), np.uint8)
    features = Scorer([ExpressionConsistency(network, "test")], [], 8).features(pixels)["sizes"]
    assert network.passes == passes
    assert all(size % PADDING == 0 and size <= SHARD for size in network.passes)
    assert features.shape == (images, 3)
    assert np.allclose(features, pixels.mean(axis=(1, 2)))
