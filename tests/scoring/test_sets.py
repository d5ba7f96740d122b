"""Scores of sets: what their rows say."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from fesbench.metrics.frechet import FrechetDistance
from fesbench.metrics.kid import KernelDistance
from fesbench.scoring.sets import set_score


@pytest.mark.parametrize(("metric", "negative"), [(FrechetDistance, False), (KernelDistance, True)])
def test_an_interval_ends_where_the_range_of_the_metric_does(metric, negative):
    """A set that is compared with itself is near 0; FID is never less, unbiased KID can be."""
    values = np.random.default_rng(0).normal(size=(30, 3)).astype(np.float32)
    found = set_score(metric(None, "test"), values, np.arange(30) // 5, values)
    columns = found.columns()
    assert (columns["low"] < 0) == negative
    assert columns["low"] <= columns["value"] <= columns["high"]
    assert found.replicates.estimate().low < 0


class Watched(FrechetDistance):
    """Notes how many threads linear algebra has while it computes."""

    def on_subsets(self, outputs, references, subsets):
        self.threads = threads()
        return super().on_subsets(outputs, references, subsets)


def threads():
    return {one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas"}


@pytest.mark.parametrize(("dimension", "in_one"), [(3, True), (600, False)])
def test_small_matrices_are_computed_in_one_thread(dimension, in_one):
    """Threads that wait for each other take longer than the whole computation in one."""
    values = np.random.default_rng(0).normal(size=(20, dimension)).astype(np.float32)
    metric, before = Watched(None, "test"), threads()
    set_score(metric, values, np.arange(20) // 2, values)
    assert metric.threads == ({1} if in_one else before)
    assert threads() == before
