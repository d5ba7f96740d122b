r"""Tables in LaTeX: booktabs only, with macros that a paper can redefine.

The tables start with ``\providecommand`` for ``\best``, ``\secondbest`` and ``\interval``; a document
that defines them first has its way (``\second`` is a unit of siunitx, and an error where that is loaded). A
table wider than the line shrinks to it where graphicx is loaded; metrics that do not fit side by side stand
below each other, and a page can end between them. Everything that users control is escaped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

from ..tables.table import BLOCKS, MISSING, Cell, Column, Note, Table, metric_title, training_lines

ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", None: ""}

_MACROS = (
    r"\providecommand{\best}[1]{\textbf{#1}}",
    r"\providecommand{\secondbest}[1]{\underline{#1}}",
    r"\providecommand{\interval}[2]{\,{\tiny[#1,\,#2]}}",
    r"\providecommand{\stars}[1]{\textsuperscript{#1}}",
)
_NAMES = {"best": "best", "second": "secondbest"}
WIDEST = 92
"""Characters that a line across both columns of a page holds; further columns go below."""

_GAP = 2
_PLACE = (
    r"\ifdim\wd0>\linewidth\ifdefined\resizebox"
    r"\setbox0=\hbox{\resizebox{\linewidth}{!}{\usebox0}}\fi\fi"
    r"\par\noindent\makebox[\linewidth]{\usebox0}\par"
)
"""Sets box 0 in the middle of the line, as wide as that where it is wider."""
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
_WITHOUT_GLYPH = frozenset("ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")
"""Latin letters that a document without fontenc's T1 stops at."""


def escape(text: str) -> str:
    """``text`` for the body of a LaTeX document: printed as it is, never executed.

    Line breaks and control characters become spaces; letters for which pdfLaTeX has no glyph in its default
    encoding, such as those beyond Latin, become their code point.
    """
    return "".join(map(_escape, unicodedata.normalize("NFC", text)))


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if " " <= character <= "~":
        return character
    if unicodedata.category(character).startswith(("C", "Z")):
        return " "
    if character.isalpha() and ord(character) <= _LAST_LATIN and character not in _WITHOUT_GLYPH:
        return character
    return rf"\texttt{{U+{ord(character):04X}}}"


def comment(text: str) -> str:
    """``text`` as LaTeX comment lines; nothing in it can end the comment early."""
    lines = text.splitlines() or [""]
    return "\n".join("% " + "".join(c if c.isprintable() else " " for c in line) for line in lines)


class Flavour(Protocol):
    """How numbers are set: what the two kinds of LaTeX tables do not share."""

    def kind(self, table: Table, index: int) -> str:
        """Return the kind of a column, for the head of the ``tabular``."""
        ...

    def number(self, cell: Cell, column: Column) -> str:
        """Return a cell that has a number."""
        ...

    def characters(self, cell: Cell, column: Column) -> int:
        """Return how much room a cell takes, in characters."""
        ...


class _Plain:
    """Numbers to the right, the interval small behind them."""

    def kind(self, table: Table, index: int) -> str:
        return "r"

    def number(self, cell: Cell, column: Column) -> str:
        number = f"${cell.display}$" if cell.display.startswith(("-", "+")) else cell.display
        shown = rf"\{_NAMES[cell.mark]}{{{number}}}" if cell.mark else number
        shown += rf"\stars{{{cell.stars}}}" if cell.stars else ""
        if cell.low is None or cell.high is None:
            return shown
        low, high = (f"${end:.{column.digits}f}$" for end in (cell.low, cell.high))
        return rf"{shown}\interval{{{low}}}{{{high}}}"

    def characters(self, cell: Cell, column: Column) -> int:
        if cell.low is None or cell.high is None:
            return len(cell.display)
        interval = f"[{cell.low:.{column.digits}f}, {cell.high:.{column.digits}f}]"
        return len(cell.display) + len(interval) // 2  # half the size


def latex_table(table: Table, provenance: str = "") -> str:
    r"""Return a ``tabular``, or several below each other, for ``\input``; needs the booktabs package.

    Below stand what models were trained on, and footnotes that cells and rows refer to; the other notes are
    comments at the top, for the caption.

    Args:
        table: What to show.
        provenance: Where the numbers come from; it goes into comment lines at the top.
    """
    body = [
        head_comment(table, "booktabs", provenance),
        *_MACROS,
        r"\begingroup\setlength{\tabcolsep}{4pt}%",
        *stacked(table, _Plain()),
        r"\endgroup",
    ]
    return "\n".join(body) + "\n"


def head_comment(table: Table, packages: str, provenance: str) -> str:
    """Yield the comment lines over a table: title, packages, origin, and notes for the caption."""
    about = [table.title, rf"made by fesbench; needs \usepackage{{{packages}}}", provenance]
    return comment("\n".join([*about, *(note.text for note in table.notes if not note.mark)]))


def latex_tables(tables: Sequence[Table], provenance: str = "") -> str:
    r"""One ``latex_table`` below the other, for ``\input``."""
    return "\n\\par\\bigskip\n\n".join(latex_table(table, provenance) for table in tables)


def note_line(note: Note) -> str:
    """Return a footnote as a line, behind its letter where it has one."""
    return (rf"\textsuperscript{{{note.mark}}}\," if note.mark else "") + escape(note.text)


def latex_document(tables: Sequence[Table], provenance: str = "") -> str:
    """Return a document of its own with the tables and their footnotes, one after the other."""
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


def stacked(table: Table, flavour: Flavour) -> Iterator[str]:
    """Yield the lines of LaTeX of a table: as many parts as the width asks for, then its footnotes."""
    for number, band in enumerate(_bands(table, flavour)):
        if number:
            yield r"\medskip"
        yield r"\setbox0=\hbox{%"
        yield from _tabular(table, band, flavour)
        yield _PLACE
    below = [*map(escape, training_lines(table)), *(note_line(note) for note in table.notes if note.mark)]
    yield from (rf"\smallskip{{\footnotesize\raggedright\noindent {line}\par}}" for line in below)


def _bands(table: Table, flavour: Flavour) -> Iterator[list[int]]:
    """Columns of whole metrics in as few groups as fit the line."""
    label = max(len(row.label) for row in table.rows)
    band: list[int] = []
    taken = label
    for metric, indices in _by_metric(table, range(len(table.columns))):
        columns = sum(_GAP + _characters(table, index, flavour) for index in indices)
        needed = max(columns, _GAP + len(metric_title(metric)))
        if band and taken + needed > WIDEST:
            yield band
            band, taken = [], label
        band += indices
        taken += needed
    yield band


def _by_metric(table: Table, indices: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    for metric, group in groupby(indices, key=lambda index: table.columns[index].metric):
        yield metric, list(group)


def _characters(table: Table, index: int, flavour: Flavour) -> int:
    column = table.columns[index]
    heading = column.domain_title if table.has_domains else ""
    return max(len(heading), *(flavour.characters(row[index], column) for row in table.cells))


def _tabular(table: Table, band: Sequence[int], flavour: Flavour) -> Iterator[str]:
    kinds = "".join(flavour.kind(table, index) for index in band)
    yield rf"\begin{{tabular}}{{@{{}}l{kinds}@{{}}}}"
    yield r"\toprule"
    yield from _header(table, band)
    for block, members in table.blocks():
        yield r"\midrule"
        if BLOCKS[block]:
            title = rf"\textit{{\footnotesize {escape(BLOCKS[block])}}}"
            yield rf"\multicolumn{{{1 + len(band)}}}{{@{{}}l}}{{{title}}} \\"
        for i in members:
            label = escape(table.rows[i].label) + _superscript(table.rows[i].note)
            cells = [_cell(table.cells[i][j], table.columns[j], flavour) for j in band]
            yield " & ".join([label, *cells]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}}%"


def _header(table: Table, band: Sequence[int]) -> Iterator[str]:
    """Metrics above their units, and below them, where there are several, their domains, tied by a rule."""
    groups = [indices for _, indices in _by_metric(table, band)]
    widths = [len(indices) for indices in groups]
    firsts = [table.columns[indices[0]] for indices in groups]
    names = [f"{escape(metric_title(column.metric))}{ARROWS[column.direction]}" for column in firsts]
    units = [rf"\footnotesize {escape(column.unit)}" for column in firsts]
    corner = escape(table.kind)
    yield " & ".join(["" if table.has_domains else corner, *map(_centred, names, widths)]) + r" \\"
    yield " & ".join(["", *map(_centred, units, widths)]) + r" \\"
    if table.has_domains:
        ends = [1 + sum(widths[: k + 1]) for k in range(len(widths))]
        rules = [f"{end - width + 1}-{end}" for end, width in zip(ends, widths, strict=True)]
        yield "".join(rf"\cmidrule(lr){{{rule}}}" for rule in rules)
        domains = [escape(table.columns[index].domain_title) for index in band]
        yield " & ".join([corner, *map(_centred, domains)]) + r" \\"


def _centred(text: str, width: int = 1) -> str:
    return rf"\multicolumn{{{width}}}{{c}}{{{text}}}"


def _superscript(mark: str) -> str:
    return rf"\textsuperscript{{{mark}}}" if mark else ""


def _cell(cell: Cell, column: Column, flavour: Flavour) -> str:
    if cell.display == MISSING:
        return rf"{{\textendash{{}}{_superscript(cell.note)}}}"
    return flavour.number(cell, column)
