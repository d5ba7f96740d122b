"""``bench check-model``: the conformance checks on the command line."""

import json

import pytest
from click.testing import CliRunner

from fesbench.cli import cli

PLUGIN = """
from fesbench import Generator, GeneratorCard

class Half(Generator):
    card = GeneratorCard("half", "Half", weights="none", expressions=("neutral", "happy"))

    def synthesize(self, images, source, target):
        return images * 0.5
"""


def check_model(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["check-model", *map(str, arguments)])


@pytest.fixture
def half(tmp_path):
    file = tmp_path / "my_model.py"
    file.write_text(PLUGIN)
    return f"{file}:Half"


def test_a_model_that_keeps_the_contract_passes_every_check():
    done = check_model("copy", "--json")
    assert done.exit_code == 0
    findings = json.loads(done.stdout)
    assert len(findings) > 8
    assert all(finding["problem"] is None for finding in findings)


def test_a_model_that_breaks_the_contract_gets_a_table_and_exit_code_1(half):
    done = check_model(half)
    assert done.exit_code == 1
    rows = {line.split("│")[1].strip(): line for line in done.stdout.splitlines() if "│" in line}
    assert "the same output for every target" in rows["answers every label"]
    assert "passed" in rows["deterministic"]


def test_json_holds_the_findings_of_a_broken_model_too(half):
    done = check_model(half, "--json")
    assert done.exit_code == 1
    problems = {finding["check"]: finding["problem"] for finding in json.loads(done.stdout)}
    assert problems["answers every label"] == "the same output for every target"
    assert problems["deterministic"] is None
