"""Holm's adjustment against known answers."""

import numpy as np
import pytest

from fesbench.statistics.multiplicity import holm

NAN = np.nan


def test_holm_steps_down_and_skips_missing():
    assert holm(np.array([0.01, 0.04, NAN, 0.03])) == pytest.approx([0.03, 0.06, NAN, 0.06], nan_ok=True)
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1, 1])
