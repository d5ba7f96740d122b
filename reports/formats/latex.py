r"""Tables in LaTeX: booktabs only, with macros that a paper can redefine.

The tables start with ``\providecommand`` for ``\best``, ``\secondbest`` and ``\interval``; a document
that defines them first has its way (``\second`` is a unit of siunitx, and an error where that is loaded).
Type is 8 pt, intervals 7 pt. A table wider than the line shrinks where graphicx is loaded, until its smallest
type has 6 pt; what does not fit side by side stands below, and a page can end between the parts. No character
that babel makes active is used as one of TeX's own. Everything that users control is escaped.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Literal, Protocol

from ..tables.table import BLOCKS, MISSING, Cell, Column, Note, Table, ends, metric_title, training_lines

ARROWS = {"higher": r" $\uparrow$", "lower": r" $\downarrow$", None: ""}

_MACROS = (
    r"\providecommand{\best}[1]{\textbf{#1}}",
    r"\providecommand{\secondbest}[1]{\underline{#1}}",
    r"\providecommand{\interval}[2]{\,{\fontsize{7}{8}\selectfont[#1,\,#2]}}",
    r"\providecommand{\stars}[1]{\raisebox{0.5ex}{\fontsize{7}{7}\selectfont#1}}",
)
_NAMES = {"best": "best", "second": "secondbest"}
Width = Literal["one", "two"]
"""One column of a two-column page, or both."""
WIDEST: Mapping[Width, int] = {"one": 62, "two": 124}
"""Characters that a line holds; further columns go below."""

_GAP = 2
_LEGEND = (
    "Best in bold, second underlined, by displayed values, among models with the same training data."
    r"\par"
)
_SMALLEST = 0.857
"""The factor that makes 6 pt of 7 pt."""
_BEGIN = (
    r"\ifcsname TPTsav@tabular\endcsname"
    r"\ifcsname TPT@docapt\endcsname\csname TPT@docapt\endcsname\vskip.2\baselineskip\fi"
    r"\expandafter\xdef\csname TPT@hsize\endcsname{\hsize\the\linewidth}\fi%%"
    "\n"
    r"\begingroup\fontsize{8}{9.5}\selectfont\setlength{\tabcolsep}{%gpt}%%"
    "\n"
    r"\ifcsname TPTsav@tabular\endcsname\expandafter\let\expandafter\tabular\csname TPTsav@tabular\endcsname"
    r"\expandafter\let\expandafter\endtabular\csname TPTsav@endtabular\endcsname\fi"
)
"""Starts the group of a table. threeparttable's measuring of tabulars would end in the box of ours, so it is
undone, and what it does besides is done here: it sets the caption, and the width for what stands below."""
_PLACE = (
    r"\ifdim\wd0\string>\linewidth\ifdefined\scalebox"
    rf"\ifdim{_SMALLEST}\wd0\string>\linewidth\setbox0\hbox{{\scalebox{{{_SMALLEST}}}{{\usebox0}}}}"
    r"\else\setbox0\hbox{\resizebox{\linewidth}{!}{\usebox0}}\fi\fi\fi"
    r"\par\noindent\makebox[\linewidth]{\usebox0}\par"
)
"""Sets box 0 in the middle of the line, shrunk to its width, but to no type below 6 pt."""
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
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "≠": r"$\neq$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "·": r"$\cdot$",
    "…": r"\ldots{}",
    "°": r"\textdegree{}",
    "³": r"$^3$",
    "←": r"$\leftarrow$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "′": "'",
    "µ": r"$\mu$",
    "ς": r"$\varsigma$",
    "Ł": r"\L{}",
    "ł": r"\l{}",
    "Ø": r"\O{}",
    "ø": r"\o{}",
    "ß": r"\ss{}",
}
_GREEK = frozenset(
    [
        *(
            "alpha",
            "beta",
            "gamma",
            "delta",
            "epsilon",
            "zeta",
            "eta",
            "theta",
            "iota",
            "kappa",
            "lamda",
            "mu",
        ),
        *("nu", "xi", "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega"),
    ]
)
_GREEK_CAPITALS = frozenset(
    ["gamma", "delta", "theta", "lamda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"]
)
_LAST_LATIN = 0x17F
_LATIN_TWINS = {
    "alpha": "A", "beta": "B", "epsilon": "E", "zeta": "Z", "eta": "H", "iota": "I", "kappa": "K", "mu": "M",
    "nu": "N", "omicron": "O", "rho": "P", "tau": "T", "chi": "X",
}  # fmt: skip
"""Greek capitals that look like Latin ones have no command."""
_WITHOUT_GLYPH = frozenset("ÐÞðþĄąĐđĘęĦħĮįĸĿŀŉŊŋŦŧŲųſ")
"""Latin letters that a document without fontenc's T1 stops at."""


def escape(text: str) -> str:
    """``text`` for the body of a LaTeX document: printed as it is, never executed.

    Line breaks and control characters become spaces, Greek letters commands of mathematics, accented letters
    for which pdfLaTeX has no glyph in its default encoding lose the accent. XeLaTeX and LuaLaTeX print other
    letters as they are, pdfLaTeX their code point.
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
    return _greek(character) or _without_accent(character) or _by_engine(character)


def _greek(character: str) -> str:
    """Return the command of a Greek letter; empty for another character."""
    kind, _, name = unicodedata.name(character, "").partition(" LETTER ")
    name = name.lower().removesuffix(" with tonos")
    if kind == "GREEK SMALL":
        command = name.replace("lamda", "lambda")
        return "o" if name == "omicron" else rf"$\{command}$" if name in _GREEK else ""
    if kind != "GREEK CAPITAL":
        return ""
    if name in _GREEK_CAPITALS:
        return rf"$\{name.replace('lamda', 'lambda').capitalize()}$"
    return _LATIN_TWINS.get(name, "")


def _without_accent(character: str) -> str:
    """Return the ASCII letter under an accent; empty where there is none."""
    bare = unicodedata.normalize("NFKD", character)[0]
    return bare if bare.isascii() and bare.isalnum() else ""


def _by_engine(character: str) -> str:
    code = rf"\texttt{{U+{ord(character):04X}}}"
    return rf"\ifdefined\Umathchar {character}\else{code}\fi{{}}" if character.isalpha() else code


def comment(text: str) -> str:
    """``text`` as LaTeX comment lines; nothing in it can end the comment early."""
    lines = text.splitlines() or [""]
    return "\n".join("% " + "".join(c if c.isprintable() else " " for c in line) for line in lines)


class Flavour(Protocol):
    """How numbers are set: what the two kinds of LaTeX tables do not share."""

    def kind(self, table: Table, index: int) -> str:
        """Return the kind of a column, for the head of the ``tabular``."""
        ...

    def numbers(self, table: Table, index: int) -> list[str]:
        """Return the cells of a column, from the first row on, with a dash where there is no number."""
        ...

    def characters(self, cell: Cell, column: Column) -> int:
        """Return how much room a cell takes, in characters."""
        ...


def signed(number: str) -> str:
    """Return a number with its sign, but not its point, in the font of mathematics: babel may change that."""
    return f"${number[0]}$" + number[1:] if number.startswith(("-", "+")) else number


def interval(cell: Cell, column: Column) -> str:
    r"""Return ``\interval`` with the ends of a cell's interval; empty without one."""
    found = ends(cell, column)
    return "" if found is None else rf"\interval{{{signed(found[0])}}}{{{signed(found[1])}}}"


def dash(cell: Cell) -> str:
    """Return what stands in the place of a number."""
    return rf"{{\textendash{{}}{_superscript(cell.note)}}}"


def _behind(cell: Cell, column: Column) -> str:
    return (rf"\stars{{{cell.stars}}}" if cell.stars else "") + interval(cell, column)


def _number(cell: Cell) -> str:
    if cell.display == MISSING:
        return dash(cell)
    number = signed(cell.display)
    return rf"\{_NAMES[cell.mark]}{{{number}}}" if cell.mark else number


def _padded(own: str, widest: str) -> str:
    """Return what stands behind a number, as wide as the widest of its column: numbers stay below numbers."""
    if own == widest:
        return own
    return (rf"\rlap{{{own}}}" if own else "") + rf"\phantom{{{widest}}}"


def characters(cell: Cell, column: Column) -> int:
    """Return how much room a cell takes, in characters."""
    found = ends(cell, column)
    return len(cell.display) + (0 if found is None else round(0.85 * (2 + sum(map(len, found)))))


class _Plain:
    """Numbers to the right, the interval small behind them."""

    def kind(self, table: Table, index: int) -> str:
        return "r"

    def numbers(self, table: Table, index: int) -> list[str]:
        cells = [row[index] for row in table.cells]
        behind = [_behind(cell, table.columns[index]) for cell in cells]
        widest = max(behind, key=len)
        return [_number(cell) + _padded(own, widest) for cell, own in zip(cells, behind, strict=True)]

    def characters(self, cell: Cell, column: Column) -> int:
        return characters(cell, column)


def begin(gap: int) -> str:
    """Return the start of a table's group, with half of the points between two columns."""
    return _BEGIN % gap


def latex_table(table: Table, provenance: str = "", columns: Width = "two") -> str:
    r"""Return a ``tabular``, or several below each other, for ``\input``; needs the booktabs package.

    Below stand what models were trained on, and footnotes that cells and rows refer to; the other notes are
    comments at the top, for the caption.

    Args:
        table: What to show.
        provenance: Where the numbers come from; it goes into comment lines at the top.
        columns: Whether it is set in one column of a page or across two.
    """
    body = [
        head_comment(table, "booktabs", provenance),
        *_MACROS,
        begin(4),
        *stacked(table, _Plain(), columns),
        r"\endgroup",
    ]
    return "\n".join(body) + "\n"


def head_comment(table: Table, packages: str, provenance: str) -> str:
    """Yield the comment lines over a table: title, packages, origin, and notes for the caption."""
    about = [table.title, rf"made by fesbench; needs \usepackage{{{packages}}}", provenance]
    return comment("\n".join([*about, *(note.text for note in table.notes if not note.mark)]))


def latex_tables(tables: Sequence[Table], provenance: str = "", columns: Width = "two") -> str:
    r"""One ``latex_table`` below the other, for ``\input``."""
    return "\n\\par\\bigskip\n\n".join(latex_table(table, provenance, columns) for table in tables)


def note_line(note: Note) -> str:
    """Return a footnote as a line, behind its letter where it has one."""
    return (_superscript(note.mark) + r"\," if note.mark else "") + escape(note.text)


def latex_document(tables: Sequence[Table], provenance: str = "", columns: Width = "two") -> str:
    """Return a document of its own with the tables and their footnotes, one after the other."""
    parts = [
        "\n".join(
            [
                rf"\section*{{{escape(table.title)}}}",
                r"\noindent",
                latex_table(table, provenance, columns).rstrip(),
                rf"\par\medskip\noindent{{\footnotesize {_LEGEND if table.has_marks else ''}",
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


def stacked(table: Table, flavour: Flavour, columns: Width = "two") -> Iterator[str]:
    """Yield the lines of LaTeX of a table: as many parts as the width asks for, then its footnotes."""
    bands = list(_bands(table, flavour, WIDEST[columns]))
    for number, band in enumerate(bands):
        if number:
            yield r"\medskip"
        yield r"\setbox0\hbox{%"
        yield from _tabular(table, band, flavour)
        yield _PLACE
    parts = [f"In {len(bands)} parts, one below the other, to fit the width."] if len(bands) > 1 else []
    marked = [note_line(note) for note in table.notes if note.mark]
    below = [*map(escape, [*parts, *_block_lines(table), *training_lines(table)]), *marked]
    yield from (rf"\smallskip{{\raggedright\noindent {line}\par}}" for line in below)


def _block_lines(table: Table) -> Iterator[str]:
    """Yield what the titles of the blocks mean: too long for a narrow table."""
    return (f"{BLOCKS[block].capitalize()}." for block, _ in table.blocks() if BLOCKS[block])


def _bands(table: Table, flavour: Flavour, widest: int) -> Iterator[list[int]]:
    """Columns in as few groups as fit the line: whole metrics, and parts of one that alone is too wide."""
    label = max(len(row.label) for row in table.rows)
    widths = [_GAP + _characters(table, index, flavour) for index in range(len(table.columns))]
    band: list[int] = []
    taken = label
    for metric, indices in _by_metric(table, range(len(table.columns))):
        for part in _parts(indices, widths, widest - label):
            needed = max(_needed(part, widths), _GAP + len(metric_title(metric)))
            if band and taken + needed > widest:
                yield band
                band, taken = [], label
            band += part
            taken += needed
    yield band


def _parts(indices: Sequence[int], widths: Sequence[int], room: int) -> Iterator[list[int]]:
    part: list[int] = []
    for index in indices:
        if part and _needed([*part, index], widths) > room:
            yield part
            part = []
        part.append(index)
    yield part


def _needed(indices: Sequence[int], widths: Sequence[int]) -> int:
    return sum(widths[index] for index in indices)


def _by_metric(table: Table, indices: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    for metric, group in groupby(indices, key=lambda index: table.columns[index].metric):
        yield metric, list(group)


def _characters(table: Table, index: int, flavour: Flavour) -> int:
    column = table.columns[index]
    heading = column.domain_title if table.has_domains else ""
    return max(len(heading), *(flavour.characters(row[index], column) for row in table.cells))


def _tabular(table: Table, band: Sequence[int], flavour: Flavour) -> Iterator[str]:
    kinds = "".join(flavour.kind(table, index) for index in band)
    lines = list(zip(*(flavour.numbers(table, index) for index in band), strict=True))
    yield rf"\begin{{tabular}}{{@{{}}l{kinds}@{{}}}}"
    yield r"\toprule"
    yield from _header(table, band)
    for block, members in table.blocks():
        yield r"\midrule"
        if BLOCKS[block]:
            title = rf"\textit{{{escape(BLOCKS[block].partition(':')[0])}}}"
            yield rf"\multicolumn{{{1 + len(band)}}}{{@{{}}l}}{{{title}}} \\"
        for i in members:
            label = escape(table.rows[i].label) + _superscript(table.rows[i].note)
            yield " & ".join([label, *lines[i]]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}}%"


def _header(table: Table, band: Sequence[int]) -> Iterator[str]:
    """Metrics above their units, and below them, where there are several, their domains, tied by a rule."""
    groups = [indices for _, indices in _by_metric(table, band)]
    widths = [len(indices) for indices in groups]
    firsts = [table.columns[indices[0]] for indices in groups]
    names = [f"{escape(metric_title(column.metric))}{ARROWS[column.direction]}" for column in firsts]
    units = [escape(column.unit) for column in firsts]
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
    return rf"\raisebox{{0.5ex}}{{\fontsize{{7}}{{7}}\selectfont {mark}}}" if mark else ""
