r"""Tables in LaTeX with siunitx: numbers aligned at the decimal point, with ± and grouped domain columns.

A number in such a column takes no macro with an argument, so best and second are switches here, ``\bestnum``
and ``\secondnum``; a document that defines them first has its way. What a model was trained on stands below.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import ceil, log10

from .latex import ARROWS, SHRINK, comment, escape, note_line
from .tables import BLOCKS, MISSING, Cell, Column, Table, half_width, metric_title, training_lines

WIDEST = 92
"""Characters that a line across both columns of a page holds; further columns go below."""

_GAP = 2
_COLUMN_GAP = {False: 4, True: 9}
"""Half the points between two columns; stars take no width of their own and need more."""
_MACROS = (
    r"\ifdefined\bestnum\else\protected\def\bestnum{\bfseries}\fi",
    r"\ifdefined\secondnum\else\protected\def\secondnum{\itshape}\fi",
    r"\providecommand{\starsnum}[1]{\rlap{\textsuperscript{#1}}}",
)
_SETUP = (
    r"\sisetup{mode=text,reset-text-series=false,reset-text-shape=false,separate-uncertainty=true}"
    r"\renewcommand{\textpm}{\ensuremath{\pm}}\renewcommand{\textminus}{\ensuremath{-}}%"
)
"""Text mode lets a number be bold or italic; its signs come from the font of mathematics."""


def siunitx_tables(tables: Sequence[Table], provenance: str = "") -> str:
    r"""One ``siunitx_table`` below the other, for ``\input``."""
    return "\n\\par\\bigskip\n\n".join(siunitx_table(table, provenance) for table in tables)


def siunitx_table(table: Table, provenance: str = "") -> str:
    r"""A ``tabular`` for ``\input`` inside a table environment.

    Needs booktabs, siunitx (version 3) and graphicx. ± reaches to the farther end of the interval. Notes are
    as in ``latex.latex_table``.

    Args:
        table: What to show.
        provenance: Where the numbers come from; it goes into comment lines at the top.
    """
    about = [table.title, r"made by fesbench; needs \usepackage{booktabs,siunitx,graphicx}", provenance]
    below = [*map(escape, training_lines(table)), *(note_line(note) for note in table.notes if note.mark)]
    parts = [
        line
        for band in _bands(table)
        for line in (r"\setbox0=\hbox{%", *_tabular(table, band), SHRINK + r"\usebox0", r"\par\medskip")
    ][:-1]
    body = [
        comment("\n".join([*about, *(note.text for note in table.notes if not note.mark)])),
        *_MACROS,
        rf"\begingroup\setlength{{\tabcolsep}}{{{_COLUMN_GAP[_has_stars(table)]}pt}}%",
        _SETUP,
        r"\begin{minipage}{\linewidth}\centering",
        *parts,
        *(rf"\par\smallskip{{\footnotesize\raggedright {line}\par}}" for line in below),
        r"\end{minipage}\endgroup",
    ]
    return "\n".join(body) + "\n"


def _has_stars(table: Table) -> bool:
    return any(cell.stars for row in table.cells for cell in row)


def _bands(table: Table) -> Iterator[list[int]]:
    """Columns of whole metrics in as few groups as fit the line."""
    label = max(len(row.label) for row in table.rows)
    band: list[int] = []
    taken = label
    for _, indices in _by_metric(table, range(len(table.columns))):
        needed = sum(_GAP + _characters(table, index) for index in indices)
        if band and taken + needed > WIDEST:
            yield band
            band, taken = [], label
        band += indices
        taken += needed
    yield band


def _by_metric(table: Table, indices: Sequence[int]) -> Iterator[tuple[str, list[int]]]:
    for metric, group in groupby(indices, key=lambda index: table.columns[index].metric):
        yield metric, list(group)


def _characters(table: Table, index: int) -> int:
    column = table.columns[index]
    longest = max(len(_number(row[index], column).replace(" +- ", " ± ")) for row in table.cells)
    return max(longest, len(column.domain_title))


def _tabular(table: Table, band: Sequence[int]) -> Iterator[str]:
    formats = "".join(f"S[table-format={_format(table, index)}]" for index in band)
    yield rf"\begin{{tabular}}{{@{{}}l{formats}@{{}}}}"
    yield r"\toprule"
    yield from _header(table, band)
    yield r"\midrule"
    for position, (block, members) in enumerate(table.blocks()):
        if position:
            yield r"\midrule"
        if BLOCKS[block]:
            title = rf"\textit{{\footnotesize {escape(BLOCKS[block])}}}"
            yield rf"\multicolumn{{{1 + len(band)}}}{{@{{}}l}}{{{title}}} \\"
        for i in members:
            row = table.rows[i]
            label = escape(row.label) + (rf"\textsuperscript{{{row.note}}}" if row.note else "")
            yield " & ".join([label, *(_cell(table.cells[i][j], table.columns[j]) for j in band)]) + r" \\"
    yield r"\bottomrule"
    yield r"\end{tabular}}%"


def _header(table: Table, band: Sequence[int]) -> Iterator[str]:
    """Metrics, and below them, where there are several, their domains, tied together by a rule."""
    groups = list(_by_metric(table, band))
    heads = [
        rf"\multicolumn{{{len(indices)}}}{{c}}{{{_head(table.columns[indices[0]])}}}" for _, indices in groups
    ]
    corner = escape(table.kind)
    if not table.has_domains:
        yield " & ".join([corner, *heads]) + r" \\"
        return
    yield " & ".join(["", *heads]) + r" \\"
    starts = [2 + sum(len(indices) for _, indices in groups[:k]) for k in range(len(groups))]
    yield "".join(
        rf"\cmidrule(lr){{{start}-{start + len(indices) - 1}}}"
        for start, (_, indices) in zip(starts, groups, strict=True)
    )
    yield " & ".join([corner, *(f"{{{escape(table.columns[j].domain_title)}}}" for j in band)]) + r" \\"


def _head(column: Column) -> str:
    return f"{escape(metric_title(column.metric))}{ARROWS[column.direction]}"


def _format(table: Table, index: int) -> str:
    """Digits before and after the point, with room for a sign and for the uncertainty."""
    column = table.columns[index]
    cells = [row[index] for row in table.cells if row[index].display != MISSING]
    whole = max((len(cell.display.lstrip("+-").partition(".")[0]) for cell in cells), default=1)
    sign = "+" if any(cell.display.startswith(("-", "+")) for cell in cells) else ""
    halves = [reach for cell in cells if (reach := half_width(cell)) is not None]
    digits = max((_digits(reach, column.digits) for reach in halves), default=0)
    return f"{sign}{whole}.{column.digits}" + (f"({digits})" if digits else "")


def _digits(reach: float, decimals: int) -> int:
    """Digits of an uncertainty in units of the last decimal."""
    return max(1, ceil(log10(round(reach * 10**decimals) + 1)))


def _number(cell: Cell, column: Column) -> str:
    reach = half_width(cell)
    return cell.display if reach is None else f"{cell.display} +- {reach:.{column.digits}f}"


def _cell(cell: Cell, column: Column) -> str:
    if cell.display == MISSING:
        return r"{\textendash{}" + (rf"\textsuperscript{{{cell.note}}}" if cell.note else "") + "}"
    switch = rf"\{cell.mark}num " if cell.mark else ""
    stars = rf" {{\starsnum{{{cell.stars}}}}}" if cell.stars else ""
    return f"{switch}{_number(cell, column)}{stars}"
