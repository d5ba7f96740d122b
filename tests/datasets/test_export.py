"""Edits as files, for models that live elsewhere."""

from __future__ import annotations

import csv

import numpy as np

from fesbench.core.contracts import Edit, Sample
from fesbench.core.errors import ImageError
from fesbench.datasets.export import export_edits
from fesbench.datasets.images import load_image

PICTURE = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def broken():
    raise ImageError("the file is empty")


def edits():
    good = Sample("a", "a", "neutral", "studio", lambda: PICTURE)
    bad = Sample("b", "b", None, "studio", broken)
    return [Edit(good, "happy"), Edit(good, "sad"), Edit(bad, "happy")]


def test_inputs_that_cannot_be_read_are_reported_and_their_edits_left_out(tmp_path):
    steps = []
    problems = export_edits(edits(), tmp_path, progress=lambda: steps.append(1))
    assert [(problem.path, problem.reason) for problem in problems] == [("b", "the file is empty")]
    assert len(steps) == 2
    with (tmp_path / "manifest.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["edit"], row["source"], row["path"]) for row in rows] == [
        ("a--happy", "neutral", "outputs/a--happy.png"),
        ("a--sad", "neutral", "outputs/a--sad.png"),
    ]
    assert (tmp_path / "outputs").is_dir()


def test_inputs_keep_their_pixels_unless_a_size_is_given(tmp_path):
    export_edits(edits()[:1], tmp_path)
    assert np.array_equal(load_image(tmp_path / "inputs" / "a.png"), PICTURE)
    export_edits(edits()[:1], tmp_path, size=16)
    assert load_image(tmp_path / "inputs" / "a.png").shape == (16, 16, 3)
