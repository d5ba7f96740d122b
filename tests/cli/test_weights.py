from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

Bench = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def bench(call_bench: Bench, tmp_path: Path) -> Bench:
    """Call ``bench weights ARGUMENTS`` with ``tmp_path`` as the weights folder."""
    return partial(call_bench, "weights", FESBENCH_WEIGHTS=str(tmp_path), COLUMNS="200")


def test_the_list_shows_licences_and_what_is_missing(bench: Bench) -> None:
    done = bench("list")
    line = next(line for line in done.stdout.splitlines() if "qualiclip.pth" in line)
    assert "CC BY-NC 4.0 (non-commercial)" in line
    assert "missing" in line


def test_json_holds_every_file_and_nothing_else(bench: Bench, tmp_path: Path) -> None:
    files = json.loads(bench("list", "portable", "--json").stdout)
    assert [file["name"] for file in files] == [
        "emotion_model.hdf5",
        "dlib_face_recognition_resnet_model_v1.dat",
        "shape_predictor_5_face_landmarks.dat",
    ]
    assert {file["state"] for file in files} == {"missing"}
    assert files[0]["path"] == str(tmp_path / "portable" / "emotion_model.hdf5")


@pytest.mark.parametrize(("arguments", "code"), [(("verify",), 0), (("verify", "portable"), 1)])
def test_verify_counts_missing_files_only_where_asked_for_them(
    bench: Bench, arguments: tuple[str, ...], code: int
) -> None:
    bench(*arguments, code=code)


def test_verify_finds_a_wrong_file(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "portable" / "emotion_model.hdf5"
    path.parent.mkdir()
    path.write_bytes(b"not it")
    done = bench("verify", "--json", code=1)
    assert {file["name"] for file in json.loads(done.stdout) if file["state"] == "wrong"} == {path.name}


def test_where_prints_folders_and_files(bench: Bench, tmp_path: Path) -> None:
    path = tmp_path / "portable" / "emotion_model.hdf5"
    path.parent.mkdir()
    path.touch()
    for arguments, wanted in (((), tmp_path), (("portable",), path.parent), (("portable", path.name), path)):
        assert bench("where", *arguments).stdout.strip() == str(wanted)


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
def test_errors_are_one_message_on_stderr(
    bench: Bench, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    nothing = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path), "https_proxy": "http://127.0.0.1:9"}
    done = bench(*arguments, code=2, **nothing)
    assert done.stdout == ""
    assert message in done.stderr


def test_help_has_examples(bench: Bench) -> None:
    for command in ("list", "fetch", "verify", "where"):
        assert f"Example:  bench weights {command}" in bench(command, "--help").stdout
