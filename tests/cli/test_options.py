"""``--metric`` takes names with commas and one by one, in every command alike."""

import click
import pytest
from click.testing import CliRunner

from fesbench.cli.options import metric_option
from fesbench.cli.run import run
from fesbench.cli.score import score


@click.command()
@metric_option
def told(metrics):
    click.echo(repr(metrics))


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ([], ()),
        (["--metric", "ecs,fss@dlib"], ("ecs", "fss@dlib")),
        (["--metric", "ecs", "--metric", " fid , ecs,"], ("ecs", "fid")),
    ],
)
def test_names_come_apart_and_once(arguments, names):
    assert CliRunner().invoke(told, arguments).output.strip() == repr(names)


def test_no_name_is_refused_instead_of_meaning_all():
    found = CliRunner().invoke(told, ["--metric", ","])
    assert found.exit_code == 2
    assert "names no metric" in found.output


@pytest.mark.parametrize("command", [run, score])
def test_the_commands_share_it(command):
    (option,) = [one for one in command.params if one.name == "metrics"]
    assert option.process_value(click.Context(command), ("ecs,fss",)) == ("ecs", "fss")
