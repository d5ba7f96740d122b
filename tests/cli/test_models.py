"""``bench models``: the list and the cards."""

import json

import pytest
from click.testing import CliRunner

from fesbench.cli import cli
from fesbench.generators.registry import GENERATORS
from fesbench.metrics.registry import metric_names

CARD = '{"name": "mine", "title": "Mine", "trained_on": "rendered train", "supervision": "paired"}'


def bench(*arguments):
    return CliRunner(env={"COLUMNS": "200"}).invoke(cli, ["models", *map(str, arguments)])


@pytest.fixture
def outputs(tmp_path):
    (tmp_path / "card.json").write_text(CARD)
    return f"outputs:{tmp_path}"


def test_the_list_has_the_card_of_every_model_or_the_reason():
    done = bench("list", "--json")
    assert done.exit_code == 0, done.output
    cards = json.loads(done.stdout)
    assert list(cards) == GENERATORS.names()
    assert cards["stargan"]["title"] == "StarGAN"
    assert cards["stargan"]["parameters"] > 1000
    assert "--checkpoint" in cards["attgan"]["error"]


def test_the_table_names_training_and_weights(monkeypatch):
    monkeypatch.setattr(GENERATORS, "names", lambda: ["copy", "ganmut", "masked-regression"])
    lines = bench("list", "--long").stdout.splitlines()
    (regression,) = [line for line in lines if "masked-regression" in line]
    assert "2020" in regression
    assert "paired" in regression
    assert any("no weights of 'ganmut'" in line for line in lines)


@pytest.mark.parametrize("group", ["models", "metrics"])
def test_a_list_fits_a_screen_with_names_whole(group):
    done = CliRunner(env={"COLUMNS": "100"}).invoke(cli, [group, "list"])
    lines = done.stdout.splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    names = GENERATORS.names() if group == "models" else metric_names()
    assert [line.split()[0] for line in lines if line.split()[:1] and line.split()[0] in names] == [*names]


def test_show_prints_the_card(outputs):
    card = json.loads(bench("show", outputs, "--json").stdout)
    assert (card["name"], card["supervision"], card["weights"]) == ("mine", "paired", "outputs")
    table = bench("show", outputs).stdout
    assert "rendered train" in table


def test_show_prints_a_model_card_in_markdown():
    text = bench("show", "masked-regression", "--card").stdout
    assert text.startswith("---") or text.startswith("#")
    assert "Masked regression" in text
    assert "2011.09104" in text


def test_results_belong_to_a_model_card(tmp_path):
    done = bench("show", "copy", "--run", tmp_path)
    assert done.exit_code == 2
    assert "--run belongs to --card" in done.output


def test_an_unknown_name_is_an_error_with_a_suggestion():
    done = bench("show", "stagan")
    assert done.exit_code == 2
    assert "Did you mean stargan" in done.stderr
