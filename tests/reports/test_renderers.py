import csv
import io
import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fesbench.reports.delimited import csv_rows, safe_text
from fesbench.reports.latex import comment, escape, latex_document, latex_table
from fesbench.reports.markdown import csv_table, markdown_table
from fesbench.reports.terminal import terminal_table


def printed(table, width=100):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(terminal_table(table))
    return console.file.getvalue()


def body(latex):
    """Rows of the tabular, comments and rules left out."""
    inner = latex[latex.index("\\toprule") : latex.index("\\bottomrule")]
    return [line for line in inner.splitlines() if line.endswith("\\\\")]


def test_terminal_shows_every_number_in_full(full_table):
    text = printed(full_table)
    assert "…" not in text
    assert "0.91 ±.05" in text
    assert "ECS@embedded ↑" in text
    assert "FID@embedded ↓" in text
    assert max(map(len, text.splitlines())) <= 100


def test_terminal_prints_hostile_names_as_they_are(table_of, cells_of):
    text = printed(table_of(cells_of({"[bold]x[/bold]": 0.5})))
    assert "[Bold]X[/Bold]" in text


def test_latex_rows_have_as_many_cells_as_the_table(full_table):
    for line in body(latex_table(full_table)):
        spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        assert len(re.findall(r"(?<!\\)&", line)) + 1 - len(spans) + sum(spans) in (4, 5)


def test_latex_marks_best_second_intervals_and_dashes(full_table):
    text = latex_table(full_table, "run: demo")
    assert r"\best{0.91}\interval{$0.87$}{$0.96$}" in text
    assert r"\second{0.52}" in text
    assert r"\textendash{}\textsuperscript{a}" in text
    assert r"$\uparrow$" in text
    assert "% run: demo" in text
    assert r"\textsuperscript{a}\,Ganimation: no face was found; scored 37 of 60 in studio" in text
    assert "% rendered faces, not photos" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1


def test_latex_braces_balance_with_hostile_text(nasty_table):
    for text in (latex_table(nasty_table, "x\n\\end{tabular}"), latex_document([nasty_table])):
        code = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
        plain = re.sub(r"\\[{}]", "", code)
        assert plain.count("{") == plain.count("}")
        assert r"\input{" not in code


@given(st.text())
def test_escaped_text_holds_no_active_character(text):
    rest = escape(text)
    for known in sorted(
        set(re.findall(r"\\[a-zA-Z]+(?:\{\})?|\\[{}$&%#_]|\$\\?[a-z^0-9]+\$", rest)), key=len, reverse=True
    ):
        rest = rest.replace(known, "")
    assert not set(rest) & set("\\$&%#_~^\n\r")


@given(st.text())
def test_comments_never_end_early(text):
    assert all(line.startswith("% ") for line in comment(text).splitlines())


@pytest.mark.parametrize("kind", ["full_table", "nasty_table"])
def test_latex_compiles(kind, request, tmp_path):
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-extra)")
    table = request.getfixturevalue(kind)
    (tmp_path / "table.tex").write_text(latex_table(table, "demo"), encoding="utf-8")
    two_columns = "\n".join(
        [
            r"\documentclass[twocolumn]{article}",
            r"\usepackage{booktabs}",
            r"\newcommand{\best}[1]{\textit{#1}}",
            r"\begin{document}",
            r"\begin{table*}\caption{Results}\input{table}\end{table*}",
            r"\end{document}",
        ]
    )
    (tmp_path / "paper.tex").write_text(two_columns, encoding="utf-8")
    (tmp_path / "standalone.tex").write_text(latex_document([table, table], "demo"), encoding="utf-8")
    for name in ("paper", "standalone"):
        command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"{name}.tex"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120
        )
        assert done.returncode == 0, done.stdout[-2000:]
        assert (tmp_path / f"{name}.pdf").stat().st_size > 1000


def test_markdown_has_a_table_for_each_metric_with_marks_and_notes(full_table):
    text = markdown_table(full_table)
    assert "| Reggan | rendered, paired | **0.91** [0.87, 0.96] |" in text
    assert "*0.52*" in text
    assert "– <sup>a</sup>" in text
    assert text.count("| --- | --- |") == 3


def test_markdown_rows_keep_their_number_of_cells_with_hostile_text(nasty_table):
    lines = [line for line in markdown_table(nasty_table).splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1
    assert "<img" not in markdown_table(nasty_table)


def test_csv_holds_full_precision_and_every_cell(full_table):
    rows = list(csv.DictReader(io.StringIO(csv_table(full_table))))
    assert len(rows) == len(full_table.rows) * len(full_table.columns)
    first = rows[0]
    assert (first["model"], first["value"], first["display"], first["mark"]) == (
        "reggan",
        "0.91",
        "0.91",
        "best",
    )
    dashed = next(row for row in rows if row["model"] == "ganimation")
    assert (dashed["display"], dashed["value"], dashed["n_scored"]) == ("–", "", "37")
    assert "no face was found" in dashed["note"]


def test_csv_cells_are_never_formulas(nasty_table):
    for row in csv.reader(io.StringIO(csv_table(nasty_table))):
        assert not any(cell.startswith(("=", "+", "@", "\t")) for cell in row)


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_formula_text_becomes_plain_and_numbers_stay(text):
    assert safe_text(text) == "'" + text
    assert safe_text(-1.5) == -1.5
    assert csv_rows([[None, float("nan"), 0.1]]) == ",,0.1\n"


@pytest.mark.parametrize("render", [latex_table, markdown_table, csv_table, printed])
def test_same_table_same_text(full_table, render):
    assert render(full_table) == render(full_table)
