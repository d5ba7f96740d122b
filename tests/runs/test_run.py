"""What a run refuses before it computes anything."""

import pandas as pd
import pytest

from fesbench.core.errors import SpecError
from fesbench.runs import run
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.progress import SILENT
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.store import RunStore


def test_a_run_of_more_scores_than_can_be_summed_is_refused_at_once(random_faces, tmp_path, monkeypatch):
    faces = random_faces(tmp_path / "faces", neutral=["a", "b"], happy=["a", "b"])
    metrics = ("ecs", "fid", "fidelity")
    spec = RunSpec(models=("copy", "truth"), data=(str(faces),), metrics=metrics, resolution=32)
    plan, store = make_plan(resolve(spec)), RunStore(tmp_path / "run")
    with store.writing():
        run.run_plan(plan, store, "cpu", 0, SILENT)
    scores = len(pd.read_parquet(tmp_path / "run" / "scores.parquet"))

    monkeypatch.setattr(run, "MOST_ROWS", scores)
    run.load(plan, "cpu").models.close()
    monkeypatch.setattr(run, "MOST_ROWS", scores - 1)
    with pytest.raises(SpecError, match=rf"2 models, 2 edits and .* are {scores} scores.*--limit"):
        run.load(plan, "cpu")
