import inspect
import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg

from fesbench.core.errors import BenchError
from fesbench.metrics import frechet_distance, read_statistics, write_statistics
from fesbench.metrics.frechet import FeatureStatistics, FrechetDistance, Gaussian, subset_distances


def sample(seed, n, d, scale=1.0, shift=0.0):
    return np.random.default_rng(seed).standard_normal((n, d)) * scale + shift


@pytest.mark.parametrize("case", ["d64_full", "d64_low"])
def test_equal_to_pytorch_fid(case, parity_folder):
    expected = json.loads((parity_folder / "fid.json").read_text("utf-8"))[case]
    with np.load(parity_folder / "fid_features.npz") as arrays:
        found = frechet_distance(arrays[f"{case}_x"], arrays[f"{case}_y"])
    assert found == pytest.approx(expected["pytorch_fid"], rel=1e-6)


def test_one_dimension_by_hand():
    a, b = np.array([[0.0], [2.0]]), np.array([[10.0], [16.0]])
    assert frechet_distance(a, b) == pytest.approx((13 - 1) ** 2 + (np.sqrt(18) - np.sqrt(2)) ** 2)


def test_commuting_covariances_by_hand():
    """Scaled copies of one set: the square root is the product of the scales."""
    a = sample(0, 50, 4)
    spread = np.trace(np.cov(a, rowvar=False))
    centre = (2 * a.mean(0)) @ (2 * a.mean(0))
    assert frechet_distance(a, 3 * a) == pytest.approx(centre + (3 - 1) ** 2 * spread)


@pytest.mark.parametrize(("n", "m"), [(40, 300), (300, 40), (300, 260)])
def test_dead_features_change_nothing(n, m):
    """Channels that no image excites: covariances of deficient rank, with many images and with few."""
    a, b = sample(8, n, 64), sample(9, m, 64, 1.3)
    distance = frechet_distance(a, b)
    a, b = (np.concatenate([part, np.zeros((len(part), 20))], axis=1) for part in (a, b))
    assert frechet_distance(a, b) == pytest.approx(distance, rel=1e-9)


@pytest.mark.parametrize("d", [5, 60])
def test_symmetric_zero_on_itself_and_blind_to_order(d):
    a, b = sample(1, 40, d), sample(2, 30, d, 1.5, 0.3)
    distance = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(distance, rel=1e-9)
    assert frechet_distance(a, a) == pytest.approx(0, abs=1e-9 * d)
    assert frechet_distance(a[::-1], b) == pytest.approx(distance, rel=1e-9)


@pytest.mark.parametrize(("n", "m"), [(40, 300), (300, 40), (40, 50), (300, 260)])
def test_both_routes_agree(n, m):
    a, b = sample(3, n, 64), sample(4, m, 64, 1.3)
    through_statistics = FeatureStatistics.of(a).gaussian().distance(FeatureStatistics.of(b).gaussian())
    assert through_statistics == pytest.approx(frechet_distance(a, b), rel=1e-7)


def test_many_copies_of_few_images_are_a_set_like_any_other():
    """More images than dimensions, but a singular covariance: its zeros must not add up as rounding."""
    few, many = np.repeat(sample(5, 8, 64), 40, axis=0), sample(6, 300, 64)
    there, back = frechet_distance(few, many), frechet_distance(many, few)
    rows = (few[::40] - few.mean(axis=0)) * np.sqrt(40 / 319)
    by_rows = Gaussian(few.mean(axis=0), rows=rows).distance(Gaussian.of(many))
    assert there == pytest.approx(by_rows, rel=1e-10)
    assert back == pytest.approx(by_rows, rel=1e-10)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_shards_merge_to_the_whole(sizes, seed):
    shards = [sample([seed, index], size, 6, 2.0, 100.0) for index, size in enumerate(sizes)]
    merged = FeatureStatistics.of(np.empty((0, 6)))
    for shard in shards:
        merged = merged.merge(FeatureStatistics.of(shard))
    whole = FeatureStatistics.of(np.concatenate(shards))
    assert merged.n == whole.n
    np.testing.assert_allclose(merged.mean, whole.mean, rtol=1e-12)
    np.testing.assert_allclose(merged.scatter, whole.scatter, rtol=1e-9, atol=1e-9)


def peer():
    return pytest.importorskip("pytorch_fid.fid_score", reason="needs the extra 'paper'")


@pytest.mark.parametrize("n", [40, 300])
def test_statistics_files_are_those_of_pytorch_fid(n, tmp_path):
    """Its reader reads ours, we read its, and the distances are those of the features."""
    a, b = sample(10, n, 64), sample(11, 50, 64, 1.2)
    write_statistics(tmp_path / "ours.npz", a)
    mean, covariance = peer().compute_statistics_of_path(str(tmp_path / "ours.npz"), None, 1, 64, "cpu")
    np.testing.assert_allclose(mean, a.mean(0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(a, rowvar=False), rtol=1e-9, atol=1e-12)
    np.savez_compressed(tmp_path / "theirs.npz", mu=a.mean(0), sigma=np.cov(a, rowvar=False))
    distance = frechet_distance(a, b)
    for name in ("ours.npz", "theirs.npz"):
        assert frechet_distance(b, read_statistics(tmp_path / name)) == pytest.approx(distance, rel=1e-7)


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"mu": np.zeros(3)}, "sigma"),
        ({"mu": np.zeros(3), "sigma": np.eye(4)}, "shape"),
        ({"mu": np.zeros(2), "sigma": np.full((2, 2), np.nan)}, "not finite"),
        ({"mu": np.zeros(2), "sigma": np.array([{}], dtype=object)}, "cannot be read"),
        ({"mu": np.zeros(2), "sigma": np.eye(2) * 1j}, "cannot be read"),
        ({"mu": np.zeros(2), "sigma": np.eye(2), "count": np.inf}, "cannot be read"),
        ({"mu": np.zeros(0), "sigma": np.zeros((0, 0))}, "shape"),
        ({"mu": np.zeros(2), "sigma": -np.eye(2)}, "no covariance"),
        ({"mu": np.zeros(2), "sigma": np.array([[1.0, 0.5], [0.0, 1.0]])}, "no covariance"),
    ],
    ids=["half", "mismatch", "nan", "pickle", "complex", "endless", "empty", "negative", "crooked"],
)
def test_files_that_are_no_statistics_are_refused(arrays, says, tmp_path):
    path = tmp_path / "statistics.npz"
    np.savez(path, **arrays)
    with pytest.raises(BenchError, match=says):
        read_statistics(path)
    path.write_bytes(b"no archive")
    with pytest.raises(BenchError, match="cannot be read"):
        read_statistics(path)


@pytest.mark.parametrize("every", [7, 40])
def test_damaged_statistics_are_refused(every, tmp_path):
    path = tmp_path / "statistics.npz"
    write_statistics(path, sample(15, 30, 20))
    data = bytearray(path.read_bytes())
    data[60:300:every] = bytes(len(data[60:300:every]))
    path.write_bytes(data)
    with pytest.raises(BenchError, match="cannot be read"):
        read_statistics(path)


def test_statistics_tell_how_many_images_and_which_network(tmp_path):
    path = tmp_path / "ours.npz"
    write_statistics(path, sample(13, 30, 4), "inception, digest 67")
    assert read_statistics(path).count == 30
    assert read_statistics(path, "inception, digest 67").count == 30
    with pytest.raises(BenchError, match="through inception, digest 67, not another"):
        read_statistics(path, "another")
    np.savez(tmp_path / "theirs.npz", mu=np.zeros(2), sigma=np.eye(2))
    assert read_statistics(tmp_path / "theirs.npz", "another").count == 0


def test_further_arrays_of_a_file_of_statistics_are_ignored(tmp_path):
    a, b = sample(13, 30, 4), sample(17, 30, 4)
    given = {"mu": a.mean(0), "sigma": np.cov(a, rowvar=False), "count": np.arange(3), "network": np.zeros(2)}
    np.savez(tmp_path / "theirs.npz", activations=a, labels=np.array([{}], dtype=object), **given)
    found = read_statistics(tmp_path / "theirs.npz", "another")
    assert (found.count, found.network) == (0, "")
    assert frechet_distance(b, found) == pytest.approx(frechet_distance(b, a), rel=1e-7)


def test_statistics_that_unfold_without_end_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("fesbench.metrics.frechet.LARGEST", 1000)
    write_statistics(tmp_path / "large.npz", sample(14, 30, 20))
    with pytest.raises(BenchError, match="unfolds to"):
        read_statistics(tmp_path / "large.npz")


def test_statistics_of_another_network_are_refused():
    with pytest.raises(BenchError, match="3 against 4 dimensions"):
        frechet_distance(sample(0, 9, 3), Gaussian.of(sample(1, 9, 4)))


def test_scipy_1_18_stops_the_peer_and_not_us(monkeypatch):
    """SciPy 1.18 drops ``sqrtm(disp=…)``, which pytorch-fid 0.3.0 and its copies call."""
    fid_score = peer()
    a, b = sample(12, 40, 8), sample(13, 50, 8, 1.2)
    statistics = [part for x in (a, b) for part in (x.mean(0), np.cov(x, rowvar=False))]
    if "disp" in inspect.signature(linalg.sqrtm).parameters:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            expected = fid_score.calculate_frechet_distance(*statistics)
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
        of_today = linalg.sqrtm
        monkeypatch.setattr(linalg, "sqrtm", lambda matrix: of_today(matrix))
    with pytest.raises(TypeError, match="disp"):
        fid_score.calculate_frechet_distance(*statistics)
    assert frechet_distance(a, b) > 0


@pytest.mark.parametrize(
    ("a", "b", "says"),
    [
        (sample(0, 1, 3), sample(1, 5, 3), "two images"),
        (sample(0, 5, 3), sample(1, 5, 4), "dimensions"),
        (sample(0, 5, 3).ravel(), sample(1, 5, 3), "shape"),
        (np.full((5, 3), np.nan), sample(1, 5, 3), "not finite"),
    ],
)
def test_what_cannot_be_compared_is_refused(a, b, says):
    with pytest.raises(BenchError, match=says):
        frechet_distance(a, b)


def subsets_of(n):
    """Subsets of different sizes, the whole set among them."""
    rng = np.random.default_rng(n)
    drawn = [np.isin(np.arange(n), rng.permutation(n)[:size]) for size in range(n, n // 3, -7)]
    return np.array(drawn, dtype=bool)


@pytest.mark.parametrize(("n", "m"), [(40, 50), (60, 20), (40, 300), (64, 64), (90, 50)])
def test_subsets_have_the_distances_that_they_have_alone(n, m):
    """Few and many images on either side; features far from zero, and channels that are dead."""
    a, b = (sample(seed, count, 64, 1.0 + seed / 50, 30.0) for seed, count in ((20, n), (21, m)))
    a[:, :5] = b[:, :5] = 0
    subsets = subsets_of(n)
    alone = [frechet_distance(a[subset], b) for subset in subsets]
    np.testing.assert_allclose(subset_distances(a, b, subsets), alone, rtol=1e-7)
    np.testing.assert_allclose(subset_distances(a, Gaussian.of(b), subsets), alone, rtol=1e-7)


def test_subsets_of_equal_sets_are_at_no_negative_distance():
    a = sample(22, 30, 50)
    found = subset_distances(a, a, np.ones((1, 30), bool))
    assert 0 <= found[0] < 1e-5 * a.var() * 50


def test_subsets_need_features_of_one_network():
    with pytest.raises(BenchError, match="3 against 4 dimensions"):
        subset_distances(sample(0, 9, 3), sample(1, 9, 4), np.ones((1, 9), bool))


def test_the_metric_is_the_function(given):
    metric = FrechetDistance(given(4), "test")
    a, b = sample(6, 20, 4).astype(np.float32), sample(7, 30, 4).astype(np.float32)
    assert metric.compute(a, b) == frechet_distance(a, b)
    assert metric.card.id == "fid@test"
    np.testing.assert_allclose(metric.on_subsets(a, b, np.ones((1, 20), bool)), metric.compute(a, b))
