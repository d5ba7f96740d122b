"""The estimator of movement: a ridge regression that is exact where movement is linear in the gradients."""

import numpy as np
import pytest
import torch

from fesbench.datasets.rendered import DOMAINS
from fesbench.metrics.networks.movement import GRADIENTS, POINTS, SIDE, UNITS, Movement
from fesbench.training.networks import movement
from fesbench.training.networks.movement import Pairs


@pytest.fixture(scope="module")
def pairs():
    """Noise whose movement is a linear function of what its gradients change by."""
    random = torch.Generator().manual_seed(0)
    neutral, shown = torch.rand(2, 24, 3, SIDE, SIDE, generator=random)
    module = Movement()
    change = movement._gradients(module, shown) - movement._gradients(module, neutral)
    weights = np.random.default_rng(0).normal(size=(GRADIENTS, UNITS + 2 * POINTS)) / GRADIENTS
    return Pairs(neutral, shown, change @ weights, np.arange(24) % len(DOMAINS))


def test_the_solution_predicts_the_movement_it_was_fitted_to(pairs, monkeypatch):
    monkeypatch.setattr(movement, "RIDGE", 1e-6)
    monkeypatch.setattr(movement, "_degraded", lambda images, seed: images)
    module = Movement()
    module.head.weight.data.copy_(torch.from_numpy(movement._solve(module, pairs, seed=0)))
    reached = movement._reached(module, pairs)
    assert set(reached) == {
        f"{name}, {what}" for name in ("landmarks", "action units") for what in ("estimated", "nothing moved")
    }
    for name in ("landmarks", "action units"):
        for domain in DOMAINS:
            still = reached[f"{name}, nothing moved"][domain]
            assert reached[f"{name}, estimated"][domain] <= 0.01 * still + 1e-4


def test_images_are_degraded_each_in_another_strength():
    images = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    first, again, other = (movement._degraded(images, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    changes = (first - images).abs().mean((1, 2, 3)).tolist()
    assert len({round(change, 6) for change in changes}) == 3


def test_half_of_the_intensities_are_the_subject_s_own():
    random = np.random.default_rng(0)
    drawn = [movement._intensity(random) for _ in range(400)]
    given = [value for value in drawn if value is not None]
    assert 150 <= len(given) <= 250
    assert min(given) >= movement.WEAK
    assert max(given) <= 1
