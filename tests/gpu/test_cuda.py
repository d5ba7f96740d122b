"""A CUDA device gives what a CPU gives. ``FESBENCH_GPU=cpu`` tries the tests without one."""

import math
import os

import pandas as pd
import pytest
import torch

import fesbench

DEVICE = os.environ.get("FESBENCH_GPU", "cuda")
MODELS = ("reggan", "reggan-regression", "stargan", "ganimation", "stgan", "degan", "usgan", "sargan")

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(DEVICE == "cuda" and not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def test_runs_give_the_same_scores(tmp_path):
    found = []
    for device in ("cpu", DEVICE):
        out = tmp_path / device / "run"
        metrics = ("ecs", "fss", "quality", "fidelity")
        fesbench.evaluate([*MODELS, "copy"], metrics=metrics, limit=1, out=out, device=device)
        found.append(
            pd.read_parquet(out / "scores.parquet").set_index(["generator", "edit", "metric"])["value"]
        )
    both = pd.concat(found, axis=1, keys=["cpu", "device"]).dropna()
    assert len(both) == found[0].notna().sum() == found[1].notna().sum()
    grades = both[~both.index.get_level_values("metric").str.startswith(("ecs", "output"))]
    differences = (grades["cpu"] - grades["device"]).abs() / grades["cpu"].abs().clip(lower=1)
    assert differences.max() < 1e-2
    shares = both[both.index.get_level_values("metric") == "ecs@embedded"]
    assert (shares["cpu"] != shares["device"]).mean() < 0.02


@pytest.mark.parametrize("model", [name for name in MODELS if name != "reggan-regression"])
def test_training_makes_steps_with_finite_losses(model, tmp_path):
    small = {"batch_size": 4}
    result = fesbench.train(
        model, steps=2, resolution=64, config=small, out=tmp_path / "train", device=DEVICE
    )
    assert result.trainings[0].steps == 2
    rows = pd.read_json(tmp_path / "train" / "losses.jsonl", lines=True)
    assert all(math.isfinite(value) for value in rows.select_dtypes("number").to_numpy().ravel())
