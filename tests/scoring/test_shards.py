import numpy as np
import pandas as pd
import pytest
import torch

from fesbench.core.contracts import (
    Batch,
    Column,
    Edit,
    Failure,
    FeatureExtractor,
    FeatureExtractorCard,
    ImageMetric,
    MetricCard,
    Sample,
)
from fesbench.core.reasons import FAILED, UNSCORED
from fesbench.generators.controls import Truth
from fesbench.metrics.ecs import ExpressionConsistency
from fesbench.metrics.fidelity import Fidelity
from fesbench.scoring.scorer import Scorer
from fesbench.scoring.shards import score_shard, shard_references
from fesbench.statistics.measures import OUTPUT

SIDE = 32


def image(level):
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def edit(number, target="happy", truth=None):
    source = Sample(f"s{number}", f"s{number}", "neutral", "studio", lambda: image(100))
    return Edit(source, target, truth)


class Judge(FeatureExtractor):
    card = FeatureExtractorCard("judge", "test", "", "none", 2, labels=("happy", "sad"))

    def features(self, images):
        return torch.tensor([[0.75, 0.25]]).repeat(len(images), 1)


class Fussy(ImageMetric):
    """Raises on white outputs."""

    card = MetricCard("fussy", "Fussy", "higher", 0.0, 1.0, "share", "", ("fussy",))

    def score(self, batch: Batch):
        if (batch.outputs == 255).all(axis=(1, 2, 3)).any():
            raise ValueError("white")
        return {"fussy": batch.outputs[:, 0, 0, 0] / 255.0}

    def failed(self):
        return {"fussy": 0.0}


def scored(outputs, metrics, edits=None):
    edits = edits or [edit(number) for number in range(len(outputs))]
    scorer = Scorer(metrics, [], SIDE)
    return score_shard(outputs, shard_references(edits, {}, scorer), scorer)


def rows_of(found, metric):
    rows = found.rows[found.rows["metric"] == metric]
    return rows["value"].tolist(), [None if pd.isna(reason) else reason for reason in rows["reason"]]


def test_every_edit_has_a_row_that_says_whether_it_has_an_output_whatever_the_metrics():
    found = scored([image(1), Failure("out of luck")], [])
    assert rows_of(found, OUTPUT) == ([1.0, 0.0], [None, f"{FAILED}out of luck"])


def test_a_metric_that_raises_costs_only_the_output_it_raised_on():
    found = scored([image(51), image(255), Failure("lost"), image(102)], [Fussy()])
    values, reasons = rows_of(found, "fussy")
    assert values == pytest.approx([0.2, np.nan, 0.0, 0.4], nan_ok=True)
    assert reasons == [None, f"{UNSCORED}ValueError: white", f"{FAILED}lost", None]
    assert found.unscored == {"fussy"}
    assert not scored([image(51)], [Fussy()]).unscored


def test_a_metric_that_changes_its_batch_changes_it_for_no_other():
    class Zeroing(Fussy):
        card = MetricCard("zeroing", "Zeroing", "higher", 0.0, 1.0, "share", "", ("zeroing",))

        def score(self, batch):
            batch.outputs[:] = batch.sources[:] = 0
            batch.edits.clear()
            return {"zeroing": np.ones(len(batch.outputs))}

    found = scored([image(51), image(102)], [Zeroing(), Fussy()])
    assert rows_of(found, "fussy")[0] == pytest.approx([0.2, 0.4])


def test_a_metric_that_gives_too_few_values_or_no_column_raises_nothing():
    class Short(Fussy):
        def score(self, batch):
            return {"fussy": np.ones(1)}

    class Other(Fussy):
        def score(self, batch):
            return {"else": np.ones(len(batch.edits))}

    assert rows_of(scored([image(1), image(2)], [Short()]), "fussy") == ([1.0, 1.0], [None, None])
    values, reasons = rows_of(scored([image(1), image(2)], [Other()]), "fussy")
    assert np.isnan(values).all()
    assert all(reason.startswith(UNSCORED) for reason in reasons)


def test_a_missing_score_carries_what_the_metric_knows_of_it():
    edits = [edit(0, "happily surprised"), edit(1, "happy")]
    found = scored([image(1), image(2)], [ExpressionConsistency(Judge(), "test"), Fidelity()], edits)
    values, reasons = rows_of(found, "ecs@test")
    assert values == pytest.approx([np.nan, 1.0], nan_ok=True)
    assert reasons == ["judge has no label for 'happily surprised'; it knows happy, sad", None]
    assert set(rows_of(found, "mae.face")[1]) == {"the data set has no true target for this edit"}


def test_a_truth_that_does_not_exist_is_left_out_and_a_lost_output_is_wrong():
    answers = [Failure("lost"), *Truth().answer([edit(1)]), image(2)]
    found = scored(answers, [ExpressionConsistency(Judge(), "test")], [edit(0), edit(1), edit(2)])
    values, reasons = rows_of(found, "ecs@test")
    assert values[:2] == pytest.approx([0.0, np.nan], nan_ok=True)
    assert np.isfinite(values[2])
    assert reasons[1] == f"{FAILED}no true target: the data set has none for this edit"


def test_a_region_that_is_empty_is_named():
    truth = Sample("t", "s0", "happy", "studio", lambda: image(100))
    found = scored([image(90)], [Fidelity()], [edit(0, truth=truth)])
    assert rows_of(found, "mae.face") == ([10.0], [None])
    assert rows_of(found, "mae.changed")[1] == ["mae.changed is not defined for this edit"]


class Percent(Fussy):
    """Gives shares as percentages where they are not 0, which its card does not say."""

    def score(self, batch: Batch):
        return {"fussy": np.where(batch.outputs[:, 0, 0, 0] == 0, 0.0, 80.0)}


def test_a_score_outside_the_range_of_its_card_is_none():
    rows = scored([image(0), image(9)], [Percent()]).rows
    found = rows[rows["metric"] == "fussy"].set_index("edit")
    first, second = found.index
    assert found.loc[first, "value"] == 0
    assert np.isnan(found.loc[second, "value"])
    assert found.loc[second, "reason"].startswith(UNSCORED)
    assert "fussy is 80, outside [0, 1] on the card of fussy" in found.loc[second, "reason"]


def test_a_score_that_rounding_took_out_of_its_range_is_one():
    class Rounded(Percent):
        def score(self, batch):
            return {"fussy": np.where(batch.outputs[:, 0, 0, 0] == 0, 1 + 1e-6, 1 + 1e-4)}

    values, reasons = rows_of(scored([image(0), image(9)], [Rounded()]), "fussy")
    assert values == pytest.approx([1.0, np.nan], nan_ok=True)
    assert reasons[0] is None


def test_each_column_has_a_range_of_its_own():
    class Two(Fussy):
        card = MetricCard(
            "two",
            "Two",
            "higher",
            0.0,
            1.0,
            "share",
            "",
            ("two", Column("half", "Half", None, -1.0, 0.5), "any"),
        )

        def score(self, batch):
            first = batch.outputs[:, 0, 0, 0] / 255.0
            return {"two": first, "half": first, "any": 1e9 * first}

        def failed(self):
            return {}

    found = scored([image(51), image(204)], [Two()])
    for column, values in {"two": [0.2, np.nan], "half": [0.2, np.nan], "any": [2e8, np.nan]}.items():
        assert rows_of(found, column)[0] == pytest.approx(values, nan_ok=True)
    assert "half is 0.8, outside [-1, 0.5]" in rows_of(found, "half")[1][1]


def test_a_score_of_missing_outputs_outside_the_range_is_none():
    class Harsh(Fussy):
        def failed(self):
            return {"fussy": -100.0}

    values, reasons = rows_of(scored([image(51), Failure("lost")], [Harsh()]), "fussy")
    assert values == pytest.approx([0.2, np.nan], nan_ok=True)
    assert reasons == [None, f"{FAILED}lost"]
