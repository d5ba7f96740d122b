import json
import shutil
import subprocess

import pandas as pd
import pytest

from fesbench.core.contracts import FROM_FILES, GeneratorCard
from fesbench.reports.formats.latex import latex_table
from fesbench.reports.formats.markdown import markdown_table
from fesbench.reports.formats.siunitx import siunitx_table, siunitx_tables
from fesbench.reports.formats.structured import json_tables
from fesbench.reports.tables.build import TableContext
from fesbench.reports.tables.further import (
    MEASURED,
    REPORTED,
    confusion_table,
    cost_table,
    divided_table,
    group_table,
    pair_table,
    place_table,
    truth_table,
)

CARDS = {
    "a": GeneratorCard("a", "Model A", parameters=2_500_000, trained_on="photos", supervision="paired"),
    "b": GeneratorCard("b", "Model B", parameters=500_000),
    "copy": GeneratorCard("copy", "Input", control=True),
}
BLOCKS = {("a", "set"): "main", ("b", "set"): "main", ("copy", "set"): "control"}
MEASURES = pd.DataFrame(
    {"column": ["ecs@embedded"], "direction": ["higher"], "unit": ["share"], "headline": [True]}
)
CONTEXT = TableContext("set", MEASURES, CARDS, BLOCKS)


def shown(table):
    return {
        (row.name, column.metric, column.domain): cell.display
        for row, line in zip(table.rows, table.cells, strict=True)
        for column, cell in zip(table.columns, line, strict=True)
    }


def test_differences_carry_a_sign_and_stars_and_no_best(pairs_table):
    cells = [line[0] for line in pairs_table.cells]
    assert [cell.display for cell in cells] == ["+0.21", "-0.08", "+0.00"]
    assert [cell.stars for cell in cells] == ["***", "*", ""]
    assert {cell.mark for cell in cells} == {""}
    assert [row.label for row in pairs_table.rows] == ["A − B", "A − C", "B − C"]
    assert r"$+$0.21\rlap{\stars{***}" in latex_table(pairs_table)
    assert "| ECS@embedded ↑ | studio | statue |" in markdown_table(pairs_table)


def test_a_small_difference_that_is_sure_is_not_rounded_away():
    rows = [("a", "b", 0.2, 0.1, 0.9), ("a", "c", 0.004, 0.001, 0.01), ("b", "c", -0.2, 0.1, 0.9)]
    differences = pd.DataFrame(rows, columns=["generator", "versus", "difference", "half", "p_holm"]).assign(
        dataset="set", domain="studio", metric="ecs@embedded", n_asked=60, n_scored=60, subjects=10, reason=""
    )
    ends = {
        "low": differences["difference"] - differences["half"],
        "high": differences["difference"] + differences["half"],
    }
    cards = {name: GeneratorCard(name, name) for name in "abc"}
    blocks = {(name, "set"): "main" for name in "abc"}
    table = pair_table(differences.assign(**ends), TableContext("set", MEASURES, cards, blocks))
    assert [line[0].display for line in table.cells] == ["+0.200", "+0.004", "-0.200"]


def test_groups_are_headed_by_their_number_and_small_ones_mark_nothing(cells_of):
    cells = pd.concat([cells_of({"a": 0.9, "b": 0.5}, group) for group in ("few", "many")])
    subjects = {"few": 9, "many": 10}
    table = group_table(cells, CONTEXT, "team", subjects)
    assert [column.domain for column in table.columns] == ["few (n = 9)", "many (n = 10)"]
    assert [cell.mark for cell in table.cells[0]] == ["", "best"]
    assert any("Fewer than 10 subjects" in note.text and "few (n = 9)" in note.text for note in table.notes)


def test_published_places_stand_beside_measured_ones():
    place = {"model": "a", "scope": "ood", "metric": "ecs@embedded", "reason": ""}
    places = pd.DataFrame(
        [
            place | {"domain": REPORTED, "value": 1, "low": None, "high": None},
            place | {"domain": MEASURED, "value": 2, "low": 1, "high": 3},
        ]
    )
    table = place_table(places, CARDS, "set", ["Source: a paper."])
    assert "| Model A, mean OOD | 1 | 2 [1, 3] |" in markdown_table(table)
    assert [row.name for row in table.rows] == ["a in ood"]
    assert "Protocols differ" in " ".join(note.text for note in table.notes)


def test_one_model_alone_makes_no_pair():
    differences = pd.DataFrame(
        columns=["dataset", "generator", "versus", "n_asked", "n_scored", "difference"]
    )
    assert pair_table(differences, CONTEXT) is None


def test_scores_by_expression_have_a_column_for_each(cells_of):
    cells = pd.concat([cells_of({"a": 0.9, "b": 0.5}, domain) for domain in ("happy", "sad")])
    table = divided_table(cells, CONTEXT, "expression")
    assert table.title == "set, by expression"
    assert [column.domain for column in table.columns] == ["happy", "sad"]
    assert table.cells[0][1].mark == "best"


def test_the_truth_table_ranks_metrics_and_leaves_out_what_has_no_number():
    rows = [("ecs@x", 0.2), ("fss@x", 0.9), ("quality@x", None)]
    agreement = pd.DataFrame(
        [
            {"dataset": "set", "domain": "studio", "metric": metric, "against": "mae.changed", "tau": tau,
             "low": None, "high": None, "n_asked": 6, "n_scored": 6, "subjects": 3, "reason": ""}
            for metric, tau in rows
        ]
    )  # fmt: skip
    table = truth_table(agreement, "set", ["Model A", "Model B"])
    assert [row.label for row in table.rows] == ["ECS@x", "FSS@x"]
    assert [line[0].mark for line in table.cells] == ["second", "best"]
    assert table.kind == "metric"
    assert any("Model A, Model B" in note.text for note in table.notes)
    assert truth_table(agreement.assign(tau=float("nan")), "set", []) is None


def test_costs_are_of_models_only_and_an_unknown_time_is_a_dash():
    table = cost_table({"a": 0.0125}, CONTEXT, "cpu")
    values = shown(table)
    assert values["a", "parameters", "one"] == "2.50"
    assert float(values["a", "time an image", "one"]) == 12.5
    assert values["b", "time an image", "one"] == "–"
    assert "copy" not in {row.name for row in table.rows}
    assert cost_table({}, TableContext("set", MEASURES, {"copy": CARDS["copy"]}, BLOCKS), "cpu") is None


def test_images_made_elsewhere_have_no_costs_to_win_by():
    cards = CARDS | {"b": GeneratorCard("b", "Model B", weights=FROM_FILES)}
    values = shown(
        cost_table({"a": 0.0125, "b": 0.0001}, TableContext("set", MEASURES, cards, BLOCKS), "cpu")
    )
    assert values["b", "parameters", "one"] == values["b", "time an image", "one"] == "–"
    assert values["a", "parameters", "one"] == "2.50"


def test_a_confusion_table_has_rows_of_targets_that_sum_to_one():
    shares = pd.DataFrame(
        {
            "target": ["happy", "happy", "sad", "sad"],
            "predicted": ["happy", "sad", "happy", "sad"],
            "count": [3, 1, 0, 4],
            "share": [0.75, 0.25, 0.0, 1.0],
        }
    )
    table = confusion_table(shares, ["sad", "happy"], "ecs.predicted@x", "set", "Model A")
    assert [row.name for row in table.rows] == ["sad", "happy"]
    assert [column.domain for column in table.columns] == ["sad", "happy"]
    assert [[cell.value for cell in line] for line in table.cells] == [[1.0, 0.0], [0.25, 0.75]]
    assert {cell.mark for line in table.cells for cell in line} == {""}


def test_siunitx_groups_domains_under_their_metric(full_table):
    text = siunitx_table(full_table)
    assert r"\multicolumn{3}{c}{ECS@embedded $\uparrow$}" in text
    assert r"\cmidrule(lr){2-4}\cmidrule(lr){5-7}" in text
    assert r"\bestnum 0.91 {\mdseries\upshape\interval{0.87}{0.96}}" in text
    assert r"{\textendash{}\raisebox{0.5ex}{\fontsize{7}{7}\selectfont a}}" in text
    assert "Trained on rendered, paired: Reggan" in text


def test_siunitx_moves_metrics_that_do_not_fit_the_line_below(cells_of, table_of):
    domains = ("studio", "celebrity", "portrait", "statue", "avatar")
    cells = pd.concat(
        [cells_of({"a": 0.9, "b": 0.5}, d, m) for m in ("ecs@embedded", "mae.face") for d in domains]
    )
    assert siunitx_table(table_of(cells)).count(r"\toprule") == 2


def test_json_holds_every_cell_in_full_and_no_nan(full_table, nasty_table, nasty_text):
    (table,) = json.loads(json_tables([full_table]))["tables"]
    assert len(table["cells"]) == len(full_table.rows)
    assert table["cells"][0][0]["value"] == full_table.cells[0][0].value
    assert json.loads(json_tables([nasty_table]))["tables"][0]["rows"][0]["label"] == nasty_text


@pytest.mark.parametrize("columns", ["onecolumn", "twocolumn"])
def test_siunitx_compiles_beside_a_paper_of_its_own_taste(
    columns, full_table, nasty_table, pairs_table, tmp_path
):
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-extra, texlive-science)")
    tables = [full_table, nasty_table, pairs_table]
    (tmp_path / "numbers.tex").write_text(siunitx_tables(tables, "demo"), encoding="utf-8")
    (tmp_path / "plain.tex").write_text(latex_table(full_table, "demo"), encoding="utf-8")
    paper = "\n".join(
        [
            rf"\documentclass[{columns}]{{article}}",
            r"\usepackage{booktabs,siunitx,graphicx}",
            r"\protected\def\bestnum{\itshape}",
            r"\begin{document}",
            r"\begin{table*}\caption{Results}\input{numbers}\end{table*}",
            r"\begin{table}\caption{In one column}\input{plain}\end{table}",
            r"\end{document}",
        ]
    )
    (tmp_path / "paper.tex").write_text(paper, encoding="utf-8")
    command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=1200
    )
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 1000
    wide = [line for line in done.stdout.splitlines() if line.startswith("Overfull \\hbox")]
    assert not [line for line in wide if float(line.split("(")[1].split("pt")[0]) > 2], wide
