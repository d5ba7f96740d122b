"""What a run leaves to be read, through the Python entry point on rendered faces."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import fesbench
from fesbench.metrics.fidelity import Fidelity
from fesbench.metrics.kid import KernelDistance
from fesbench.reports.run.main_tables import main_tables
from fesbench.runs.results import RunResults
from fesbench.runs.store.records import OutputsRecord

MODEL = """
from fesbench.core.contracts import Generator, GeneratorCard

class Moody(Generator):
    card = GeneratorCard(name="moody", title="Moody")

    def synthesize(self, images, source, target):
        if (images.mean(dim=(1, 2, 3)) < -0.9).any():
            raise RuntimeError("out of luck")
        return images
"""


@pytest.fixture
def moody(tmp_path, monkeypatch):
    (tmp_path / "moody.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    return "moody.py:Moody"


@pytest.fixture
def photos(tmp_path):
    """A folder of pictures of 20 subjects, neutral and happy; those of the first are dark."""
    rng = np.random.default_rng(0)
    for expression in ("neutral", "happy"):
        folder = tmp_path / "photos" / expression
        folder.mkdir(parents=True)
        for subject in range(20):
            pixels = rng.integers(0, 255, (64, 64, 3)) if subject else np.full((64, 64, 3), 2)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"p{subject}.png")
    return str(tmp_path / "photos")


def test_metrics_added_later_give_the_bytes_of_one_run(photos, tmp_path):
    def run(name, *metrics):
        fesbench.evaluate(["copy", "truth"], [photos], metrics, out=tmp_path / name)

    run("once", "kid", "fid", "fidelity", "ecs", "fss")
    run("grown", "fss")
    run("grown", "fidelity", "fid")
    run("grown", "ecs", "kid")
    for name in ("scores.parquet", "summary.json", "summary.csv"):
        assert (tmp_path / "grown" / name).read_bytes() == (tmp_path / "once" / name).read_bytes(), name
    parts = sorted((tmp_path / "once").rglob("part-*.parquet"))
    assert parts
    for part in parts:
        twin = tmp_path / "grown" / part.relative_to(tmp_path / "once")
        assert twin.read_bytes() == part.read_bytes()


def test_edits_without_output_show_though_only_sets_are_scored(moody, photos, tmp_path):
    out = tmp_path / "run"
    for _ in range(2):  # the second call tries again what failed
        cells = fesbench.evaluate([moody, "copy"], [photos], ("fid", "kid"), out=out)
    by_model = dict(list(cells.groupby("generator")))
    assert set(by_model["moody"]["n_asked"]) == {20}
    assert set(by_model["moody"]["n_scored"]) == {19}
    assert not by_model["moody"]["complete"].any()
    assert by_model["moody"]["reason"].str.contains("out of luck").all()
    assert by_model["copy"]["complete"].all()
    results = RunResults.open(out)
    assert results.exit_code(()) == 1
    assert results.record.failed == 1
    assert results.record.outputs["photos"]["moody"] == OutputsRecord(asked=20, answered=19)
    assert len((out / "failures.jsonl").read_text().splitlines()) == 1
    text = (out / "report" / "table.md").read_text()
    assert "Moody: 1 of 20 edits have no output" in text
    assert "scored 19 of 20" in text


def test_a_metric_that_raises_ends_nothing_and_is_counted(monkeypatch, photos, tmp_path):
    def broken(*arguments):
        raise ValueError("no luck today")

    def run():
        cells = fesbench.evaluate(["copy"], [photos], ("ecs", "fidelity", "kid"), out=tmp_path / "run")
        results = RunResults.open(tmp_path / "run")
        return cells.set_index("metric"), results.exit_code(results.record.metrics), results.record.status

    with monkeypatch.context() as patch:
        patch.setattr(Fidelity, "score", broken)
        patch.setattr(KernelDistance, "compute", broken)
        cells, code, status = run()
    assert (code, status) == (1, "partial")
    assert cells.loc["ecs@embedded", "complete"]
    for metric in ("mae.face", "kid@embedded"):
        assert "ValueError: no luck today" in cells.loc[metric, "reason"]
    cells, code, status = run()
    assert (code, status) == (0, "complete")
    assert cells.loc[["mae.face", "kid@embedded"], "complete"].all()


def height(path):
    with Image.open(path) as image:
        return image.height


def test_files_without_a_name_hold_all_data_sets_and_none_is_left_behind(photos, tmp_path):
    out = tmp_path / "run"
    report, grids = out / "report", out / "grids"
    fesbench.evaluate(["copy"], metrics=("ecs",), limit=1, out=out)
    names = {path.name for path in report.iterdir()}
    assert names == {"table.tex", "table.md", "table.csv", "standalone.tex"}
    assert [path.name for path in grids.iterdir()] == ["grid.png"]
    (report / "table-gone.tex").write_text("of a data set that is no longer there")
    (report / "table-notes.txt").write_text("somebody's own")
    fesbench.evaluate(["copy"], ["rendered", photos], metrics=("ecs",), limit=1, out=out)
    alone = {f"table-{name}.{end}" for name in ("rendered", "photos") for end in ("tex", "md", "csv")}
    assert {path.name for path in report.iterdir()} == names | alone | {"table-notes.txt"}
    assert {path.name for path in grids.iterdir()} == {"grid.png", "grid-rendered.png", "grid-photos.png"}
    assert set(pd.read_csv(report / "table.csv")["dataset"]) == {"rendered", "photos"}
    assert set(pd.read_csv(report / "table-photos.csv")["dataset"]) == {"photos"}
    assert (report / "table.tex").read_text().count(r"\end{tabular}") == 2
    heights = [height(grids / f"{name}.png") for name in ("grid", "grid-rendered", "grid-photos")]
    assert heights == sorted(set(heights), reverse=True)


def test_what_the_terminal_leaves_out_stands_in_the_files(tmp_path):
    fesbench.evaluate(["copy", "truth"], metrics=("ecs", "fss"), limit=2, out=tmp_path / "run")
    results = RunResults.open(tmp_path / "run")
    content = json.loads((tmp_path / "run/summary.json").read_text())
    assert any("Holm" in text for text in content["methods"])
    assert not any("Holm" in text for text in content["notes"])
    (table,) = main_tables(results)
    shown = [note.text for note in table.notes if not note.detail]
    assert any("FSS@embedded of real images" in text and "avatar" in text for text in shown)
    assert any("rendered, not photographed" in text for text in shown)
    assert "Holm" in (tmp_path / "run/report/table.md").read_text()


def test_sets_say_what_they_are_compared_with_and_differ_with_intervals(photos, tmp_path):
    """Twenty photos cannot show what a distance tells apart: intervals, but no test and no rank."""
    fesbench.evaluate(["copy", "truth"], [photos], ("fid", "kid"), out=tmp_path / "run")
    results = RunResults.open(tmp_path / "run")
    (table,) = main_tables(results)
    shown = " ".join(note.text for note in table.notes if not note.detail)
    assert "KID@embedded: against 20 reference images (true targets of the same subjects)" in shown
    assert "FID@embedded and KID@embedded rank nothing in studio" in shown
    found = results.summary.differences.set_index("metric")
    assert list(found.index) == ["fid@embedded", "kid@embedded"]
    assert (found["n_scored"] == 20).all()
    assert (found["low"] < found["difference"]).all()
    assert (found["difference"] < found["high"]).all()
    assert found["p_holm"].isna().all()
    assert found["reason"].str.contains("calibration").all()
    assert list(results.summary.gains["generator"]) == ["truth", "truth"]
