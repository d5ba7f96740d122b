"""``bench doctor``: one line for each check, and an exit code that scripts can use."""

import json

import pytest
from click.testing import CliRunner

from fesbench.cli import cli
from fesbench.cli import doctor as command
from fesbench.testing import installation
from fesbench.testing.installation import Symptom, examine


@pytest.fixture(autouse=True)
def _empty_home(monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path))
    monkeypatch.delenv("FESBENCH_WEIGHTS", raising=False)


def test_every_check_of_this_installation_is_listed():
    result = CliRunner().invoke(cli, ["doctor", "--json"])
    symptoms = json.loads(result.stdout)
    found = {symptom["what"]: symptom for symptom in symptoms}
    assert found["Python"]["state"] == found["torch"]["state"] == "ok"
    assert found["embedded metrics"]["found"].startswith("7 ")
    assert "weights portable" in found
    assert result.exit_code == any(symptom["state"] == "broken" for symptom in symptoms)


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("note", 0), ("broken", 1)])
def test_only_something_broken_fails(monkeypatch, state, code):
    monkeypatch.setattr(command, "examine", lambda: iter([Symptom("thing", state, "as found", "mend it")]))
    result = CliRunner().invoke(cli, ["doctor"])
    assert result.exit_code == code
    assert "thing: as found" in result.stdout
    assert "mend it" in result.stdout


def test_a_check_that_raises_counts_as_broken_and_stops_no_other(monkeypatch):
    def _folders():
        raise OSError("no space left")
        yield

    def _devices():
        yield Symptom("CPU", "ok", "2 cores")

    monkeypatch.setattr(installation, "CHECKS", (_folders, _devices))
    assert list(examine()) == [
        Symptom("folders", "broken", "OSError: no space left"),
        Symptom("CPU", "ok", "2 cores"),
    ]


def test_weights_that_are_not_as_published_are_named_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(installation, "CHECKS", (installation._weights,))
    (tmp_path / "portable").mkdir()
    (tmp_path / "portable" / "emotion_model.hdf5").write_bytes(b"not these")
    portable = next(symptom for symptom in examine() if symptom.what == "weights portable")
    assert portable.state == "broken"
    assert "emotion_model.hdf5" in portable.found
    assert "bench weights fetch portable" in portable.remedy


@pytest.mark.parametrize(
    ("scipy", "expected"),
    [("1.17.2", []), ("1.18.0rc1", ["scipy with pytorch-fid"]), ("2.0", ["scipy with pytorch-fid"])],
)
def test_a_scipy_too_new_for_pytorch_fid_is_noticed(monkeypatch, scipy, expected):
    monkeypatch.setattr(installation, "_version", {"scipy": scipy, "pytorch-fid": "0.3.0"}.get)
    assert [symptom.what for symptom in installation._scipy_and_pytorch_fid()] == expected
