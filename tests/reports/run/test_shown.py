"""The end of a run in the terminal."""

import io

import pytest
from rich.console import Console

from fesbench.reports.run.publish import show
from fesbench.runs.results import RunResults


@pytest.fixture
def lines(finished_run):
    console = Console(file=io.StringIO(), width=100)
    show(RunResults.open(finished_run), console)
    return console.file.getvalue().splitlines()


def test_it_fits_fifteen_lines_beside_the_models(lines, finished_run):
    models = len(RunResults.open(finished_run).record.models)
    assert len(lines) <= 15 + models
    assert sum(line.startswith("! ") for line in lines) <= 3


def test_it_shows_the_value_of_each_model_in_the_studio(lines, finished_run):
    results = RunResults.open(finished_run).datasets[0]
    cells = results.cells
    for name, card in results.cards.items():
        own = cells[(cells["generator"] == name) & (cells["metric"] == "ecs@embedded")]
        (value,) = own.loc[own["domain"] == "studio", "value"]
        (line,) = [line for line in lines if line.startswith(card.title or name)]
        assert float(line.removeprefix(card.title or name).replace("(controls)", "").split()[0]) == (
            pytest.approx(value, abs=0.06)
        )


def test_it_says_what_to_type_next(lines, finished_run):
    assert any(f"bench runs show {finished_run}" in line for line in lines)
    assert any(f"bench report {finished_run}" in line for line in lines)


def test_where_the_report_is_written_it_says_what_to_open(finished_run, tmp_path):
    console = Console(file=io.StringIO(), width=100)
    show(RunResults.open(finished_run), console, tmp_path / "index.html")
    text = console.file.getvalue()
    assert text.splitlines()[-1] == f"open this page to look at the outputs: {tmp_path / 'index.html'}"
    assert "bench report" not in text
