"""Which judges a report knows: those whose cards say what they see, beside metrics of the same backend."""

from types import SimpleNamespace

import pandas as pd

from fesbench.core.contracts import MetricCard
from fesbench.runs.results import DatasetResults


def card(name, *columns):
    return MetricCard(name, "-", "higher", 0.0, 1.0, "share", "-", columns)


def test_the_labels_of_a_judge_do_not_get_lost_beside_another_metric_of_its_backend():
    columns = ["ecs@x", "ecs.predicted@x", "ecs.seen.sad@x", "ecs.seen.happy@x"]
    metrics = [card("ecs@x", *columns), card("fss@x", "fss@x")]
    results = DatasetResults(SimpleNamespace(metrics=metrics), "d")
    results.__dict__["scores"] = pd.DataFrame({"metric": columns, "value": [1.0, 0.0, 0.9, 0.1]})
    assert results.labels == {"ecs.predicted@x": ("sad", "happy")}
