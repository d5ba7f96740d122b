import numpy as np

from fesbench.metrics.quality import Quality


def test_the_score_is_the_first_feature(given, batch_of):
    metric = Quality(given(3), "test")
    scores = metric.score(batch_of(["happy", "sad"], {"output": [[0.25, 9, 9], [0.75, 9, 9]]}))
    np.testing.assert_array_equal(scores["quality@test"], [0.25, 0.75])
    assert metric.failed() == {"quality@test": 0.0}
