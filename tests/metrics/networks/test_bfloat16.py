"""Networks in bfloat16: near the exact ones, which stay exact, and never under their names."""

import numpy as np
import pytest
import torch

from fesbench.metrics.networks import embedded
from fesbench.metrics.networks.bfloat16 import SUFFIX, Bfloat16
from fesbench.metrics.registry import BACKENDS, metric_id


@pytest.fixture(scope="module")
def faces():
    y, x = np.mgrid[:64, :64] / 64
    waves = [np.sin(5 * x + k) * np.cos(4 * y * k) for k in range(12)]
    pixels = ((np.stack(waves).reshape(4, 3, 64, 64) + 1) * 127).astype(np.uint8)
    return torch.from_numpy(pixels)


def test_features_are_near_the_exact_ones_which_stay_as_they_are(faces):
    exact = embedded.load("identity")
    before = exact.features(faces)
    found = Bfloat16(exact).features(faces)
    assert found.dtype == torch.float32
    distance = (found - before).norm(dim=1) / before.norm(dim=1)
    assert 1e-5 < distance.max() < 0.03
    assert torch.equal(exact.features(faces), before)


def test_the_card_is_another_than_that_of_the_exact_network():
    exact = embedded.load("identity")
    card = Bfloat16(exact).card
    assert card.name == f"{exact.card.name}{SUFFIX}"
    assert card.preprocessing.endswith("bfloat16")
    assert (card.digest, card.dimension) == (exact.card.digest, exact.card.dimension)


def test_the_backend_shares_no_name_with_the_exact_one_where_numbers_differ():
    fast, exact = BACKENDS["paper-bf16"], BACKENDS["paper"]
    other = {name for name in exact if fast[name] != exact[name]}
    assert other == {"fss", "fid", "kid"}
    assert {name.endswith(SUFFIX) for name in map(fast.get, other)} == {True}
    assert metric_id("quality", "paper-bf16") == "qualiclip"
