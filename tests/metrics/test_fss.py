import numpy as np
import pytest

from fesbench.metrics.fss import FaceSimilarity, Verification
from fesbench.metrics.networks import embedded
from fesbench.metrics.networks.dlib_resnet import VERIFICATION

ORIGIN = "a test"


def similarity(given, measure, threshold):
    return FaceSimilarity(given(2), "test", Verification(measure, threshold, 0.25, 1.2, ORIGIN))


@pytest.fixture
def pairs():
    """Angles of 0, 60 and 90 degrees; lengths that cosine must ignore."""
    return {
        "output": [[2, 0], [0.5, np.sqrt(3) / 2], [0, 1]],
        "source": [[1, 0], [1, 0], [3, 0]],
        "truth": [[0, 1], [1, 0], [np.nan, np.nan]],
    }


def test_cosine_and_distance_by_hand(given, batch_of, pairs):
    scores = similarity(given, "cosine", 0.5 - 1e-6).score(batch_of(["happy"] * 3, pairs))
    np.testing.assert_allclose(scores["fss@test"], [1, 0.5, 0], atol=1e-7)
    np.testing.assert_allclose(scores["fss.distance@test"], [1, 1, np.sqrt(10)], rtol=1e-6)
    assert scores["fss.verified@test"].tolist() == [1, 1, 0]
    np.testing.assert_allclose(scores["fss.truth@test"], [0, 0.5, np.nan], atol=1e-7)


def test_where_there_is_no_other_photo_the_metric_says_so(given, edit):
    metric = similarity(given, "cosine", 0.5)
    assert "no other photo" in metric.reason(edit("happy", truth=False), "fss.truth@test")
    assert metric.reason(edit("happy"), "fss.truth@test") == ""
    assert metric.reason(edit("happy", truth=False), "fss@test") == ""


def test_the_metric_says_what_is_compared_and_when_it_is_verified(given):
    meaning = similarity(given, "distance", 0.6).card.meaning
    assert "of output and source" in meaning
    assert "without a detector" in meaning
    assert "below 0.60 (a test)" in meaning


def test_a_distance_threshold_looks_at_the_distance(given, batch_of, pairs):
    scores = similarity(given, "distance", 1.5).score(batch_of(["happy"] * 3, pairs))
    assert scores["fss.verified@test"].tolist() == [1, 1, 0]
    at_threshold = similarity(given, "distance", 1.0).score(batch_of(["happy"] * 3, pairs))
    assert at_threshold["fss.verified@test"][0] == 0


def test_an_empty_embedding_is_no_match(given, batch_of):
    features = {"output": [[0, 0]], "source": [[1, 0]], "truth": [[1, 0]]}
    scores = similarity(given, "cosine", 0.5).score(batch_of(["happy"], features))
    assert scores["fss@test"].tolist() == [0.0]
    assert scores["fss.verified@test"].tolist() == [0.0]


def test_a_failed_output_is_a_stranger(given):
    failed = similarity(given, "cosine", 0.5).failed()
    assert failed == {
        "fss@test": 0.25,
        "fss.verified@test": 0.0,
        "fss.distance@test": 1.2,
        "fss.truth@test": 0.25,
    }


def test_levels_are_the_means_over_real_pairs_counted_by_hand(given):
    metric = similarity(given, "cosine", 0.5)
    sources = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0], [np.nan, np.nan], [-3.0, 0.0]])
    truths = np.array([[2.0, 0.0], [np.nan, np.nan], [1.0, 1.0], [1.0, 0.0], [np.nan, np.nan]])
    levels = metric.levels(sources, truths, ["a", "a", "b", "c", "d"])
    assert levels.genuine == pytest.approx((1 + np.sqrt(0.5)) / 2)
    assert levels.impostor == pytest.approx((0 - 1 + 0) / 3)
    assert (levels.pairs, levels.subjects) == (2, 3)
    assert np.isnan(metric.levels(sources[:1], truths[:1], ["a"]).impostor)


@pytest.mark.parametrize(
    ("backend", "pairs", "same"),
    [
        # cosine similarities just around 0.7080286, the 99th percentile of the network's impostor pairs
        ("embedded", [[0.7081, np.sqrt(1 - 0.7081**2)], [0.7079, np.sqrt(1 - 0.7079**2)]], [1, 0]),
        # distances just around 0.6, the threshold of dlib's face recognition example
        ("dlib", [[1.5999, 0], [1.6001, 0]], [1, 0]),
    ],
)
def test_verification_has_the_published_thresholds(backend, pairs, same, given, batch_of):
    verification = {"embedded": embedded.load("identity").verification, "dlib": VERIFICATION}[backend]
    metric = FaceSimilarity(given(2), backend, verification)
    scores = metric.score(batch_of(["happy"] * 2, {"output": pairs, "source": [[1, 0]] * 2, "truth": pairs}))
    assert scores[f"fss.verified@{backend}"].tolist() == same


def test_a_similarity_at_the_threshold_is_verified_and_a_little_less_is_not():
    threshold = Verification("cosine", 0.7, 0.0, 1.0, ORIGIN)
    cosines = np.array([0.69999, 0.7, 0.70001])
    assert threshold.decide(cosines, np.full(3, 9.0)).tolist() == [False, True, True]
