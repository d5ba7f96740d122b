"""The seven verbs, on this machine and on another file system."""

import subprocess
import sys
import uuid

import numpy as np
import pytest

from fesbench.core.errors import BenchError, ImageError
from fesbench.runs.store.storage import LocalStorage, Storage, storage_at
from fesbench.runs.store.store import RunStore


@pytest.fixture(params=["local", "memory"])
def location(request, tmp_path):
    return tmp_path / "run [1]" if request.param == "local" else f"memory://{uuid.uuid4()}/run [1]"


@pytest.fixture
def storage(location):
    return storage_at(location)


def test_the_kind_follows_from_the_location(tmp_path):
    assert isinstance(storage_at(str(tmp_path)), LocalStorage)
    assert type(storage_at("memory://somewhere")) is Storage


def test_what_is_written_is_read(storage):
    assert not storage.exists("a/b.txt")
    with pytest.raises(FileNotFoundError):
        storage.read("a/b.txt")
    storage.write_whole("a/b.txt", b"old")
    storage.write_whole("a/b.txt", b"new")
    assert storage.read("a/b.txt") == b"new"
    assert storage.exists("a/b.txt")
    assert storage.exists("a")


def test_keys_are_listed_in_the_order_of_their_folders(storage):
    for key in ("scores/a-b/x", "scores/a/y", "scores/a/deep/z", "top"):
        storage.write_whole(key, b"")
    assert storage.list("*") == ["scores/", "top"]
    assert storage.list("scores/*/?") == ["scores/a/y", "scores/a-b/x"]
    files = [key for key in storage.list("scores/**/*") if not key.endswith("/")]
    assert files == ["scores/a/deep/z", "scores/a/y", "scores/a-b/x"]
    assert storage.list("nowhere/*") == []


def test_a_file_that_is_written_again_has_another_stamp(storage):
    for key in ("scores/a-b/x", "scores/a/y", "top"):
        storage.write_whole(key, b"old")
    before = storage.stamps(["top", "scores", "nowhere"])
    assert list(before) == ["scores/a/y", "scores/a-b/x", "top"]
    assert storage.stamps(["top", "scores"]) == before
    storage.write_whole("scores/a/y", b"newer")
    storage.remove("top")
    after = storage.stamps(["top", "scores"])
    assert list(after) == ["scores/a/y", "scores/a-b/x"]
    assert after["scores/a/y"] != before["scores/a/y"]
    assert after["scores/a-b/x"] == before["scores/a-b/x"]
    assert not [stamp for stamp in after.values() if "\n" in stamp or "  " in stamp]


def test_changed_files_are_found_with_and_without_the_index(storage):
    keys = ["scores/a/x", "scores/a/y", "scores/a/z"]
    for key in keys:
        storage.write_whole(key, b"old")
    RunStore(storage).write_digests()
    assert RunStore(storage).altered_files() == []
    storage.write_whole(keys[0], b"newer")
    storage.remove(keys[1])
    storage.write_whole(keys[2], b"old")
    assert RunStore(storage).altered_files() == keys[:2]
    storage.remove(".files")
    assert RunStore(storage).altered_files() == keys[:2]
    storage.write_whole(keys[0], b"old")
    storage.write_whole(keys[1], b"old")
    store = RunStore(storage)
    assert store.altered_files() == []
    store.update_index()
    assert storage.exists(".files")


def test_removing_twice_is_no_error(storage):
    storage.write_whole("a", b"x")
    storage.remove("a")
    storage.remove("a")
    assert not storage.exists("a")


def test_a_storage_of_a_folder_shares_its_files(storage):
    storage.at("inner").write_whole("a", b"x")
    assert storage.read("inner/a") == b"x"


def test_changes_in_a_local_copy_of_a_folder_are_kept(storage):
    for name in ("kept", "changed", "gone"):
        storage.write_whole(f"report/{name}", b"old")
    with storage.local_copy("report") as folder:
        assert (folder / "kept").read_bytes() == b"old"
        (folder / "changed").write_bytes(b"new")
        (folder / "gone").unlink()
        (folder / "deep").mkdir()
        (folder / "deep" / "added").write_bytes(b"new")
    files = {key: storage.read(key) for key in storage.list("report/**/*") if not key.endswith("/")}
    assert files == {"report/kept": b"old", "report/changed": b"new", "report/deep/added": b"new"}


def test_a_copy_of_nothing_does_not_exist(storage):
    with storage.local_copy("outputs/a.png") as path:
        assert not path.exists()
    assert not storage.exists("outputs")


HOLD = """
import sys
from fesbench.runs.store.storage import storage_at
with storage_at(sys.argv[1]).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_refused_until_the_first_ends(storage):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, storage.location],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(BenchError, match="another process is writing"), storage.lock():
            pass
        first.stdin.close()
    with storage.lock():
        pass


def test_a_run_lies_on_another_file_system_as_on_this_one(location):
    store, image = RunStore(location), np.full((8, 8, 3), 7, np.uint8)
    with store.writing():
        store.write_output("copy", "rendered", "edit", image)
        store.update_record(status="started")
        with store.log_file() as path:
            path.write_text("log")
    again = RunStore(location)
    assert (again.read_output("copy", "rendered", "edit") == image).all()
    assert again.has_output("copy", "rendered", "edit")
    assert again.record.status == "started"
    again.write_digests()
    assert set(again.read_digests()) == {"run.json", "outputs/copy/rendered/edit.png"}
    with pytest.raises(ImageError, match="no such file"):
        again.read_output("copy", "rendered", "other")
