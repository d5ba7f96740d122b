"""A finished run verifies, and every alteration shows."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from fesbench.core.errors import BenchError
from fesbench.review.verify import Depth, verify_run
from fesbench.runs.results import RunResults

RESCORED = "scores of {} on rendered, {}, from its outputs"


@pytest.fixture
def copied_run(current_run, tmp_path):
    return Path(shutil.copytree(current_run, tmp_path / "copied"))


def checks(folder, depth=Depth()):  # noqa: B008 - frozen
    return {check.what: check for check in verify_run(RunResults.open_unchecked(folder), depth)}


def wrong(found):
    return {what for what, check in found.items() if check.outcome == "mismatch"}


def test_an_untouched_run_verifies(current_run):
    found = checks(current_run)
    assert {check.outcome for what, check in found.items() if what != "code"} == {"ok"}
    assert set(found) == {
        "code",
        "files",
        "scores.parquet against the parts of its shards",
        "summary.json against scores.parquet",
        "models",
        "metrics",
        "data set rendered",
        "calibrations of run.json, computed again",
        "ceilings of run.json, computed again",
        "face_levels of run.json, computed again",
        "cards and blocks of the suite's own models",
        *(RESCORED.format(name, "one shard") for name in ("copy", "truth", "reggan-regression")),
    }


def test_an_altered_image_shows_in_digests_and_in_scores(copied_run):
    path = next((copied_run / "outputs" / "reggan-regression").rglob("*.png"))
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    next((copied_run / "outputs" / "copy").rglob("*.png")).unlink()
    found = checks(copied_run, Depth(everything=True))
    assert found[f"file {path.relative_to(copied_run)}"].detail.startswith("altered")
    rescored = found[RESCORED.format("reggan-regression", "all shards")]
    assert rescored.outcome == "mismatch"
    assert path.stem in rescored.detail
    assert found[RESCORED.format("copy", "all shards")].outcome == "mismatch"
    assert found[RESCORED.format("truth", "all shards")].outcome == "ok"


def test_altered_scores_show_against_parts_and_summary(copied_run, monkeypatch):
    monkeypatch.setattr("fesbench.review.verify._scores_in", lambda *_: iter(()))  # outputs are as they were
    path = copied_run / "scores.parquet"
    scores = pd.read_parquet(path)
    better = (scores["generator"] == "reggan-regression") & (scores["metric"] == "fss@embedded")
    scores.loc[better, "value"] += 0.01
    scores.to_parquet(path, index=False)
    (copied_run / "outputs" / "added.png").write_bytes(b"-")
    (copied_run / "failures.jsonl").unlink()
    assert wrong(checks(copied_run)) == {
        "file scores.parquet",
        "file failures.jsonl",
        "file outputs/added.png",
        "scores.parquet against the parts of its shards",
        "summary.json against scores.parquet",
    }


def test_an_altered_rank_test_card_and_ceiling_show_where_digests_were_made_anew(copied_run):
    (copied_run / "sha256sums.txt").unlink()
    path = copied_run / "summary.json"
    summary = json.loads(path.read_text())
    summary["ranks"][0]["rank"] = 9
    tested = next(row for row in summary["differences"] if row["difference"])
    tested["difference"] /= 2
    path.write_text(json.dumps(summary))
    path = copied_run / "run.json"
    record = json.loads(path.read_text())
    record["models"]["copy"]["rendered"]["card"]["title"] = "Ours"
    record["models"]["copy"]["rendered"]["block"] = "main"
    record["ceilings"][0]["accuracy"] /= 2
    path.write_text(json.dumps(record))
    found = checks(copied_run)
    assert wrong(found) == {
        "summary.json against scores.parquet",
        "ceilings of run.json, computed again",
        "cards and blocks of the suite's own models",
    }
    detail = found["summary.json against scores.parquet"].detail
    assert f"difference is {tested['difference']:.6g} in the record" in detail
    assert "rank is 9 in the record" in detail
    assert "title of copy on rendered: 'Ours'" in found["cards and blocks of the suite's own models"].detail


def test_other_data_and_networks_show_and_are_not_trusted(copied_run):
    (copied_run / "sha256sums.txt").unlink()
    path = copied_run / "run.json"
    record = json.loads(path.read_text())
    record["datasets"]["rendered"]["digest"] = "0" * 64
    path.write_text(json.dumps(record))
    path = copied_run / "identities.json"
    identities = json.loads(path.read_text())
    for parts in identities["networks"].values():
        parts["weights"] = "1" * 64
    identities["models"]["copy"] = {"source": "2" * 64}
    path.write_text(json.dumps(identities))
    found = checks(copied_run)
    assert found["files"].outcome == "not checked"
    assert found["data set rendered"].detail.startswith("0" * 64)
    assert found["model copy: source"].detail.endswith("absent now")
    assert sum(what.startswith("network embedded") for what in wrong(found)) == 3
    rescored = found[RESCORED.format("copy", "one shard")]
    assert rescored.outcome == "ok"
    assert rescored.detail == "196 numbers agree"  # fidelity has no network


def test_data_that_is_gone_is_not_checked(copied_run):
    path = copied_run / "run.json"
    record = json.loads(path.read_text())
    record["spec"]["data"] = [str(copied_run / "gone")]
    path.write_text(json.dumps(record))
    last = list(checks(copied_run).values())[-1]
    assert (last.what, last.outcome) == ("data sets", "not checked")


def test_a_device_that_is_not_there_is_refused(current_run):
    with pytest.raises(BenchError, match="cannot be used"):
        checks(current_run, Depth(device="cuda:99"))


def test_a_run_of_another_version_says_so_beside_what_changed_since(finished_run):
    found = checks(finished_run)
    assert found["code"].outcome == "not checked"
    assert "fesbench 0.1.0, commit a41fd73a776e" in found["code"].detail
    assert found["files"].outcome == found["scores.parquet against the parts of its shards"].outcome == "ok"
    assert "works@embedded: is not recorded" in found["summary.json against scores.parquet"].detail
