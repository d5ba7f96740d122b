import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fesbench.core.contracts import GeneratorCard
from fesbench.core.errors import BenchError
from fesbench.reports.tables.table import Cell, Choice, Column, Row, Table, compact, mark_best, metric_title


def marks(table, column=0):
    return {row.name: cells[column].mark for row, cells in zip(table.rows, table.cells, strict=True)}


def shown(table, column=0):
    return {row.name: cells[column].display for row, cells in zip(table.rows, table.cells, strict=True)}


def test_best_and_second_by_displayed_value_with_ties(cells_of, table_of):
    table = table_of(cells_of({"a": 0.9012, "b": 0.8987, "c": 0.85, "d": 0.85, "e": 0.1}))
    assert shown(table) == {"a": "0.90", "b": "0.90", "c": "0.85", "d": "0.85", "e": "0.10"}
    assert marks(table) == {"a": "best", "b": "best", "c": "second", "d": "second", "e": ""}


def test_lower_is_better_where_the_metric_says_so(cells_of, table_of):
    table = table_of(cells_of({"a": 9.0, "b": 3.0, "c": 5.0}, metric="mae.face"))
    assert marks(table) == {"a": "", "b": "best", "c": "second"}


def test_incomplete_cells_controls_and_transfer_rows_are_never_marked(cells_of, table_of):
    values = {"a": 0.5, "b": None, "c": 0.4, "copy": 0.95, "moved": 0.99}
    table = table_of(cells_of(values), {("moved", "set"): "transfer"})
    assert marks(table) == {"a": "best", "b": "", "c": "second", "copy": "", "moved": ""}


def test_one_complete_model_alone_is_no_best(cells_of, table_of):
    table = table_of(cells_of({"a": 0.5, "b": None, "copy": 0.9}))
    assert set(marks(table).values()) == {""}


def test_an_incomplete_cell_keeps_its_value_but_shows_a_dash_and_a_footnote(cells_of, table_of):
    cells = cells_of({"a": 0.5, "b": 0.9})
    cells.loc[1, ["complete", "n_scored", "reason"]] = [False, 37, "no face was found"]
    table = table_of(cells)
    cell = table.cells[1][0]
    assert (cell.display, cell.value, cell.n_scored, cell.n_asked) == ("–", 0.9, 37, 60)
    (note,) = [note for note in table.notes if note.mark]
    assert note.mark == cell.note == "a"
    assert "no face was found" in note.text
    assert "37 of 60" in note.text


def test_rows_with_the_same_gap_share_a_footnote(cells_of, table_of):
    table = table_of(cells_of({"a": None, "b": 0.9, "c": None}))
    (note,) = [note for note in table.notes if note.mark]
    assert note.text.startswith("A; C: no face was found; scored 37 of 60")
    assert [row[0].note for row in table.cells] == ["a", "", "a"]


def test_a_set_that_is_whole_but_has_no_score_is_not_said_to_be_scored(cells_of, table_of):
    table = table_of(cells_of({"a": None, "b": 0.9}, n_scored=60, reason="needs 99 outputs", complete=False))
    assert table.notes[0].text == "A; B: needs 99 outputs; in studio."


def test_a_model_without_any_row_in_a_cell_shows_a_dash(cells_of, table_of):
    both = pd.concat([cells_of({"a": 0.5, "b": 0.4}), cells_of({"a": 3.0}, metric="mae.face")])
    assert shown(table_of(both), 1) == {"a": f"{3:.2f}", "b": "–"}


def test_blocks_stand_apart_in_order(full_table):
    assert [(block, [full_table.rows[i].name for i in rows]) for block, rows in full_table.blocks()] == [
        ("main", ["reggan", "stargan", "ganimation"]),
        ("transfer", ["other"]),
        ("control", ["copy", "truth"]),
    ]


def test_several_domains_make_a_panel_for_each_metric(full_table):
    panels = [
        (heading, [full_table.columns[i].domain for i in columns]) for heading, columns in full_table.panels()
    ]
    assert panels == [
        ("ecs@embedded", ["studio", "statue", "ood"]),
        ("mae.face", ["studio", "statue", "ood"]),
        ("fid@embedded", ["studio", "statue"]),
    ]


def test_one_domain_makes_one_panel(cells_of, table_of):
    both = pd.concat([cells_of({"a": 0.5}), cells_of({"a": 3.0}, metric="mae.face")])
    assert table_of(both).panels() == [("", [0, 1])]


@pytest.mark.parametrize(
    ("half", "display"), [(0.2, "0.56"), (0.08, "0.56"), (0.012, "0.556"), (0.0004, "0.556"), (4.0, "1")]
)
def test_digits_follow_the_interval(cells_of, table_of, half, display):
    cells = cells_of({"a": 0.5556})
    cells["low"], cells["high"] = 0.5556 - half, 0.5556 + half
    assert shown(table_of(cells)) == {"a": display}


@pytest.mark.parametrize(
    ("values", "half", "display"),
    [
        ((1e-4, 2e-4, 4e-4), 4e-5, ("0.00010", "0.00020", "0.00040")),
        ((1e-4, 2e-4, 4e-4), 1e-9, ("0.000100", "0.000200", "0.000400")),
        ((1e-4, 2e-4, 4e-4), None, ("0.000100", "0.000200", "0.000400")),
        ((1e-4, 2e-4, 4e-4), 4e-3, ("0.000", "0.000", "0.000")),
        ((1e-4, 2e-4, 4e-3), 4e-5, ("0.000", "0.000", "0.004")),
        ((0.5556, 0.5556, 0.5556), 4e-5, ("0.556", "0.556", "0.556")),
        ((0.5556, 0.5556, 0.5556 + 1e-12), 4e-5, ("0.556", "0.556", "0.556")),
    ],
)
def test_more_digits_are_shown_where_they_alone_tell_values_apart(cells_of, table_of, values, half, display):
    cells = cells_of(dict(zip("abc", values, strict=True)))
    width = np.nan if half is None else half
    cells["low"], cells["high"] = cells["value"] - width, cells["value"] + width
    assert tuple(shown(table_of(cells)).values()) == display


def test_values_that_are_not_shown_ask_for_no_digits(cells_of, table_of):
    cells = pd.concat(
        [cells_of({"a": 1e-4, "b": 2e-4}), cells_of({"a": 0.5, "b": 0.6}, "statue")], ignore_index=True
    )
    cells["low"], cells["high"] = cells["value"] - 4e-5, cells["value"] + 4e-5
    assert shown(table_of(cells, domains=["studio"])) == {"a": "0.00010", "b": "0.00020"}
    assert shown(table_of(cells)) == {"a": "0.000", "b": "0.000"}
    cells.loc[cells["generator"] == "b", "complete"] = False
    assert shown(table_of(cells, domains=["studio"])) == {"a": "0.000", "b": "–"}


def test_no_negative_zero(cells_of, table_of):
    assert shown(table_of(cells_of({"a": -0.0001}, metric="mae.face"))) == {"a": "0.00"}


def test_notes_tell_counts_references_and_untrained_models(full_table, cells_of, table_of):
    texts = " ".join(note.text for note in full_table.notes)
    assert "60 edits of 10 subjects in studio, statue." in texts
    assert "FID@embedded: against 200 reference images (train split)." in texts
    assert "rendered faces, not photos" in texts
    cards = {"a": GeneratorCard("a", "A", weights="untrained: random numbers")}
    table = table_of(cells_of({"a": 0.5}), cards=cards)
    assert table.rows[0].note == "a"
    assert table.notes[0].text == "A: untrained: random numbers."


def test_asking_for_what_is_not_there_names_what_is(cells_of, table_of):
    with pytest.raises(BenchError, match="ecs@embedded"):
        table_of(cells_of({"a": 0.5}), metrics=["ecs@paper"])
    with pytest.raises(BenchError, match="studio"):
        table_of(cells_of({"a": 0.5}), domains=["moon"])


def test_the_backend_is_part_of_every_title():
    assert metric_title("ecs@embedded") == "ECS@embedded"
    assert metric_title("fss.verified@dlib") == "FSS verified@dlib"
    assert metric_title("quality@embedded") == "Quality@embedded"
    assert metric_title("mae.face") == "MAE face"


cells_strategy = st.lists(
    st.tuples(st.sampled_from(["main", "transfer", "control"]), st.integers(0, 20), st.booleans()),
    max_size=12,
)


@given(cells_strategy, st.sampled_from(["higher", "lower"]))
def test_marking_rules_hold_for_any_column(entries, direction):
    rows = tuple(Row(str(i), str(i), block, "", "none") for i, (block, _, _) in enumerate(entries))
    cells = tuple(
        (Cell(v / 10, None, None, f"{v / 10:.1f}" if ok else "–", 1, int(ok), ok),) for _, v, ok in entries
    )
    table = mark_best(Table("t", rows, (Column("m", "d", direction, "", 1),), cells))
    ranked = [
        (float(c.display), c.mark)
        for (c,), (block, _, ok) in zip(table.cells, entries, strict=True)
        if block == "main" and ok
    ]
    others = [
        c.mark for (c,), (block, _, ok) in zip(table.cells, entries, strict=True) if block != "main" or not ok
    ]
    assert set(others) <= {""}
    distinct = sorted({value for value, _ in ranked}, reverse=direction == "higher")
    if len(distinct) < 2:
        assert all(mark == "" for _, mark in ranked)
        return
    for value, mark in ranked:
        assert mark == ("best" if value == distinct[0] else "second" if value == distinct[1] else "")


def test_a_data_set_without_any_number_still_makes_a_table(cells_of, table_of):
    cells = cells_of({"a": None, "b": None}).astype(dict.fromkeys(("value", "low", "high"), object))
    cells[["value", "low", "high"]] = None
    assert shown(table_of(cells)) == {"a": "–", "b": "–"}


def test_nothing_is_marked_where_the_metric_cannot_rank(cells_of, table_of):
    values = {"reggan": 1.0, "stargan": 2.0, "ganimation": 3.0}
    cells = pd.concat([cells_of(values, domain, "fid@embedded") for domain in ("studio", "statue")])
    table = table_of(cells.reset_index(drop=True), unfit=[("statue", "fid@embedded")])
    marks = {column.domain: [row[j].mark for row in table.cells] for j, column in enumerate(table.columns)}
    assert marks["studio"] == ["best", "second", ""]
    assert marks["statue"] == ["", "", ""]


def test_a_compact_table_keeps_marks_and_leaves_out_intervals_and_other_domains(full_table):
    short = compact(full_table, ("studio", "ood"))
    assert {column.domain for column in short.columns} == {"studio", "ood"}
    assert {cell.low for row in short.cells for cell in row} == {None}
    assert marks(short) == marks(full_table)
    assert compact(full_table, ("elsewhere",)).columns == full_table.columns


def test_a_choice_shows_what_it_names_with_the_best_of_that(full_table):
    models = ("stargan", "ganimation")
    chosen = Choice(models=models, metrics=("ecs@embedded",), domains=("studio",)).of(full_table)
    assert chosen.cells[0][0].mark == ""  # nothing to compare with: the other has no number
    assert [row.name for row in chosen.rows] == ["stargan", "ganimation"]
    assert [(column.metric, column.domain) for column in chosen.columns] == [("ecs@embedded", "studio")]
    assert Choice().of(full_table) == full_table
    with pytest.raises(BenchError, match="no domain 'moon'"):
        Choice(domains=("moon",)).of(full_table)
