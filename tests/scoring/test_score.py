"""``fesbench.score``."""

import shutil

import pytest

import fesbench


def test_scores_of_copies_are_those_of_no_change(photos_folder, tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    for person in ("001", "002"):
        found = photos_folder / "neutral" / f"{person}.jpg"
        shutil.copy(found, made / f"{person}--happy.jpg")
    scores = fesbench.score(made, photos_folder / "neutral", metrics=("fss",))
    assert scores.cells.set_index("metric").loc["fss@embedded", "value"] == pytest.approx(1, abs=1e-6)
    with pytest.raises(fesbench.BenchError, match="device"):
        fesbench.score(made, photos_folder / "neutral", device="nonsense")
