import json
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesbench.core.errors import BenchError, ImageError, SpecError
from fesbench.core.files import write_text, written_whole
from fesbench.core.names import safe_name
from fesbench.runs.spec import RunSpec
from fesbench.runs.store.records import Identities
from fesbench.runs.store.store import RunStore
from fesbench.scoring.score_rows import SCORES


def rows(value: float, metric: str = "ecs@x") -> pd.DataFrame:
    texts = {name: ["a"] for name in SCORES.names if name not in ("value", "reason")}
    return pd.DataFrame(texts | {"metric": [metric], "value": [value], "reason": [None]})


@given(st.text(min_size=1, max_size=60))
def test_safe_names_are_one_plain_folder(name):
    safe = safe_name(name)
    assert safe not in ("", ".", "..")
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert not safe.endswith((".", " "))


def fail_half_way(path):
    with written_whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError


def test_a_file_appears_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(RuntimeError):
        fail_half_way(path)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_full_disk_says_what_to_do_and_keeps_what_was_there(tmp_path):
    path = tmp_path / "a.json"
    write_text(path, "old")
    with pytest.raises(BenchError, match=r"a\.json.*run the same command again"), written_whole(path):
        raise OSError(28, "No space left on device")
    assert path.read_text() == "old"


def test_a_part_carries_its_metrics_and_rows(tmp_path):
    store = RunStore(tmp_path)
    assert store.parts.scored_metrics("copy", "rendered", 0) == frozenset()
    store.parts.write_rows("copy", "rendered", 0, rows(float("nan")), frozenset({"ecs@x", "fid@x"}))
    assert store.parts.scored_metrics("copy", "rendered", 0) == {"ecs@x", "fid@x"}
    assert store.parts.read_rows("copy", "rendered", 0)["value"].isna().all()


def test_a_damaged_part_counts_as_missing(tmp_path):
    store = RunStore(tmp_path)
    store.parts.write_rows("copy", "rendered", 0, rows(1.0), frozenset({"ecs@x"}))
    (part,) = tmp_path.rglob("part-*.parquet")
    part.write_bytes(part.read_bytes()[:40])
    assert store.parts.scored_metrics("copy", "rendered", 0) == frozenset()


def test_a_flipped_bit_changes_no_score_in_silence(tmp_path):
    store, metrics = RunStore(tmp_path), frozenset({"ecs@x"})
    store.parts.write_rows("copy", "rendered", 0, rows(1.0), metrics)
    whole = store.parts.read_rows("copy", "rendered", 0)
    (part,) = tmp_path.rglob("part-*.parquet")
    content = part.read_bytes()
    for place in range(0, len(content), 3):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        part.write_bytes(flipped)
        read = store.parts.read_rows("copy", "rendered", 0)
        assert read.equals(whole) or read.empty
        scored = store.parts.scored_metrics("copy", "rendered", 0)
        assert scored == frozenset() or (scored == metrics and not read.empty)


@pytest.mark.parametrize("content", [b"", b"no archive"], ids=["empty", "other"])
def test_a_shard_whose_features_are_damaged_counts_as_missing(tmp_path, content):
    store, features = RunStore(tmp_path), {"net": np.zeros((1, 2), np.float32)}
    store.parts.write_features("copy", "rendered", 0, features)
    store.parts.write_rows("copy", "rendered", 0, rows(1.0), frozenset({"fid@x"}))
    store.parts.write_reference_features("rendered", 0, features)
    assert store.parts.scored_metrics("copy", "rendered", 0) == {"fid@x"}
    assert store.parts.has_reference_features("rendered", 0)
    for path in tmp_path.rglob("*.npz"):
        path.write_bytes(content)
    assert store.parts.scored_metrics("copy", "rendered", 0) == frozenset()
    assert not store.parts.has_reference_features("rendered", 0)


def test_a_stored_output_is_opened_by_no_other_decoder_than_a_photo(tmp_path):
    store = RunStore(tmp_path)
    path = store.output_path("copy", "rendered", "edit")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n")
    with pytest.raises(ImageError, match="not an image in PNG"):
        store.read_output("copy", "rendered", "edit")


def test_outputs_are_lossless(tmp_path):
    store, image = RunStore(tmp_path), np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    store.write_output("my/model:x", "rendered", "edit", image)
    assert (store.read_output("my/model:x", "rendered", "edit") == image).all()


def test_a_second_writer_is_refused(tmp_path):
    hold = "import sys; from pathlib import Path; from fesbench.runs.store.store import RunStore\n"
    hold += "with RunStore(Path(sys.argv[1])).writing():\n  print('held', flush=True)\n  sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], text=True, **pipes) as first:
        try:
            assert first.stdout.readline() == "held\n"
            with pytest.raises(BenchError, match="another process"), RunStore(tmp_path).writing():
                pass
        finally:
            first.kill()
            first.wait()
    with RunStore(tmp_path).writing():
        pass


@pytest.mark.parametrize("status", [None, "started", "partial", "complete"])
def test_what_a_killed_writer_left_is_swept(tmp_path, status):
    store = RunStore(tmp_path)
    if status:
        store.update_record(status=status)
    litter = [tmp_path / ".tmp-1-run.json", tmp_path / f"outputs/copy/.tmp-{os.getpid()}-x.png"]
    foreign = tmp_path / "notes/.tmp-mine"
    for path in (*litter, foreign):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    with store.writing():
        assert not any(path.exists() for path in litter)
        assert foreign.exists()


def test_a_run_grows_and_refuses_other_changes(tmp_path):
    store = RunStore(tmp_path)
    store.update_record(spec=RunSpec(models=("copy",)))
    assert store.grown_spec(RunSpec(models=("truth",))).models == ("copy", "truth")
    with pytest.raises(SpecError, match="seed"):
        store.grown_spec(RunSpec(models=("copy",), seed=9))


def test_a_foreign_folder_is_not_used(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(SpecError, match=r"thesis\.tex"):
        RunStore(tmp_path).grown_spec(RunSpec())


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"spec": {"models": ["copy"], "fancy": 1}}, "fancy"),
        ({"spec": {"models": "copy"}}, "models"),
        ({"spec": [1]}, "spec"),
        ({"datasets": ["rendered"]}, "datasets"),
        ({"status": "nearly"}, "status"),
        ({"failed": "3"}, "failed"),
    ],
)
def test_an_edited_record_is_refused_by_file_field_and_remedy(tmp_path, fields, field):
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": 1} | fields))
    with pytest.raises(BenchError, match=rf"run\.json.*{field}") as caught:
        RunStore(tmp_path).grown_spec(RunSpec())
    assert "--out" in str(caught.value)


def test_outputs_stay_inside_whatever_the_edit_is_called(tmp_path):
    store, image = RunStore(tmp_path / "run"), np.zeros((8, 8, 3), np.uint8)
    for name in ("../../../escaped", "a/b", "x" * 500):
        store.write_output("copy", "rendered", name, image)
        assert (store.read_output("copy", "rendered", name) == image).all()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert len(list((tmp_path / "run/outputs/copy/rendered").iterdir())) == 3


def test_only_whole_shards_are_kept(tmp_path):
    store = RunStore(tmp_path)
    store.parts.write_rows("a", "rendered", 0, rows(0.0).assign(reason="no output: x"), frozenset({"ecs@x"}))
    assert not store.parts.any_scored()
    store.parts.write_rows("b", "rendered", 0, rows(1.0), frozenset({"ecs@x"}))
    assert store.parts.any_scored(generator="b")
    assert store.parts.any_scored(metric="ecs@x")
    assert not store.parts.any_scored(generator="a")
    assert not store.parts.any_scored(metric="fss@x")


@pytest.mark.parametrize("content", ["{", '{"schema_version": 99}', "[1]", '{"spec": {}}'])
def test_a_damaged_or_later_record_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(BenchError, match=r"run\.json"):
        _ = RunStore(tmp_path).record


def test_a_run_that_failed_while_it_was_set_up_is_begun_again(tmp_path):
    store = RunStore(tmp_path)
    store.update_identities(Identities(models={"copy": {}}))
    with store.log_file() as path:
        path.write_text("no such device")
    assert store.grown_spec(RunSpec(models=("copy",))).models == ("copy",)
