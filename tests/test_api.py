import json

import pytest

from fesbench.api import complete_run
from fesbench.core.errors import BenchError
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore


class Silent:
    def begin(self, shards: int, edits: int) -> None:
        pass

    def done(self, done) -> None:
        pass


def spec(*models: str) -> RunSpec:
    return resolve(RunSpec(models=models, metrics=("ecs",), limit=1))


def test_what_others_asked_for_in_the_meantime_is_kept(tmp_path):
    store = RunStore(tmp_path)
    plan = make_plan(store.grown_spec(spec("copy")))
    store.update_record(spec=spec("truth"))
    results = complete_run(plan, store, "cpu", 0, Silent())
    assert set(results.cells["generator"]) == {"copy", "truth"}
    assert json.loads((tmp_path / "run.json").read_text())["spec"]["models"] == ["truth", "copy"]
    damage_summary(store)
    with pytest.raises(BenchError, match=r"summary\.json.*same command"):
        complete_run(plan, store, "cpu", 0, Silent())


def damage_summary(store: RunStore) -> None:
    store.write_summary('{"cells": 3}')
