import numpy as np
import pytest
from PIL import Image as PillowImage

from fesbench.core.contracts import Failure
from fesbench.core.errors import BenchError
from fesbench.reports.figures.grid import TILE, GridRow, qualitative_grid

RED = np.full((TILE, TILE, 3), (200, 10, 10), np.uint8)


def pixels(path):
    return np.asarray(PillowImage.open(path).convert("RGB")).astype(int)


def count(image, colour):
    return int((np.abs(image - np.array(colour)).sum(-1) == 0).sum())


def test_images_keep_their_pixels_and_stand_side_by_side(tmp_path):
    blue = np.full((TILE, TILE, 3), (10, 10, 200), np.uint8)
    path = tmp_path / "grid.png"
    qualitative_grid(
        [GridRow("happy", [RED, blue]), GridRow("sad", [blue, RED])], ["input", "model"], "t", path
    )
    image = pixels(path)
    assert count(image, (200, 10, 10)) == count(image, (10, 10, 200)) == 2 * TILE * TILE


def test_other_sizes_are_resized_to_the_tile(tmp_path):
    path = tmp_path / "grid.png"
    qualitative_grid([GridRow("happy", [RED[:64, :64]])], ["input"], "t", path)
    assert count(pixels(path), (200, 10, 10)) == TILE * TILE


def test_a_failure_is_hatched_and_says_why(tmp_path):
    failed, blank = tmp_path / "failed.png", tmp_path / "blank.png"
    qualitative_grid([GridRow("happy", [Failure("the model answered with NaN")])], ["model"], "t", failed)
    qualitative_grid([GridRow("happy", [Failure("")])], ["model"], "t", blank)
    assert count(pixels(failed), (205, 205, 205)) > 500
    assert not np.array_equal(pixels(failed), pixels(blank))


def test_same_bytes_again(tmp_path):
    rows = [GridRow("happily surprised", [RED, Failure("lost")])]
    for name in ("a.png", "b.png"):
        qualitative_grid(rows, ["input", "a model with a rather long name"], "title", tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png"]


@pytest.mark.parametrize("text", ["x" * 500, "", "中文 \n\t é", "a" * 40 + " " + "b" * 40])
def test_any_text_fits(tmp_path, text):
    path = tmp_path / "grid.png"
    qualitative_grid([GridRow(text, [RED, Failure(text)])], [text, text], text, path)
    assert count(pixels(path), (200, 10, 10)) == TILE * TILE


@pytest.mark.parametrize(
    ("rows", "columns"), [([], ["a"]), ([GridRow("x", [RED])], ["a", "b"]), ([GridRow("x", [])], [])]
)
def test_what_does_not_fit_is_refused(tmp_path, rows, columns):
    with pytest.raises(BenchError):
        qualitative_grid(rows, columns, "t", tmp_path / "grid.png")
