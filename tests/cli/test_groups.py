"""Groups of commands: what a mistyped name and an error of the user lead to."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from fesbench import cli as package
from fesbench.cli import cli
from fesbench.core.errors import BenchError


@pytest.mark.parametrize(
    ("arguments", "suggestion"),
    [
        (["rnu"], "run"),
        (["metric"], "metrics"),
        (["study", "powr"], "power"),
        (["data", "lst"], "list"),
        (["models", "shw"], "show"),
        (["metrics", "chekc"], "check"),
        (["weights", "fetsh"], "fetch"),
        (["cache", "claer"], "clear"),
    ],
)
def test_a_mistyped_command_is_told_the_nearest(arguments, suggestion):
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 2
    assert f"No such command '{arguments[-1]}'" in result.stderr
    assert "Did you mean" in result.stderr
    assert suggestion in result.stderr.partition("Did you mean")[2]


def test_nothing_like_a_command_gets_no_suggestion():
    result = CliRunner().invoke(cli, ["xylophone"])
    assert result.exit_code == 2
    assert "Did you mean" not in result.stderr


def test_an_error_of_the_user_is_one_message_and_exit_code_two(monkeypatch):
    @click.command()
    def broken() -> None:
        raise BenchError("there is no such folder")

    monkeypatch.setattr(package.LazyGroup, "get_command", lambda *_: broken)
    result = CliRunner().invoke(cli, ["run"])
    assert (result.exit_code, result.stdout, result.stderr) == (2, "", "error: there is no such folder\n")
