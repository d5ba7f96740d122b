"""Outputs as files and as archives of shards, on this machine and elsewhere, also damaged ones."""

import io
import tarfile
from uuid import uuid4

import numpy as np
import pytest

from fesbench.core.errors import ImageError
from fesbench.runs.store.store import RunStore

IMAGES = {
    f"neutral/{i}--happy": np.random.default_rng(i).integers(0, 256, (8, 8, 3), np.uint8) for i in range(3)
}


@pytest.fixture(params=["folder", "memory"])
def store(request, tmp_path):
    return RunStore(tmp_path / "run" if request.param == "folder" else f"memory://{uuid4()}/run")


def archive(tmp_path):
    (path,) = (tmp_path / "run").rglob("*.tar")
    return path


@pytest.mark.parametrize("shard", [3, None])
def test_outputs_of_an_archive_are_found_with_and_without_its_number(store, shard):
    first = dict(list(IMAGES.items())[:2])
    store.outputs.write_shard("copy", "my/faces", 3, first)
    store.write_output("copy", "my/faces", "alone--happy", IMAGES["neutral/2--happy"])
    again = RunStore(store.location)
    for edit, image in first.items():
        assert again.has_output("copy", "my/faces", edit, shard)
        assert (again.read_output("copy", "my/faces", edit, shard) == image).all()
    assert again.has_output("copy", "my/faces", "alone--happy", shard)
    assert not again.has_output("copy", "my/faces", "neutral/2--happy", shard)
    assert not again.has_output("truth", "my/faces", "neutral/0--happy", shard)
    with pytest.raises(ImageError, match="no such file"):
        again.read_output("copy", "my/faces", "neutral/2--happy", shard)


def test_a_shard_that_is_written_again_replaces_what_was_known_of_it(store):
    store.outputs.write_shard("copy", "faces", 0, IMAGES)
    assert store.has_output("copy", "faces", "neutral/2--happy")
    store.outputs.write_shard("copy", "faces", 0, {"neutral/0--happy": IMAGES["neutral/1--happy"]})
    assert not store.has_output("copy", "faces", "neutral/2--happy")
    again = store.read_output("copy", "faces", "neutral/0--happy", 0)
    assert (again == IMAGES["neutral/1--happy"]).all()
    store.outputs.write_shard("copy", "faces", 0, {})
    assert not store.has_output("copy", "faces", "neutral/0--happy", 0)


def test_tar_unpacks_an_archive_to_the_files_of_the_other_form(tmp_path):
    store = RunStore(tmp_path / "run")
    store.outputs.write_shard("copy", "faces", 0, IMAGES)
    path = archive(tmp_path)
    with tarfile.open(path) as tar:
        tar.extractall(path.parent, filter="data")
    path.unlink()
    again = RunStore(tmp_path / "run")
    for edit, image in IMAGES.items():
        assert again.output_path("copy", "faces", edit).is_file()
        assert (again.read_output("copy", "faces", edit) == image).all()


@pytest.mark.parametrize("keep", [0, 100, 511, 700, 1500])
def test_an_archive_that_was_cut_holds_no_wrong_output(tmp_path, keep):
    store = RunStore(tmp_path / "run")
    store.outputs.write_shard("copy", "faces", 0, IMAGES)
    path = archive(tmp_path)
    path.write_bytes(path.read_bytes()[:keep])
    again, read = RunStore(tmp_path / "run"), 0
    for edit, image in IMAGES.items():
        try:
            assert (again.read_output("copy", "faces", edit, 0) == image).all()
            read += 1
        except ImageError:
            pass
    assert read < len(IMAGES)


def hostile(kind):
    """An entry of an archive that is none of an image."""
    entry = tarfile.TarInfo("e--happy.png")
    if kind == "link":
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
    elif kind == "header":
        entry.type, entry.size = tarfile.XHDTYPE, 1 << 34
    else:
        entry.size = 1 << 34
    return entry.tobuf()


@pytest.mark.parametrize("kind", ["link", "header", "size"])
def test_an_archive_of_a_stranger_gives_nothing_but_its_own_bytes(tmp_path, kind):
    path = tmp_path / "run/outputs/copy/faces/shard-00000.tar"
    path.parent.mkdir(parents=True)
    path.write_bytes(hostile(kind) + bytes(10240))
    store = RunStore(tmp_path / "run")
    with pytest.raises(ImageError):
        store.read_output("copy", "faces", "e--happy", 0)


def test_the_same_outputs_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        RunStore(tmp_path / name / "run").outputs.write_shard("copy", "faces", 0, IMAGES)
    assert archive(tmp_path / "one").read_bytes() == archive(tmp_path / "two").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive(tmp_path / "one").read_bytes())) as tar:
        assert {(entry.uid, entry.mtime, entry.mode) for entry in tar} == {(0, 0, 0o644)}
