r"""Tables in LaTeX: booktabs only, with macros that a paper can redefine.

The bare tabular starts with ``\providecommand`` for ``\best``, ``\secondbest`` and ``\interval``; a document
that defines them first has its way (``\second`` is a unit of siunitx, and an error where that is loaded). A
table wider than the line shrinks to it where graphicx is loaded. Everything that users control is escaped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence

from .tables import BLOCKS, MISSING, Cell, Column, Note, Row, Table, metric_title

ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", None: ""}

_MACROS = (
    r"\providecommand{\best}[1]{\textbf{#1}}",
    r"\providecommand{\secondbest}[1]{\underline{#1}}",
    r"\providecommand{\interval}[2]{\,{\tiny[#1,\,#2]}}",
    r"\providecommand{\stars}[1]{\textsuperscript{#1}}",
)
_NAMES = {"best": "best", "second": "secondbest"}
SHRINK = (
    r"\ifdim\wd0>\linewidth\ifdefined\resizebox"
    r"\setbox0=\hbox{\resizebox{\linewidth}{!}{\usebox0}}\fi\fi"
)
"""Makes box 0 as wide as the line where it is wider."""
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "{''}",
    "`": r"\textasciigrave{}",
    "-": "{-}",
    "[": "{[}",
    "]": "{]}",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "×": r"$\times$",
    "±": r"$\pm$",
    "²": r"$^2$",
    "→": r"$\rightarrow$",
    "−": "$-$",
    "τ": r"$\tau$",
}
_LAST_LATIN = 0x17F


def escape(text: str) -> str:
    """``text`` for the body of a LaTeX document: printed as it is, never executed.

    Line breaks and control characters become spaces; letters beyond Latin become their code point, since
    pdfLaTeX has no glyph for them.
    """
    return "".join(map(_escape, unicodedata.normalize("NFC", text)))


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if " " <= character <= "~":
        return character
    if unicodedata.category(character).startswith(("C", "Z")):
        return " "
    if character.isalpha() and ord(character) <= _LAST_LATIN:
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"


def comment(text: str) -> str:
    """``text`` as LaTeX comment lines; nothing in it can end the comment early."""
    lines = text.splitlines() or [""]
    return "\n".join("% " + "".join(c if c.isprintable() else " " for c in line) for line in lines)


def latex_table(table: Table, provenance: str = "") -> str:
    r"""A ``tabular`` for ``\input`` inside a table environment; needs the booktabs package.

    Footnotes that cells and rows refer to stand below it, as wide as the table; the other notes are comments
    at the top, for the caption.

    Args:
        table: What to show.
        provenance: Where the numbers come from; it goes into comment lines at the top.
    """
    about = [table.title, r"made by fesbench; needs \usepackage{booktabs}", provenance]
    body = [
        comment("\n".join([*about, *(note.text for note in table.notes if not note.mark)])),
        *_MACROS,
        r"\begingroup\setlength{\tabcolsep}{4pt}%",
        r"\setbox0=\hbox{%",
        rf"\begin{{tabular}}{{{'l' * _left(table)}{'r' * _width(table)}}}",
        r"\toprule",
        *_panels(table),
        r"\bottomrule",
        r"\end{tabular}}%",
        SHRINK,
        r"\begin{minipage}{\wd0}\usebox0",
        *(
            rf"\par\smallskip{{\footnotesize\raggedright {note_line(note)}\par}}"
            for note in table.notes
            if note.mark
        ),
        r"\end{minipage}\endgroup",
    ]
    return "\n".join(body) + "\n"


def latex_tables(tables: Sequence[Table], provenance: str = "") -> str:
    r"""One ``latex_table`` below the other, for ``\input``."""
    return "\n\\par\\bigskip\n\n".join(latex_table(table, provenance) for table in tables)


def note_line(note: Note) -> str:
    """A footnote as a line, behind its letter where it has one."""
    return (rf"\textsuperscript{{{note.mark}}}\," if note.mark else "") + escape(note.text)


def latex_document(tables: Sequence[Table], provenance: str = "") -> str:
    """A document of its own with the tables and their footnotes, one after the other."""
    parts = [
        "\n".join(
            [
                rf"\section*{{{escape(table.title)}}}",
                r"\noindent",
                latex_table(table, provenance).rstrip(),
                r"\par\medskip\noindent{\footnotesize Best in bold, second underlined, by displayed values,",
                r"among models with the same training data.\par",
                *(rf"{note_line(note)}\par" for note in table.notes if not note.mark),
                r"}",
            ]
        )
        for table in tables
    ]
    head = [
        r"\documentclass{article}",
        r"\usepackage[utf8]{inputenc}",
        r"\usepackage{textcomp}",
        r"\usepackage{booktabs}",
        r"\usepackage{graphicx}",
        r"\usepackage[margin=2cm]{geometry}",
        r"\begin{document}",
        r"\small",
    ]
    return "\n".join([*head, "\n\\clearpage\n".join(parts), r"\end{document}"]) + "\n"


def _left(table: Table) -> int:
    """Columns before the numbers."""
    return 2 if table.shows_training else 1


def _width(table: Table) -> int:
    return max(len(indices) for _, indices in table.panels())


def _panels(table: Table) -> Iterator[str]:
    for number, (heading, indices) in enumerate(table.panels()):
        if number:
            yield r"\midrule"
        yield from _header(table, heading, indices)
        for position, (block, members) in enumerate(table.blocks()):
            if position:
                yield r"\midrule"
            if BLOCKS[block]:
                span = _left(table) + len(indices)
                yield rf"\multicolumn{{{span}}}{{l}}{{\textit{{\footnotesize {escape(BLOCKS[block])}}}}} \\"
            yield from (_row(table, index, indices) for index in members)


def _header(table: Table, heading: str, indices: Sequence[int]) -> Iterator[str]:
    columns = [table.columns[index] for index in indices]
    if heading:
        title = rf"\textbf{{{escape(metric_title(heading))}}}{ARROWS[columns[0].direction]}"
        unit = rf"{{\footnotesize ({escape(columns[0].unit)})}}"
        left = rf"\multicolumn{{{_left(table)}}}{{l}}{{{title} {unit}}}"
        names = [escape(column.domain_title) for column in columns]
    else:
        left = escape(table.kind) + (" & trained on" if table.shows_training else "")
        names = [f"{escape(metric_title(column.metric))}{ARROWS[column.direction]}" for column in columns]
    yield " & ".join([left, *(rf"\multicolumn{{1}}{{c}}{{{name}}}" for name in names)]) + r" \\"
    yield r"\midrule"


def _row(table: Table, row: int, indices: Sequence[int]) -> str:
    cells = [_cell(table.cells[row][index], table.columns[index]) for index in indices]
    left = [_label(table.rows[row]), escape(table.rows[row].training)][: _left(table)]
    return " & ".join([*left, *cells]) + r" \\"


def _label(row: Row) -> str:
    return escape(row.label) + _superscript(row.note)


def _superscript(mark: str) -> str:
    return rf"\textsuperscript{{{mark}}}" if mark else ""


def _cell(cell: Cell, column: Column) -> str:
    if cell.display == MISSING:
        return rf"\textendash{{}}{_superscript(cell.note)}"
    number = f"${cell.display}$" if cell.display.startswith(("-", "+")) else cell.display
    shown = rf"\{_NAMES[cell.mark]}{{{number}}}" if cell.mark else number
    shown += rf"\stars{{{cell.stars}}}" if cell.stars else ""
    if cell.low is None or cell.high is None:
        return shown
    low, high = (f"${end:.{column.digits}f}$" for end in (cell.low, cell.high))
    return rf"{shown}\interval{{{low}}}{{{high}}}"
