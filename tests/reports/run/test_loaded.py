"""Finished runs in Python."""

import numpy as np
import pytest
from matplotlib.figure import Figure

import fesbench
from fesbench.core.errors import BenchError, UnknownName


@pytest.fixture(scope="module")
def run(finished_run):
    return fesbench.load_run(finished_run)


def test_tables_are_the_values_of_the_summary(run):
    table = run.table()
    cell = run.summary[run.summary["metric"] == table.columns[0][0]].iloc[0]
    assert table.loc[cell["generator"], (cell["metric"], cell["domain"])] == cell["value"]
    assert list(table.index) == list(run.results.datasets[0].models)
    assert "tabular" in run.latex()
    assert run.markdown().count("|") > 10


def test_every_listed_output_is_an_image_of_the_runs_size(run):
    outputs = run.outputs()
    assert set(outputs["generator"]) <= set(run.results.record.models)
    first = outputs.iloc[0]
    image = run.image(first["generator"], first["edit"])
    assert (image.shape, image.dtype) == ((run.results.spec.resolution,) * 2 + (3,), np.uint8)


def test_figures_are_figures(run):
    figures = run.figures()
    assert figures
    assert all(isinstance(figure, Figure) for figure in figures.values())


def test_unknown_data_sets_and_folders_are_named(run, tmp_path):
    with pytest.raises(UnknownName, match="rendered"):
        run.table("renderd")
    with pytest.raises(BenchError, match="holds no run"):
        fesbench.load_run(tmp_path)
