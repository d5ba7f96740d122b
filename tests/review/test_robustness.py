"""Robustness, groups of subjects and published places in the report of one small run."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fesbench
from fesbench.api import open_run
from fesbench.core.errors import BenchError
from fesbench.datasets.perturbations import PERTURBATIONS
from fesbench.reports.run.report import ReportRequest, read_runs, write_reports
from fesbench.review.robustness import chosen, measure_robustness

SUBJECTS = 6
EDITS = 4


class Counting(fesbench.Listener):
    """A listener that records the number of shards."""

    shards = None

    def begin(self, shards, edits):
        self.shards = shards


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of the controls on smooth pictures, with robustness measured."""
    folder = tmp_path_factory.mktemp("robust")
    random = np.random.default_rng(0)
    for expression in ("neutral", "happy"):
        place = folder / "photos" / expression
        place.mkdir(parents=True)
        for subject in range(SUBJECTS):
            coarse = random.integers(60, 200, (6, 6, 3)).astype(np.uint8)
            Image.fromarray(coarse).resize((64, 64)).save(place / f"p{subject}.png")
    fesbench.evaluate(["copy", "truth"], [str(folder / "photos")], ("fidelity",), out=folder / "run")
    listener = Counting()
    assert measure_robustness(open_run(folder / "run"), EDITS, "cpu", 0, listener) == 0
    assert listener.shards == 2 * -(-EDITS * len(PERTURBATIONS) // 32)
    return folder


def texts(run, **options):
    request = ReportRequest(read_runs([run / "run"], **options), run / "report")
    write_reports(request, ["md", "json"])
    return {path.name: path.read_text("utf-8") for path in Path(run / "report" / "tables").iterdir()}


def test_what_is_there_is_not_done_again_and_other_edits_are_refused(run):
    listener = Counting()
    measure_robustness(open_run(run / "run"), EDITS, "cpu", 0, listener)
    assert listener.shards == 0
    with pytest.raises(BenchError, match="--edits 4"):
        measure_robustness(open_run(run / "run"), EDITS + 1, "cpu", 0, listener)


def test_the_report_shows_every_kind_of_move(run):
    found = texts(run)
    tables = json.loads(found["robustness.json"])["tables"]
    assert [len(table["columns"]) for table in tables] == [5, 5, 7]
    assert "aligned" in found["robustness.md"]
    truth = [cell for table in tables for cell in _row(table, "truth")]
    assert all(cell["value"] == 0 for cell in truth)


def _row(table, name):
    place = [row["name"] for row in table["rows"]].index(name)
    return table["cells"][place]


def test_subjects_are_divided_as_the_file_says_with_their_numbers(run):
    people = run / "people.csv"
    people.write_text("subject,team\n" + "".join(f"p{i},{'a' if i < 4 else 'b'}\n" for i in range(SUBJECTS)))
    found = texts(run, subjects=people)
    assert "a \\(n = 4\\)" in found["groups-team.md"]
    assert "Fewer than 10 subjects" in found["groups-team.md"]


def test_a_data_set_s_own_table_of_subjects_is_used_unasked(run):
    own = run / "photos" / "subjects.csv"
    sides = "".join(f"p{i},{'left' if i % 2 else 'right'}\n" for i in range(SUBJECTS))
    own.write_text("subject,side\n" + sides)
    try:
        assert "left \\(n = 3\\)" in texts(run)["groups-side.md"]
    finally:
        own.unlink()


def test_a_file_about_other_people_is_refused(run):
    strangers = run / "strangers.csv"
    strangers.write_text("subject,team\nq1,a\nq2,b\n")
    with pytest.raises(BenchError, match="names none of the subjects"):
        read_runs([run / "run"], strangers)


def test_chosen_edits_are_spread_over_domains_and_subjects():
    edits = fesbench.load_dataset("rendered").edits()
    few = chosen(edits, 40, 0)
    assert few == chosen(edits, 40, 0)
    assert len(few) == 40
    assert len({edit.source.subject for edit in few}) == 40
    assert {sum(edit.source.domain == name for edit in few) for name in {e.source.domain for e in few}} == {8}


BROKEN = """
from fesbench.core.contracts import Generator, GeneratorCard

class Broken(Generator):
    card = GeneratorCard(name="truth", title="Not the true target")

    def synthesize(self, images, source, target):
        raise RuntimeError("a bug")
"""


def make_photos(folder):
    random = np.random.default_rng(0)
    for expression in ("neutral", "happy"):
        (folder / expression).mkdir(parents=True)
        for subject in range(2):
            pixels = random.integers(60, 200, (64, 64, 3), np.uint8)
            Image.fromarray(pixels).save(folder / expression / f"p{subject}.png")
    return folder


def test_inputs_that_cannot_be_read_are_no_fault_of_the_controls(tmp_path):
    photos = make_photos(tmp_path / "photos")
    torn = photos / "neutral" / "p0.png"
    torn.write_bytes(torn.read_bytes()[:2000])
    fesbench.evaluate(["copy", "truth"], [str(photos)], ("fidelity",), out=tmp_path / "run")
    results = open_run(tmp_path / "run")
    assert results.record.outputs["photos"]["copy"].answered < 2
    assert measure_robustness(results, 2, "cpu", 0, Counting()) == 0


def test_code_that_a_run_names_is_run_only_where_it_is_allowed_and_is_counted_whatever_its_name(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    photos = make_photos(tmp_path / "photos")
    models = [f"{tmp_path / 'broken.py'}:Broken", "copy"]
    fesbench.evaluate(models, [str(photos)], ("fidelity",), out=tmp_path / "run")
    results = open_run(tmp_path / "run")
    assert measure_robustness(results, 2, "cpu", 0, Counting()) == 0
    lost = measure_robustness(results, 2, "cpu", 0, Counting(), allowed=models[:1])
    assert lost == 2 * len(PERTURBATIONS)


def test_the_command_says_where_to_look(call_bench, run):
    text = call_bench("robustness", run / "run", "--edits", EDITS, "--workers", 0).stdout
    assert text.startswith(f"bench report {run / 'run'} makes tables and curves of")
