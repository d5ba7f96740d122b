import csv
import io
import re
import shutil
import subprocess

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fesbench.core.contracts import GeneratorCard
from fesbench.reports.formats.delimited import csv_rows, safe_text
from fesbench.reports.formats.latex import comment, escape, latex_document, latex_table, latex_tables
from fesbench.reports.formats.markdown import csv_tables, markdown_table, markdown_tables
from fesbench.reports.formats.siunitx import siunitx_table
from fesbench.reports.formats.terminal import TerminalTable


def printed(table, width=100):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(TerminalTable(table))
    return console.file.getvalue()


def tabulars(latex):
    """For each tabular its kinds of columns and its rows, rules left out."""
    found = re.findall(r"\\begin\{tabular\}\{@\{\}(l[^@]*)@\{\}\}(.*?)\\end\{tabular\}", latex, re.DOTALL)
    return [(kinds, [line for line in rows.splitlines() if line.endswith(r"\\")]) for kinds, rows in found]


def words(text):
    return text.split()


@pytest.mark.parametrize("width", [120, 80, 60, 40])
def test_terminal_shows_everything_whole_at_any_width(full_table, width):
    text = printed(full_table, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    assert "ECS@embedded ↑" in text
    assert "FID@embedded ↓" in text
    for row in full_table.rows:
        assert row.label in text
    for row in full_table.cells:
        for cell in row:
            assert cell.display in words(text)
    with_interval = [cell for row in full_table.cells for cell in row if cell.low is not None]
    assert len(re.findall(r"\[-?\d*\.\d+, -?\d*\.\d+\]", text)) == len(with_interval)


def many_domains(cells_of, table_of, label="Masked regression of everything there is"):
    domains = ("studio", "celebrity", "portrait", "statue", "avatar", "ood")
    cells = pd.concat([cells_of({"a": 0.912, "b": 0.5}, domain) for domain in domains])
    cards = {"a": GeneratorCard("a", label), "b": GeneratorCard("b", "B")}
    return table_of(cells, cards=cards)


def test_a_wide_terminal_has_intervals_beside_the_numbers_a_narrow_one_below(cells_of, table_of):
    table = many_domains(cells_of, table_of)
    assert printed(table, 140).count("0.91 [.87, .96]") == 6
    narrow = printed(table, 100)
    assert "0.91 [.87, .96]" not in narrow
    assert words(narrow).count("0.91") == words(narrow).count("model") * 6 == 6


def test_names_are_wrapped_at_words_and_never_cut(cells_of, table_of):
    for width in (80, 50, 30):
        lines = printed(many_domains(cells_of, table_of), width).splitlines()
        for word in ("Masked", "regression", "everything"):
            assert any(word in words(line) for line in lines), (width, word)


def test_columns_that_do_not_fit_move_to_a_table_below_with_the_names_again(cells_of, table_of):
    text = printed(many_domains(cells_of, table_of), 40)
    assert words(text).count("model") > 1
    assert words(text).count("0.91") == 6
    for domain in ("studio", "celebrity", "portrait", "statue", "avatar", "mean OOD"):
        assert domain in text


def test_terminal_leaves_details_to_the_files(cells_of, table_of):
    table = table_of(cells_of({"a": 0.5}), notes=["read this"], details=["method one", "method two"])
    text = printed(table)
    assert "read this" in text
    assert "method one" not in text
    assert "2 more notes, on methods, in report/table.md." in text
    for whole in (markdown_table(table), latex_document([table])):
        assert "method one" in whole


def test_several_tables_stand_in_one_file(full_table, cells_of, table_of):
    other = table_of(cells_of({"a": 0.5}))
    both = [full_table, other]
    assert markdown_tables(both).count("### ") == 2
    assert latex_tables(both).count(r"\end{tabular}") == 2
    assert latex_tables(both, columns="one").count(r"\end{tabular}") == 4
    lines = csv_tables(both).splitlines()
    assert len(lines) == len(set(lines)) == 1 + sum(len(t.rows) * len(t.columns) for t in both)


def test_terminal_prints_hostile_names_as_they_are(table_of, cells_of):
    text = printed(table_of(cells_of({"[bold]x[/bold]": 0.5})))
    assert "[Bold]X[/Bold]" in text


def test_latex_rows_have_as_many_cells_as_the_table(full_table):
    parts = tabulars(latex_table(full_table))
    assert sum(len(kinds) - 1 for kinds, _ in parts) == len(full_table.columns)
    for kinds, rows in parts:
        for line in rows:
            spans = [int(n) for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
            assert len(re.findall(r"(?<!\\)&", line)) + 1 - len(spans) + sum(spans) == len(kinds)


def test_latex_marks_best_second_intervals_and_dashes(full_table):
    text = latex_table(full_table, "run: demo")
    assert r"\best{0.91}\rlap{\interval{0.87}{0.96}}\phantom{\interval{$-$0.02}{0.07}}" in text
    assert r"\secondbest{0.52}" in text
    assert r"\textendash{}\raisebox{0.5ex}{\fontsize{7}{7}\selectfont a}" in text
    assert r"$\uparrow$" in text
    assert "% run: demo" in text
    assert r"\selectfont a}\,Ganimation: no face was found; scored 37 of 60 in studio" in text
    assert "% rendered faces, not photos" in text
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 1
    assert r"\cmidrule(lr){2-4}" in text
    assert "Trained on rendered, paired: Reggan" in text


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
        set(re.findall(r"\\[a-zA-Z]+(?:\{\})?|\\[{}$&%#_]|\$\\?[A-Za-z^0-9]+\$", rest)), key=len, reverse=True
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
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-extra, texlive-science)")
    table = request.getfixturevalue(kind)
    (tmp_path / "table.tex").write_text(latex_table(table, "demo"), encoding="utf-8")
    two_columns = "\n".join(
        [
            r"\documentclass[twocolumn]{article}",
            r"\usepackage{booktabs,threeparttable}",
            r"\newcommand{\best}[1]{\textit{#1}}",
            r"\begin{document}",
            r"\begin{table*}\caption{Results}\input{table}\end{table*}",
            r"\begin{table}\begin{threeparttable}\caption{Above}\input{table}\end{threeparttable}\end{table}",
            r"\begin{table}\begin{threeparttable}\input{table}\caption{Below}\end{threeparttable}\end{table}",
            r"\input{tables}",
            *(rf"\catcode`\{c}\active\protected\def{c}{{\char`\{c} }}" for c in '=:!?;<>"'),
            r"\input table",
            escape("".join(map(chr, range(0x250)))),
            r"\end{document}",
        ]
    )
    (tmp_path / "paper.tex").write_text(two_columns, encoding="utf-8")
    (tmp_path / "tables.tex").write_text(latex_tables([table, table]), encoding="utf-8")
    (tmp_path / "standalone.tex").write_text(latex_document([table, table], "demo"), encoding="utf-8")
    for name in ("paper", "standalone"):
        command = [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", f"{name}.tex"]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=1200
        )
        assert done.returncode == 0, done.stdout[-2000:]
        assert (tmp_path / f"{name}.pdf").stat().st_size > 1000
    reader = shutil.which("pdftotext")
    if reader:
        shown = subprocess.run([reader, tmp_path / "paper.pdf", "-"], capture_output=True, text=True).stdout
        assert {"Above", "Below"} <= set(shown.split())


@pytest.mark.parametrize("version", ["", "[=v2]"])
def test_numbers_align_with_either_version_of_siunitx(full_table, version, tmp_path):
    engine = shutil.which("pdflatex")
    if engine is None:
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-extra, texlive-science)")
    paper = [
        r"\documentclass{article}\usepackage{booktabs,graphicx}",
        rf"\usepackage{{siunitx}}{version}",
        r"\begin{document}",
        siunitx_table(full_table, columns="one"),
        r"\end{document}",
    ]
    (tmp_path / "paper.tex").write_text("\n".join(paper), encoding="utf-8")
    done = subprocess.run(
        [engine, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=1200,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize(
    ("title", "printed"),
    [
        ("λ = 0.5, ΔE", r"$\lambda$ = 0.5, $\Delta$E"),
        ("Α ο ς ≤ µ", r"A o $\varsigma$ $\leq$ $\mu$"),
        ("Ąsołé", r"Aso\l{}é"),
        ("人", r"\ifdefined\Umathchar 人\else\texttt{U+4EBA}\fi{}"),
        ("😀", r"\texttt{U+1F600}"),
    ],
)
def test_letters_print_or_become_their_commands(title, printed):
    assert escape(title) == printed


def test_a_table_too_wide_for_a_column_is_split_and_says_so(cells_of, table_of):
    table = many_domains(cells_of, table_of, label="A")
    wide, narrow = (latex_table(table, columns=columns) for columns in ("two", "one"))
    assert len(tabulars(wide)) == 1
    assert len(tabulars(narrow)) == 2
    assert "In 2 parts" in narrow
    assert "parts" not in wide


def test_no_number_is_a_negative_zero(cells_of, table_of):
    cells = cells_of({"a": -0.0001, "b": 0.02}).assign(low=-0.004, high=0.004)
    for text in (
        *(render(table_of(cells)) for render in (latex_table, siunitx_table, markdown_table)),
        printed(table_of(cells)),
    ):
        assert re.search(r"-\$?0?\.00*(?!\d)", text) is None
    assert "-0.0," not in csv_rows([[-0.0, 1]])


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
    rows = list(csv.DictReader(io.StringIO(csv_tables([full_table]))))
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
    for row in csv.reader(io.StringIO(csv_tables([nasty_table]))):
        assert not any(cell.startswith(("=", "@", "\t")) for cell in row)


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1+1", "-A1", "-", "@SUM(A1)", "\tx", "\rx"])
def test_formula_text_becomes_plain_and_numbers_stay(text):
    assert safe_text(text) == "'" + text
    assert [safe_text(number) for number in (-1.5, "-1.5", "+0.21", "-3e-5")] == [
        -1.5,
        "-1.5",
        "+0.21",
        "-3e-5",
    ]
    assert csv_rows([[None, float("nan"), 0.1]]) == ",,0.1\n"


@pytest.mark.parametrize("render", [latex_table, markdown_table, printed])
def test_same_table_same_text(full_table, render):
    assert render(full_table) == render(full_table)
