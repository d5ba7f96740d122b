import numpy as np
import pytest
from scipy import stats

from fesbench.statistics.jackknife import GROUPS, Replicates, replicates, subject_groups


def mean_of(values):
    return lambda subsets: np.array([values[subset].mean() for subset in subsets])


def of_mean(values, groups):
    return replicates(values.mean(), groups, mean_of(values))


def test_the_mean_of_equal_groups_has_the_textbook_interval():
    values = np.random.default_rng(0).normal(size=60)
    groups = np.arange(60) % 12
    means = np.array([values[groups == group].mean() for group in range(12)])
    half = stats.t.ppf(0.975, 11) * means.std(ddof=1) / np.sqrt(12)
    found = of_mean(values, groups).estimate()
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, values.mean() + half))
    assert found.p == pytest.approx(stats.ttest_1samp(means, 0).pvalue)


def test_a_bias_that_goes_with_the_number_of_images_is_no_variation():
    """Groups of different size move a biased score by different amounts, which says nothing of subjects."""
    sizes = np.array([3, 9, 4, 12, 7])
    left = sizes.sum() - sizes
    found = Replicates(10 + 100 / sizes.sum(), 10 + 100 / left, sizes).estimate()
    assert found.high - found.low == pytest.approx(0, abs=1e-9)


def test_what_two_models_share_cancels():
    rng = np.random.default_rng(1)
    shared, groups = rng.normal(0, 10, 40), np.arange(40) % 20
    first, second = (of_mean(shared + shift + rng.normal(0, 0.1, 40), groups) for shift in (1.0, 0.0))
    apart, found = first.estimate(), (first - second).estimate()
    assert found.high - found.low < (apart.high - apart.low) / 20
    assert 0 < found.low < 1 < found.high
    assert found.p < 1e-6


def test_fewer_than_three_subjects_give_no_interval():
    found = of_mean(np.arange(4.0), np.array([0, 0, 1, 1])).estimate()
    assert found.value == 1.5
    assert np.isnan(found[1:]).all()


def test_a_set_compared_with_itself_has_no_test():
    same = of_mean(np.arange(8.0), np.arange(8) // 2)
    found = (same - same).estimate()
    assert found[:3] == (0, 0, 0)
    assert np.isnan(found.p)


def test_groups_are_of_whole_subjects_and_about_equally_large():
    subjects = np.repeat([f"s{i}" for i in range(70)], np.arange(70) % 5 + 1)
    groups = subject_groups(subjects)
    assert all(len(set(groups[subjects == name])) == 1 for name in set(subjects))
    sizes = np.bincount(groups)
    assert len(sizes) == GROUPS
    assert sizes.max() - sizes.min() <= 1
    order = np.random.default_rng(0).permutation(len(subjects))
    np.testing.assert_array_equal(subject_groups(subjects[order]), groups[order])
    assert len(set(subject_groups(np.array(["a", "b", "b", "c"])))) == 3
