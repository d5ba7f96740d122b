"""Runs as archives, also those of strangers."""

import io
import tarfile

import pytest

from fesbench.core.errors import BenchError
from fesbench.runs.store.archive import pack, unpack
from fesbench.runs.store.store import RunStore


@pytest.fixture
def archive(copied_run, tmp_path):
    RunStore(copied_run).write_digests()
    pack(RunStore(copied_run), tmp_path / "run.tar.gz")
    return tmp_path / "run.tar.gz"


def files(folder):
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in found.items() if not name.startswith(".")}


def test_a_run_comes_back_as_it_was_and_packs_to_the_same_bytes(archive, copied_run, tmp_path):
    assert unpack(archive, tmp_path / "theirs" / "copied") == []
    assert files(tmp_path / "theirs" / "copied") == files(copied_run)
    pack(RunStore(tmp_path / "theirs" / "copied"), tmp_path / "again.tar.gz")
    assert (tmp_path / "again.tar.gz").read_bytes() == archive.read_bytes()


def test_without_images_there_is_no_picture_and_the_missing_files_are_named(copied_run, tmp_path):
    pictures = ("grids/grid.png", "report/figures/grid.pdf", "report/html/images/anna.png")
    for picture in (*pictures, "report/tables/main.tex"):
        (copied_run / picture).parent.mkdir(parents=True, exist_ok=True)
        (copied_run / picture).touch()
    RunStore(copied_run).write_digests()
    pack(RunStore(copied_run), tmp_path / "small.tar.gz", images=False)
    missing = unpack(tmp_path / "small.tar.gz", tmp_path / "small")
    assert missing
    assert all(name.startswith("outputs/") for name in missing)
    kept = [path.suffix for path in (tmp_path / "small").rglob("*") if path.is_file()]
    assert not {".png", ".pdf", ".html", ".tar"} & {*kept}
    assert ".tex" in kept
    assert len(RunStore(tmp_path / "small").read_scores())


def rewritten(archive, path, change):
    """Copy an archive; ``change`` gets each (entry, content) and yields what takes its place."""
    with tarfile.open(archive) as old, tarfile.open(path, "w:gz") as new:
        for entry in old:
            for kept, content in change(entry, old.extractfile(entry).read()):
                kept.size = len(content)
                new.addfile(kept, io.BytesIO(content))
    return path


def altered(entry, content):
    flipped = content[:-1] + bytes([content[-1] ^ 1]) if entry.name.endswith("scores.parquet") else content
    yield entry, flipped


def escaping(entry, content):
    yield entry, content
    if entry.name.endswith("run.json"):
        yield tarfile.TarInfo("x/outputs/../../evil"), b"evil"


def linked(entry, content):
    yield entry, content
    link = tarfile.TarInfo("x/outputs/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    yield link, b""


def foreign(entry, content):
    yield entry, content
    yield tarfile.TarInfo("x/payload.py"), b"evil"


def twice(entry, content):
    yield entry, content
    yield entry, content


def headless(entry, content):
    if not entry.name.endswith("/run.json"):
        yield entry, content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (altered, "scores.parquet first"),
        (escaping, r"evil.*no file of a run"),
        (linked, r"link.*no file of a run"),
        (foreign, r"payload.py.*no file of a run"),
        (twice, "twice"),
        (headless, "holds no run"),
    ],
)
def test_whatever_is_not_a_run_leaves_nothing_behind(archive, tmp_path, change, message):
    other = rewritten(archive, tmp_path / "other.tar.gz", change)
    before = set(tmp_path.iterdir())
    with pytest.raises(BenchError, match=message):
        unpack(other, tmp_path / "theirs")
    assert set(tmp_path.iterdir()) == before


def test_cut_oversized_and_missing_archives_are_refused(archive, tmp_path):
    (tmp_path / "cut.tar.gz").write_bytes(archive.read_bytes()[:-2000])
    with pytest.raises(BenchError, match="damaged or no archive"):
        unpack(tmp_path / "cut.tar.gz", tmp_path / "theirs")
    with pytest.raises(BenchError, match="--limit-gb"):
        unpack(archive, tmp_path / "theirs", limit=1000)
    with pytest.raises(BenchError, match="there is no file"):
        unpack(tmp_path / "none.tar.gz", tmp_path / "theirs")
    (tmp_path / "theirs").mkdir()
    with pytest.raises(BenchError, match="exists; choose another"):
        unpack(archive, tmp_path / "theirs")


def test_a_header_that_unfolds_without_end_is_refused(tmp_path):
    archive = tmp_path / "bomb.tar.gz"
    entry = tarfile.TarInfo("x/run.json")
    entry.pax_headers = {"comment": "x" * 2**21}
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as new:
        new.addfile(entry)
    with pytest.raises(BenchError, match="a header of 2097"):
        unpack(archive, tmp_path / "x")
    assert not (tmp_path / "x").exists()
