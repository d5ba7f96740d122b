"""The notebook of the documentation works as it stands, and stores what it shows."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "docs" / "notebook.ipynb"
LARGEST = 400_000
"""Bytes of the notebook with its pictures."""


def shown(notebook):
    """The kinds of content that each cell shows."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [[sorted(output.get("data", ("stream",))) for output in cell.outputs] for cell in cells]


@pytest.mark.filterwarnings("ignore:Proactor event loop", "ignore::DeprecationWarning:zmq")
def test_the_notebook_runs_and_shows_what_it_stores(tmp_path):
    stored = nbformat.read(NOTEBOOK, as_version=4)
    assert NOTEBOOK.stat().st_size < LARGEST
    fresh = nbformat.from_dict({**stored, "cells": [cell.copy() for cell in stored.cells]})
    NotebookClient(fresh, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert shown(fresh) == shown(stored)
    kinds = [kind for cell in shown(stored) for output in cell for kind in output]
    assert kinds.count("image/png") == 2
    assert kinds.count("text/html") >= 3
