"""What a card says of its columns, and what is left of it in a run's record."""

import json
from dataclasses import asdict, replace
from math import inf

import pytest

from fesbench.core.contracts import Column, MetricCard
from fesbench.metrics.registry import load_metric
from fesbench.statistics.measures import Measure, measure_from, measures_of, metric_record, recorded_card

CARD = MetricCard(
    "sharpness", "Sharpness", "higher", 0.0, 1.0, "score", "How sharp it is.",
    ("sharp", Column("sharp.error", "error of the sharpness", "lower", 0.0, 9.0, "px"), "sharp.seconds",
     Column("sharp.label", "predicted label", score=False)),
)  # fmt: skip


def test_a_plain_name_in_the_first_place_is_described_by_the_card():
    measure = measures_of([CARD])["sharp"]
    assert measure == Measure("sharp", "Sharpness", "higher", 0.0, 1.0, "score", headline=True)
    alone = measures_of([replace(CARD, columns=())])
    assert alone == {"sharpness": replace(measure, column="sharpness")}


def test_a_further_column_is_what_it_states_and_a_further_plain_name_does_not_rank():
    measures = measures_of([CARD])
    assert measures["sharp.error"] == Measure(
        "sharp.error", "error of the sharpness", "lower", 0.0, 9.0, "px"
    )
    assert measures["sharp.seconds"] == Measure("sharp.seconds", "Sharpness", None, -inf, inf, "")
    assert "sharp.label" not in measures


@pytest.mark.parametrize(
    "name", ["ecs@embedded", "fss@embedded", "kid@embedded", "movement@embedded", "fidelity"]
)
def test_the_record_of_a_card_gives_the_card_back(name):
    card = load_metric(name).card
    record = json.loads(json.dumps(metric_record(card), allow_nan=False))
    again = recorded_card(record, {})
    assert again == replace(card, columns=card.described_columns)
    assert record["columns"] == list(card.column_names)


def test_a_record_without_details_takes_them_from_the_summary():
    record = metric_record(CARD)
    del record["details"], record["citations"]
    written = json.loads(
        json.dumps([asdict(measure) | {"high": None} for measure in measures_of([CARD]).values()])
    )
    measures = {row["column"]: measure_from(row) for row in written}
    again = recorded_card(json.loads(json.dumps(record)), measures)
    assert again.column_names == CARD.column_names
    assert measures_of([again]) == measures
    assert measures["sharp.error"].direction == "lower"
