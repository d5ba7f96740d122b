"""What goes into the interactive report's files, before any browser sees them."""

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from fesbench.core.contracts import GeneratorCard
from fesbench.core.errors import BenchError
from fesbench.reports.html import write
from fesbench.reports.html.content import Measured, Provenance, Sheet
from fesbench.reports.html.data import PAGE, SheetData, script
from fesbench.reports.html.faces import chosen
from fesbench.reports.html.notes import GENERAL, MARKED, METHODS, notes_by_subject
from fesbench.reports.html.views import main_views
from fesbench.reports.html.write import write_html

MEASURED = (
    Measured("ecs@embedded", "expression", "share", "share", "higher", 0.0, 1.0),
    Measured("mae.face", "error", "score", "grey levels", "lower"),
)


def make_scores(edits, lost=()):
    """Scores of one model in one domain; edit i has an error of i grey levels."""
    rows = []
    for i in range(edits):
        why = "no output: out of memory" if i in lost else None
        about = {
            "generator": "reggan",
            "domain": "studio",
            "subject": f"s{i}",
            "edit": f"e{i}",
            "target": "happy",
        }
        for metric, value in (("output", float(i not in lost)), ("ecs@embedded", 1.0), ("mae.face", i / 3)):
            missing = why is not None and metric != "output"
            rows.append(about | {"metric": metric, "value": None if missing else value, "reason": why})
    return pd.DataFrame(rows).astype({"value": float})


@pytest.fixture
def sheet_of(full_table, tmp_path):
    def make(scores):
        return Sheet(
            provenance=Provenance("run", "bench run", [], []),
            dataset="set",
            main=full_table,
            further=[],
            origin="run run",
            cards={"reggan": GeneratorCard("reggan", "RegGAN")},
            measured=MEASURED,
            scores=scores,
            output_path=lambda model, edit: tmp_path / "outputs" / model / "set" / f"{edit}.png",
            output_bytes=lambda model, edit: None,
        )

    return make


def contents(sheet):
    return dict(SheetData(0, sheet, "../outputs").files())


def test_values_lie_in_pages_beside_their_edits(sheet_of):
    found = contents(sheet_of(make_scores(PAGE + 3)))
    assert found["0-edits-0-1"]["edit"] == [f"e{PAGE}", f"e{PAGE + 1}", f"e{PAGE + 2}"]
    assert found["0-values-0-0-1"]["columns"]["mae.face"] == pytest.approx(
        [PAGE / 3, (PAGE + 1) / 3, (PAGE + 2) / 3], rel=1e-5
    )
    assert len(found["0-values-0-0-0"]["columns"]["ecs@embedded"]) == PAGE


def test_a_lost_output_is_null_with_its_reason_on_its_own_page(sheet_of):
    found = contents(sheet_of(make_scores(PAGE + 3, lost={PAGE + 1})))
    page = found["0-values-0-0-1"]
    assert page["columns"]["mae.face"][1] is None
    assert page["lost"] == {1: "out of memory"}
    assert found["0-values-0-0-0"]["lost"] == {}
    assert found["0-failures"] == [[0, 0, PAGE + 1, "out of memory"]]


def test_a_script_is_plain_ascii_and_closes_no_element():
    text = script("0-texts", {"</script>": "<!-- \u2028 é \udce9"})
    assert text.isascii()
    assert "<" not in text
    body = text.removeprefix('fesbench.receive("0-texts",').removesuffix(");\n")
    assert json.loads(body) == {"</script>": "<!-- \u2028 é \udce9"}


def test_numbers_that_are_not_finite_never_reach_the_page():
    with pytest.raises(ValueError, match="not JSON compliant"):
        script("x", float("nan"))


def test_views_hold_each_column_once_by_domain_and_once_by_metric(full_table):
    views = main_views(full_table, {})
    assert [(view.group, view.label) for view in views] == [
        ("All metrics in", "mean OOD"),
        ("All metrics in", "studio"),
        ("All metrics in", "statue"),
        ("All domains of", "ECS@embedded ↑"),
        ("All domains of", "MAE face ↓"),
        ("All domains of", "FID@embedded ↓"),
    ]
    assert sum(len(view.heads) for view in views) == 2 * len(full_table.columns)


def test_bars_stay_on_their_scale(full_table):
    for view in main_views(full_table, {}):
        bars = [cell.bar for _, rows in view.blocks for row in rows for cell in row.cells if cell.bar]
        assert all(0 <= bar.low <= bar.value <= bar.high <= 100 for bar in bars)


def test_markup_of_hostile_tables_is_escaped(sheet_of, nasty_table, tmp_path):
    sheet = replace(sheet_of(make_scores(2)), main=nasty_table, dataset="<b>&\"'")
    text = write_html([sheet], tmp_path / "html", "1").read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "<b>&" not in text
    assert "&lt;img src=x&gt;" in text


def test_an_earlier_report_is_replaced_as_a_whole(sheet_of, tmp_path):
    folder = tmp_path / "html"
    write_html([sheet_of(make_scores(PAGE + 1))], folder, "1")
    write_html([sheet_of(make_scores(1))], folder, "1")
    assert not list(folder.glob("data/0-*-1.js"))


def test_a_report_that_broke_off_can_be_made_again(sheet_of, tmp_path, monkeypatch):
    folder, sheet = tmp_path / "html", sheet_of(make_scores(1))
    write_html([sheet], folder, "1")
    with monkeypatch.context() as broken:
        broken.setattr(write, "ASSETS", ["no-such-file"])
        with pytest.raises(FileNotFoundError):
            write_html([sheet], folder, "1")
    assert not (folder / "index.html").exists()
    assert write_html([sheet], folder, "1").is_file()


def test_nothing_to_report_is_said(tmp_path):
    with pytest.raises(BenchError, match="nothing to report"):
        write_html([], tmp_path / "html", "1")
    assert not Path(tmp_path / "html").exists()


def test_faces_show_each_domain_and_as_many_expressions_and_people_as_they_can():
    people = pd.DataFrame(
        [(target, subject) for subject in ("a", "b") for target in ("happy", "sad", "angry")],
        columns=["target", "subject"],
    )
    two = chosen({"studio": people, "statue": people})
    assert two == [(0, 0), (0, 1), (0, 2), (1, 3), (1, 4)]  # each expression, then each person, of each
    assert chosen({"studio": people[:2]}) == [(0, 0), (0, 1)]


def test_notes_lie_with_the_metrics_that_they_name(full_table):
    notes = ("FID@embedded and MAE face: both.", "Only MAE face.", "Nothing named.", "Said elsewhere.")
    table = replace(full_table, notes=()).with_notes(notes, ["A method of FID@embedded."])
    found = {
        heading: [note.text for note in group]
        for heading, group in notes_by_subject(table, ["Said elsewhere."]).items()
    }
    assert found == {
        GENERAL: ["Nothing named."],
        "MAE face, FID@embedded": ["FID@embedded and MAE face: both."],
        "MAE face": ["Only MAE face."],
        METHODS: ["A method of FID@embedded."],
    }
    assert MARKED in notes_by_subject(full_table, ())
