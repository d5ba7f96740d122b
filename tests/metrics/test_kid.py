import numpy as np
import pytest

from fesbench.core.errors import BenchError
from fesbench.metrics.kid import KernelDistance, kernel_distance


def sample(seed, n, d=8, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) + shift


def test_equal_to_the_sum_over_pairs():
    a, b = sample(0, 5), sample(1, 7, shift=0.5)

    def kernel(x, y):
        return (x @ y / 8 + 1) ** 3

    within_a = np.mean([kernel(x, y) for i, x in enumerate(a) for j, y in enumerate(a) if i != j])
    within_b = np.mean([kernel(x, y) for i, x in enumerate(b) for j, y in enumerate(b) if i != j])
    between = np.mean([kernel(x, y) for x in a for y in b])
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * between)


def test_unbiased_in_small_samples():
    values = [kernel_distance(sample([0, i], 6), sample([1, i], 6)) for i in range(2000)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))


def test_a_shift_is_seen_and_order_is_not():
    a, b = sample(2, 60), sample(3, 60, shift=1.0)
    assert kernel_distance(a, b) > 10 * abs(kernel_distance(a, sample(4, 60)))
    assert kernel_distance(a[::-1], b) == pytest.approx(kernel_distance(a, b), rel=1e-12)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(BenchError, match="two images"):
        kernel_distance(sample(0, 1), sample(1, 5))
    with pytest.raises(BenchError, match="dimensions"):
        kernel_distance(sample(0, 5), sample(1, 5, d=9))


def test_subsets_have_the_distances_that_they_have_alone(given):
    a, b = sample(7, 20, shift=0.4), sample(8, 30)
    subsets = np.random.default_rng(9).random((5, 20)) < 0.6
    alone = [kernel_distance(a[subset], b) for subset in subsets]
    np.testing.assert_allclose(KernelDistance(given(8), "test").on_subsets(a, b, subsets), alone, rtol=1e-10)


def test_the_metric_is_the_function(given):
    metric = KernelDistance(given(8), "test")
    assert metric.compute(sample(5, 9), sample(6, 9)) == kernel_distance(sample(5, 9), sample(6, 9))
    assert metric.card.id == "kid@test"
