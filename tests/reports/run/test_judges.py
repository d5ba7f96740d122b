"""Which judges a report knows: those whose cards say what they see, beside metrics of the same backend."""

from types import SimpleNamespace

import pandas as pd

from fesbench.reports.run.further_tables import Results


def test_the_labels_of_a_judge_do_not_get_lost_beside_another_metric_of_its_backend():
    columns = ["ecs@x", "ecs.predicted@x", "ecs.seen.sad@x", "ecs.seen.happy@x"]
    record = {"metrics": {"ecs@x": {"columns": columns}, "fss@x": {"columns": ["fss@x"]}}}
    results = Results(SimpleNamespace(record=record), "d")
    results.__dict__["scores"] = pd.DataFrame({"metric": columns, "value": [1.0, 0.0, 0.9, 0.1]})
    assert results.labels == {"ecs.predicted@x": ("sad", "happy")}
