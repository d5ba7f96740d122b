"""A file of a finished run that was changed or removed is made again; an untouched run verifies."""

import pytest


@pytest.fixture(scope="module")
def arguments(tmp_path_factory, random_faces):
    """A run of two controls on six people, one of whom has no true target."""
    folder = tmp_path_factory.mktemp("run")
    random_faces(folder / "faces", neutral=range(6), happy=range(5))
    models = ("--model", "copy", "--model", "truth")
    data = ("--data", folder / "faces", "--metric", "fidelity", "--resolution", 32)
    return (*models, *data, "--out", folder / "run")


def results(folder):
    """The bytes of everything but the record, which holds times."""
    names = ["scores.parquet", "summary.json", "summary.csv", "failures.jsonl"]
    parts = [path for pattern in ("outputs/**/*.png", "scores/**/*.*") for path in folder.glob(pattern)]
    return {path.relative_to(folder): path.read_bytes() for path in [*(folder / n for n in names), *parts]}


def flip(path):
    content = bytearray(path.read_bytes())
    if content:
        content[len(content) // 2] ^= 1
    path.write_bytes(content or b"-")


def test_changed_and_missing_files_are_made_again(call_bench, arguments):
    folder = arguments[-1]
    call_bench("run", *arguments)
    assert "nothing left to do" in call_bench("run", *arguments).stderr
    before = results(folder)
    call_bench("verify", folder)
    for name in before:
        flip(folder / name)
    done = call_bench("run", *arguments)
    assert "nothing left to do" not in done.stderr
    assert results(folder) == before
    for name in before:
        (folder / name).unlink()
    call_bench("run", *arguments)
    assert results(folder) == before
    call_bench("verify", folder, "--all")


def test_a_changed_record_is_named_with_a_remedy(call_bench, arguments, tmp_path):
    out = tmp_path / "run"
    elsewhere = (*arguments[:-1], out)
    call_bench("run", *elsewhere)
    path = out / "run.json"
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    refused = call_bench("run", *elsewhere, code=2)
    assert "run.json is damaged" in refused.stderr
    assert "choose another --out" in refused.stderr
