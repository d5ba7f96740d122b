"""Scores of sets: what their rows say."""

import numpy as np
import pytest

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
