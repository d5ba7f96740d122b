from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fesbench.cli import cli
from fesbench.weights import WeightFile, resolve


def _bench(folder: Path, *arguments: str, **environment: str) -> Result:
    """``bench weights`` with ``folder`` as the weights folder."""
    environment |= {"FESBENCH_WEIGHTS": str(folder), "COLUMNS": "200"}
    return CliRunner(env=environment).invoke(cli, ["weights", *arguments])


def test_the_list_shows_licences_and_what_is_missing(tmp_path: Path) -> None:
    done = _bench(tmp_path, "list")
    assert done.exit_code == 0
    line = next(line for line in done.stdout.splitlines() if "qualiclip.pth" in line)
    assert "CC BY-NC 4.0 (non-commercial)" in line
    assert "missing" in line


def test_json_holds_every_file_and_nothing_else(tmp_path: Path) -> None:
    files = json.loads(_bench(tmp_path, "list", "portable", "--json").stdout)
    assert [file["name"] for file in files] == [
        "emotion_model.hdf5",
        "dlib_face_recognition_resnet_model_v1.dat",
        "shape_predictor_5_face_landmarks.dat",
        "shape_predictor_68_face_landmarks.dat",
    ]
    assert {file["state"] for file in files} == {"missing"}
    assert files[0]["path"] == str(tmp_path / "portable" / "emotion_model.hdf5")


@pytest.mark.parametrize(("arguments", "code"), [(("verify",), 0), (("verify", "portable"), 1)])
def test_verify_counts_missing_files_only_where_asked_for_them(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    assert _bench(tmp_path, *arguments).exit_code == code


def test_verify_finds_a_wrong_file(tmp_path: Path) -> None:
    path = tmp_path / "portable" / "emotion_model.hdf5"
    path.parent.mkdir()
    path.write_bytes(b"not it")
    done = _bench(tmp_path, "verify", "--json")
    assert done.exit_code == 1
    assert {file["name"] for file in json.loads(done.stdout) if file["state"] == "wrong"} == {path.name}


def test_where_prints_folders_and_files(tmp_path: Path) -> None:
    path = tmp_path / "portable" / "emotion_model.hdf5"
    path.parent.mkdir()
    path.touch()
    for arguments, wanted in (((), tmp_path), (("portable",), path.parent), (("portable", path.name), path)):
        assert _bench(tmp_path, "where", *arguments).stdout.strip() == str(wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("where", "portable", "emotion_model.hdf5"), "bench weights fetch portable"),
        (("fetch", "portabel"), "Did you mean portable"),
        (("fetch", "paper"), "pt_inception-2015-12-05-6726825d.pth"),
        (("fetch", "paper", "qualiclip.pht"), "Did you mean qualiclip.pth"),
        (("fetch", "portable"), "By hand: emotion_model.hdf5"),
    ],
)
def test_errors_are_one_message_on_stderr(tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    offline = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    done = _bench(tmp_path, *arguments, **offline)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert message in done.stderr


def test_fetch_names_the_files_their_licences_and_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"weights"
    digest = hashlib.sha256(content).hexdigest()
    file = WeightFile("toy", "net.dat", "a test", "CC BY-NC", "here", digest, 2_000_000, True)
    monkeypatch.setattr(resolve, "FILES", (file,))
    missing = _bench(tmp_path, "list", "toy", "--json")
    assert [entry["state"] for entry in json.loads(missing.stdout)] == ["missing"]
    done = _bench(tmp_path, "fetch", "toy")
    assert "net.dat: a test, 2.0 MB; licence: CC BY-NC, non-commercial" in done.stderr
    path = tmp_path / "toy" / "net.dat"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    assert _bench(tmp_path, "fetch", "toy", "net.dat").stdout == ""
    assert _bench(tmp_path, "verify", "toy").exit_code == 0


def test_help_has_examples(tmp_path: Path) -> None:
    for command in ("list", "fetch", "verify", "where"):
        assert f"Example:  bench weights {command}" in _bench(tmp_path, command, "--help").stdout
