from __future__ import annotations

import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from fesbench.core.errors import DatasetError, ImageError, UnknownName
from fesbench.datasets.folders import inspection
from fesbench.datasets.folders.folder import FolderDataset, FolderSpec
from fesbench.datasets.splits import PARTS


def folder(path: Path, split: str = "all", **options) -> FolderDataset:
    return FolderDataset(FolderSpec("set", path, **options), split)


@pytest.fixture
def pairs(make_image, tmp_path):
    for i in range(40):
        make_image(f"neutral/{i:03}.png")
        make_image(f"happy/{i:03}.png")
    return tmp_path


def bomb() -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(10)))
        + chunk(b"IEND", b"")
    )


def break_everything(root: Path) -> dict[str, str]:
    """Every kind of unusable image in ``root``; the expected reasons by name."""
    good = (root / "good.png").read_bytes()
    (root / "truncated.png").write_bytes(good[:-30])
    (root / "corrupt.png").write_bytes(good[:60] + bytes(len(good) - 60))
    (root / "zero.png").touch()
    (root / "text.png").write_text("these are no pixels\n" * 20)
    (root / "bomb.png").write_bytes(bomb())
    (root / "movie.gif").write_bytes(b"GIF89a")
    (root / "folder.png").mkdir()
    os.mkfifo(root / "pipe.png")
    (root / "dangling.png").symlink_to(root / "nowhere.png")
    (root / "escape.png").symlink_to(Path(__file__))
    (root / "loop.png").symlink_to(root / "loop.png")
    return {
        "truncated.png": "damaged",
        "corrupt.png": "damaged",
        "zero.png": "empty",
        "text.png": "not an image",
        "bomb.png": "million pixels",
        "movie.gif": ".gif images are not read",
        "folder.png": "a folder",
        "pipe.png": "not a regular file",
        "dangling.png": "missing file",
        "escape.png": "outside",
        "loop.png": "",
    }


def test_a_folder_with_every_kind_of_broken_image(make_image, tmp_path):
    good = make_image("good.png")
    expected = break_everything(tmp_path)
    Pillow.open(good).convert("CMYK").save(tmp_path / "cmyk.jpg")
    Pillow.open(good).convert("L").save(tmp_path / "grey.png")
    Pillow.open(good).convert("RGBA").save(tmp_path / "alpha.png")
    Pillow.fromarray(np.arange(64, dtype=np.uint16).reshape(8, 8) * 999).save(tmp_path / "deep.png")
    (tmp_path / "inside.png").symlink_to(good)
    for name in (".DS_Store", "._good.png", "Thumbs.db", "README.md", "__MACOSX"):
        (tmp_path / name).touch()

    dataset = folder(tmp_path, layout="flat")
    found = {problem.path: problem.reason for problem in dataset.problems}
    assert found.keys() == expected.keys()
    assert all(expected[name] in reason for name, reason in found.items())
    assert sorted(s.id for s in dataset.samples()) == ["alpha", "cmyk", "deep", "good", "grey", "inside"]
    assert all(sample.load().shape == (8, 8, 3) for sample in dataset.samples())
    assert sorted(dataset.ignored) == [".DS_Store", "._good.png", "README.md", "Thumbs.db", "__MACOSX"]


def test_splits_are_disjoint_and_complete(pairs):
    splits = {name: folder(pairs, name) for name in PARTS}
    people = [{sample.subject for sample in dataset.samples()} for dataset in splits.values()]
    assert set.union(*people) == {f"{i:03}" for i in range(40)}
    assert sum(map(len, people)) == 40
    assert sum(len(dataset.samples()) for dataset in splits.values()) == len(folder(pairs).samples()) == 80
    assert len({dataset.digest for dataset in splits.values()}) == 3


def test_references_are_expressions_of_other_subjects(pairs):
    test = folder(pairs, "test")
    own = {sample.subject for sample in test.samples()}
    assert {sample.expression for sample in test.references()} == {"happy"}
    assert {sample.subject for sample in test.references()} == {f"{i:03}" for i in range(40)} - own
    assert not folder(pairs, "train").references()


def test_edits_have_their_truth(pairs):
    dataset = folder(pairs)
    assert dataset.expressions == ("neutral", "happy")
    assert [(e.id, e.truth.id) for e in dataset.edits()[:2]] == [
        ("neutral-000--happy", "happy-000"),
        ("neutral-001--happy", "happy-001"),
    ]
    assert len(dataset.pairs()) == 40


def test_unlabelled_images_are_asked_for_every_basic_expression(make_image, tmp_path):
    make_image("bust.png")
    dataset = folder(tmp_path, domain="statue")
    assert [edit.target for edit in dataset.edits()] == [
        "angry",
        "disgusted",
        "fearful",
        "happy",
        "sad",
        "surprised",
    ]
    assert all(edit.truth is None and edit.source.domain == "statue" for edit in dataset.edits())


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(new=st.sets(st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True), min_size=1, max_size=5))
def test_new_images_move_nobody(tmp_path_factory, new):
    root = tmp_path_factory.mktemp("set")
    pixel = Pillow.new("RGB", (2, 2))
    for i in range(10):
        for expression in ("neutral", "happy"):
            (root / expression).mkdir(exist_ok=True)
            pixel.save(root / expression / f"{i}.png")
    before = {name: [(s.id, s.subject) for s in folder(root, name).samples()] for name in PARTS}
    for name in new:
        (root / "sad").mkdir(exist_ok=True)
        pixel.save(root / "sad" / f"{name}.png")
    for split, samples in before.items():
        assert set(samples) <= {(s.id, s.subject) for s in folder(root, split).samples()}


def test_the_digest_follows_contents_and_labels(pairs):
    digest = folder(pairs).digest
    assert folder(pairs).digest == digest
    assert folder(pairs, domain="avatar").digest != digest
    (pairs / "happy" / "003.png").rename(pairs / "happy" / "903.png")
    renamed = folder(pairs).digest
    assert renamed != digest
    shutil.copyfile(pairs / "happy" / "001.png", pairs / "happy" / "903.png")
    assert folder(pairs).digest != renamed


def test_files_are_read_once_until_they_change(pairs, monkeypatch):
    digest = folder(pairs).digest
    reads: list[Path] = []
    real = inspection.read_bytes
    monkeypatch.setattr(inspection, "read_bytes", lambda path: reads.append(path) or real(path))
    assert folder(pairs).digest == digest
    assert reads == []
    (pairs / "happy" / "000.png").write_bytes(b"")
    assert [problem.path for problem in folder(pairs).problems] == ["happy/000.png"]
    assert [path.name for path in reads] == ["000.png"]


def test_a_file_replaced_by_one_of_the_same_size_and_time_is_read_again(tmp_path):
    path = tmp_path / "a.bmp"
    Pillow.new("RGB", (8, 8), "white").save(path)
    before, times = inspection.inspect_images(tmp_path, ["a.bmp"])["a.bmp"], path.stat()
    Pillow.new("RGB", (8, 8), "red").save(path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert path.stat().st_size == times.st_size
    assert inspection.inspect_images(tmp_path, ["a.bmp"])["a.bmp"].sha256 != before.sha256


def test_folders_that_number_their_images_alike_are_noted(make_image, tmp_path):
    for path in ("joie/001.png", "joie/002.png", "neutre/001.png", "neutre/002.png"):
        make_image(path)
    (note,) = [note for note in folder(tmp_path).notes if "person of its own" in note]
    assert "joie/001.png and neutre/001.png" in note
    assert not [note for note in folder(tmp_path, layout="flat").notes if "person of its own" in note]


def test_a_damaged_cache_is_rebuilt(pairs):
    digest = folder(pairs).digest
    cache = Path(os.environ["FESBENCH_HOME"]) / "cache" / "images"
    for file in cache.glob("*.json"):
        file.write_text("[1, 2")
    assert folder(pairs).digest == digest


def test_manifest_targets_are_the_truth(make_image, tmp_path):
    for name in ("n.png", "h.png", "exact.png"):
        make_image(name)
    (tmp_path / "manifest.csv").write_text(
        "path,subject,expression,domain,split,target_path\n"
        "n.png,s,neutral,statue,test,\nh.png,s,happy,statue,test,exact.png\n"
    )
    dataset = folder(tmp_path, "test")
    [edit] = dataset.edits()
    assert edit.truth.path.name == "exact.png"
    assert [sample.path.name for sample in dataset.samples()] == ["h.png", "n.png"]
    assert (dataset.layout, edit.source.domain) == ("manifest", "statue")
    assert not folder(tmp_path, "train").samples()


def test_a_subject_in_two_stated_splits_is_refused(make_image, tmp_path):
    make_image("train/happy/AF01HAS.png")
    make_image("test/neutral/AF01NES.png")
    with pytest.raises(DatasetError, match="'F01' is in test and in train"):
        folder(tmp_path)


def test_wrong_places_and_splits(tmp_path, make_image):
    with pytest.raises(DatasetError, match="not a folder"):
        folder(tmp_path / "none")
    make_image("a.png")
    with pytest.raises(UnknownName, match="Did you mean test"):
        folder(tmp_path, "tset")


def test_a_read_error_is_not_remembered(tmp_path, monkeypatch):
    Pillow.new("RGB", (8, 8), "white").save(tmp_path / "a.png")

    def busy(path):
        raise ImageError("the file cannot be read: resource busy")

    with monkeypatch.context() as broken:
        broken.setattr(inspection, "read_bytes", busy)
        assert inspection.inspect_images(tmp_path, ["a.png"])["a.png"].reason.endswith("resource busy")
    assert inspection.inspect_images(tmp_path, ["a.png"])["a.png"].reason == ""


COMPOSED, DECOMPOSED = "Zo\u00e9", "Zoe\u0301"


def test_a_person_is_one_whatever_the_normalisation_of_the_name(make_image, tmp_path):
    for path in (f"neutral/{COMPOSED}.png", f"happy/{DECOMPOSED}.png", "neutral/b.png", "happy/b.png"):
        make_image(path)
    dataset = folder(tmp_path)
    assert {sample.subject for sample in dataset.samples()} == {COMPOSED, "b"}
    assert len(dataset.pairs()) == 2
    assert sum(COMPOSED in {s.subject for s in folder(tmp_path, part).samples()} for part in PARTS) == 1
    assert all(sample.path.is_file() for sample in dataset.samples())


@pytest.mark.parametrize(("written", "stored"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
def test_manifests_find_files_whatever_the_normalisation(make_image, tmp_path, written, stored):
    make_image(f"{stored}/{stored}.png")
    (tmp_path / "manifest.csv").write_text(
        f"path,subject,expression\n{written}/{written}.png,{written},happy\n", encoding="utf-8"
    )
    [sample] = folder(tmp_path).samples()
    assert (sample.subject, sample.path.stem) == (COMPOSED, stored)


def test_names_that_are_not_utf8_are_left_out_with_a_reason(make_image, tmp_path):
    make_image("happy/a.png")
    for name in (b"happy/caf\xe9.png", b"gl\xfccklich/a.png"):
        path = tmp_path / os.fsdecode(name)
        path.parent.mkdir(exist_ok=True)
        shutil.copyfile(tmp_path / "happy" / "a.png", path)
    dataset = folder(tmp_path, layout="flat")
    assert [sample.path.name for sample in dataset.samples()] == ["a.png"]
    assert ["not UTF-8" in problem.reason for problem in dataset.problems] == [True, True]


def test_damage_leaves_out_and_unusual_images_are_noted(tmp_path, make_image):
    for name in (
        "neutral/a.png",
        "happy/a.png",
        "neutral/b.png",
        "happy/b.png",
        "neutral/c.png",
        "happy/c.png",
    ):
        make_image(name)
    cut = tmp_path / "happy" / "b.png"
    cut.write_bytes(cut.read_bytes()[:-12])
    Pillow.new("RGB", (64, 64), (1, 0, 1)).save(tmp_path / "happy" / "c.png")
    Pillow.new("RGBA", (64, 48), (200, 9, 9, 99)).save(tmp_path / "happy" / "a.png")
    dataset = folder(tmp_path, "all")
    reasons = {problem.path: problem.reason for problem in dataset.problems}
    assert reasons.keys() == {"happy/b.png", "happy/c.png"}
    assert "the file is cut" in reasons["happy/b.png"]
    assert "black, as 0..1" in reasons["happy/c.png"]
    noted = [note for note in dataset.notes if "such as happy/a.png" in note]
    assert [note.partition(": ")[2].partition(";")[0] for note in noted][:2] == [
        "partly transparent",
        "not square",
    ]
    assert folder(tmp_path, "all").notes == dataset.notes  # the second time from the cache


WORKBOOK = Path(__file__).parents[2] / "data" / "tables" / "classes.xls"


def test_cfee_takes_its_classes_from_its_annotation_beside_the_photos(make_image, tmp_path):
    for name in ("01-04/Images1/01_126_3963", "01-04/Images1/02_126_3964", "13-16/Images4/13_126_2633"):
        make_image(f"{name}.png")
    unnamed = folder(tmp_path)
    assert [problem.path for problem in unnamed.problems] == ["13-16/Images4/13_126_2633.png"]
    assert any("public code" in note for note in unnamed.notes)
    shutil.copy(WORKBOOK, tmp_path / "AU_annotation_all_subjects.xls")
    named = folder(tmp_path)
    assert [sample.expression for sample in named.samples()] == ["neutral", "happy", "sadly-surprised"]
    assert "class numbers mean what AU_annotation_all_subjects.xls says" in named.notes
    assert folder(tmp_path, labels={"1": "happy"}).samples()[0].expression == "happy"
