import numpy as np
import pytest

from fesbench.core.contracts import MetricCard, SetMetric
from fesbench.metrics.calibration import Calibration, Gap, calibrate, degraded, hold_out
from fesbench.metrics.frechet import FrechetDistance, frechet_distance


class Likeness(SetMetric):
    """A score where more is better."""

    card = MetricCard("likeness", "Likeness", "higher", -float("inf"), 0.0, "", "")

    def compute(self, outputs, references):
        return -frechet_distance(outputs, references)


@pytest.fixture
def frechet(given):
    return FrechetDistance(given(), "test")


def sample(seed, n, d=20, scale=1.0):
    return (np.random.default_rng(seed).standard_normal((n, d)) * scale).astype(np.float32)


def people(n, each=2):
    return [f"s{i // each}" for i in range(n)]


def test_a_distance_that_sees_the_damage_may_rank(frechet):
    real, references = sample(0, 60), sample(1, 200)
    versions = {"blurred": 0.5 * real, "collapsed": real[np.arange(60) // 12 * 12]}
    found = calibrate(frechet, real, versions, references, people(60))
    assert found.fit_to_rank
    assert found.verdict == ""
    assert (found.images, found.references) == (60, 200)
    assert found.value == pytest.approx(frechet_distance(real, references))
    assert found.gaps["blurred"].difference == pytest.approx(
        frechet_distance(versions["blurred"], references) - found.value
    )
    for gap in found.gaps.values():
        assert 0 < gap.low < gap.difference < gap.high


def test_a_few_images_in_many_dimensions_may_not_rank(frechet):
    """Shrunken features come nearer than real ones: the bias in small sets outweighs what is lost."""
    real, references = sample(0, 40, 500), sample(1, 40, 500)
    found = calibrate(frechet, real, {"blurred": 0.8 * real}, references, people(40))
    assert found.gaps["blurred"].difference < 0
    assert not found.fit_to_rank
    assert found.verdict.startswith("40 real images score no better than their own blurred versions")


def test_a_difference_within_its_interval_is_none(frechet):
    real, references = sample(0, 30, 3), sample(1, 60, 3)
    noisy = real + sample(4, 30, 3, 0.002)
    found = calibrate(frechet, real, {"blurred": noisy}, references, people(30))
    assert found.gaps["blurred"].low < 0 < found.gaps["blurred"].high
    assert not found.fit_to_rank


def test_a_score_where_more_is_better_is_turned_round():
    real, references = sample(0, 40, 3), sample(1, 60, 3)
    found = calibrate(Likeness(), real, {"blurred": 0.2 * real}, references, people(40))
    assert found.fit_to_rank


@pytest.mark.parametrize(("n", "m", "each"), [(10, 60, 1), (60, 10, 1), (60, 60, 30)])
def test_too_few_images_or_subjects_give_a_reason(n, m, each, frechet):
    found = calibrate(frechet, sample(0, n), {}, sample(1, m), people(n, each))
    assert not found.fit_to_rank
    assert np.isnan(found.value)
    assert "too few" in found.verdict


def test_whole_subjects_are_held_out_as_many_images_as_there_are_outputs():
    subjects = people(100, 4)
    held = hold_out(subjects, 30)
    assert held.sum() == 28
    shown = {name for name, out in zip(subjects, held, strict=True) if out}
    assert not shown & {name for name, out in zip(subjects, held, strict=True) if not out}
    assert hold_out(subjects, 1000).sum() == 48
    np.testing.assert_array_equal(held, hold_out(subjects, 30))


def test_degraded_images_are_blurred_or_repeat_themselves():
    images = np.random.default_rng(0).integers(0, 256, (20, 64, 64, 3), np.uint8)
    versions = degraded(images)
    assert {name: (v.shape, v.dtype) for name, v in versions.items()} == dict.fromkeys(
        ("blurred", "collapsed"), (images.shape, np.uint8)
    )
    assert versions["blurred"].std() < 0.9 * images.std()
    repeated = versions["collapsed"].astype(int)
    assert 0 < np.abs(repeated[0] - repeated[4]).mean() < 4
    assert np.abs(repeated[0] - repeated[5]).mean() > 50


@pytest.mark.parametrize(
    ("blurred", "collapsed", "confused"),
    [
        (Gap(2.0, 1.0, 3.0), Gap(1.0, 0.5, 1.5), ""),
        (Gap(2.0, 1.0, 3.0), Gap(1.0, -0.5, 2.5), "collapsed"),
        (Gap(1.0, 0.0, 2.0), Gap(1.0, 0.5, 1.5), "blurred"),
        (Gap(1.0, -1.0, 3.0), Gap(-1.0, -2.0, 0.0), "blurred and collapsed"),
    ],
)
def test_every_degraded_set_must_be_worse_beyond_its_interval(blurred, collapsed, confused):
    found = Calibration(40, 200, 3.0, {"blurred": blurred, "collapsed": collapsed})
    assert found.fit_to_rank == (not confused)
    assert (f"their own {confused} versions" in found.verdict) == bool(confused)
