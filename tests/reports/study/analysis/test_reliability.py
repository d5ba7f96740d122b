"""Krippendorff's alpha against known answers."""

import krippendorff
import numpy as np
import pytest

from fesbench.reports.study.analysis.reliability import krippendorff_alpha


def test_alpha_is_krippendorff_s_for_nominal_answers():
    table = ["aabbbccca", "aabbcccca", "aabbbccda"]
    units = [unit for row in table for unit in range(9)]
    found = krippendorff_alpha(units, list("".join(table)))
    expected = krippendorff.alpha(
        reliability_data=[[ord(c) for c in row] for row in table], level_of_measurement="nominal"
    )
    assert found.value == pytest.approx(expected)
    assert found.low < found.value <= found.high
    assert found.items == 9


def test_alpha_of_ratings_counts_how_far_apart_they_are():
    table = np.array([[1, 2, 3, 3, 2, 10, 4, 1], [2, 2, 3, 4, 2, 9, 4, 1]], dtype=float)
    found = krippendorff_alpha(np.tile(np.arange(8), 2).tolist(), table.ravel().tolist(), "ordinal")
    expected = krippendorff.alpha(reliability_data=table, level_of_measurement="ordinal")
    assert found.value == pytest.approx(expected)
    assert found.value > krippendorff.alpha(reliability_data=table, level_of_measurement="nominal")


def test_alpha_by_hand():
    # Units aa, ab: coincidences a-a 2, a-b 1, b-a 1; disagreement 2/4, expected 2·3·1/(4·3): 1 − 1 = 0.
    assert krippendorff_alpha([0, 0, 1, 1], list("aaab")).value == pytest.approx(0)


def test_alpha_of_one_answer_only_is_undefined():
    found = krippendorff_alpha([0, 0, 1, 1], list("aaaa"))
    assert np.isnan(found.value)
    assert "same" in found.reason


def test_units_of_an_item_are_resampled_together():
    rng = np.random.default_rng(0)
    agreed = rng.integers(0, 2, 30)  # on all units of an item people agree, or on none
    units = np.repeat(np.arange(120), 4)
    items = units // 4
    answers = np.where(agreed[items] == 1, units % 2, rng.integers(0, 2, len(units)))
    alone = krippendorff_alpha(units.tolist(), answers.tolist())
    together = krippendorff_alpha(units.tolist(), answers.tolist(), items=items.tolist())
    assert alone.value == together.value
    assert (alone.items, together.items) == (120, 30)
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert 1.3 < ratio < 2.2  # four units that vary together, so up to twice as wide
