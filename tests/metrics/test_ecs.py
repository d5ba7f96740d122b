import numpy as np
import pytest

from fesbench.core.errors import BenchError
from fesbench.metrics.ecs import ExpressionConsistency

FER_LABELS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")


@pytest.fixture
def metric(given):
    return ExpressionConsistency(given(7, FER_LABELS), "test")


def rows(*tops, top=0.7):
    """Probabilities with ``top`` at the given positions and the rest shared by the others."""
    table = np.full((len(tops), 7), (1 - top) / 6)
    table[np.arange(len(tops)), tops] = top
    return table


def test_foreign_labels_meet_our_names(metric, batch_of):
    scores = metric.score(batch_of(["happy", "sad", "happy"], {"output": rows(3, 3, 4)}))
    assert scores["ecs@test"].tolist() == [1, 0, 0]
    np.testing.assert_allclose(scores["ecs.probability@test"], [0.7, 0.05, 0.05], rtol=1e-6)
    assert [metric.labels[int(index)] for index in scores["ecs.predicted@test"]] == ["happy", "happy", "sad"]


def test_a_target_without_label_is_undefined_and_says_why(metric, batch_of, edit):
    scores = metric.score(batch_of(["happily surprised", "happy"], {"output": rows(3, 3)}))
    assert np.isnan(scores["ecs@test"]).tolist() == [True, False]
    assert np.isnan(scores["ecs.probability@test"]).tolist() == [True, False]
    assert scores["ecs.predicted@test"].tolist() == [3, 3]
    assert "happily surprised" in metric.reason(edit("happily surprised"), "ecs@test")
    assert metric.reason(edit("happy"), "ecs@test") == ""
    assert metric.reason(edit("happily surprised"), "ecs.predicted@test") == ""


def test_a_failed_output_is_wrong(metric):
    failed = metric.failed()
    assert (failed["ecs@test"], failed["ecs.probability@test"]) == (0.0, 0.0)
    assert set(failed) == set(metric.card.column_names)


def test_headline_column_is_the_id(metric):
    assert metric.card.column_names[0] == metric.card.id == "ecs@test"


def test_labels_that_nobody_knows_are_refused(given):
    with pytest.raises(BenchError, match="unknown expression 'grumpy'"):
        ExpressionConsistency(given(2, ("happy", "grumpy")), "test")
    with pytest.raises(BenchError, match="different expressions, not happiness, joy"):
        ExpressionConsistency(given(2, ("happiness", "joy")), "test")
    with pytest.raises(BenchError, match="none at all"):
        ExpressionConsistency(given(2), "test")


def test_what_the_judge_sees_of_each_label_is_kept_and_nothing_in_a_failed_output(metric, batch_of):
    scores = metric.score(batch_of(["happy", "happily surprised"], {"output": rows(3, 4)}))
    seen = [column for column in metric.card.column_names if column.startswith("ecs.seen.")]
    assert [column.removeprefix("ecs.seen.") for column in seen] == [f"{name}@test" for name in metric.labels]
    np.testing.assert_allclose([scores[column] for column in seen], rows(3, 4).T, rtol=1e-6)
    assert np.isnan([metric.failed()[column] for column in seen]).all()
