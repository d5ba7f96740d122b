"""What a card says of its columns."""

from dataclasses import replace
from math import inf

from fesbench.core.contracts import Column, MetricCard
from fesbench.statistics.measures import Measure, measures_of

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
