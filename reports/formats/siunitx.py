r"""Tables in LaTeX with siunitx: numbers aligned at the decimal point, their intervals behind them.

A number in such a column takes no macro with an argument, so best and second are switches here, ``\bestnum``
and ``\secondnum``; a document that defines them first has its way. What a model was trained on stands below.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..tables.table import MISSING, Cell, Column, Table
from .latex import Width, begin, characters, dash, head_comment, interval, stacked

_MACROS = (
    r"\ifdefined\bestnum\else\protected\def\bestnum{\bfseries}\fi",
    r"\ifdefined\secondnum\else\protected\def\secondnum{\itshape}\fi",
    r"\providecommand{\interval}[2]{\,{\fontsize{7}{8}\selectfont[#1,\,#2]}}",
    r"\providecommand{\starsnum}[1]{\raisebox{0.5ex}{\fontsize{7}{7}\selectfont#1}}",
)
_VERSION_3 = "2021/05/17"
_SETUP = (
    rf"\csname @ifpackagelater\endcsname{{siunitx}}{{{_VERSION_3}}}"
    r"{\sisetup{mode=text,reset-text-series=false,reset-text-shape=false}}"
    r"{\sisetup{mode=text,detect-weight=true,detect-shape=true,detect-inline-weight=text}}%"
    "\n"
    r"\sisetup{output-decimal-marker={.},retain-explicit-plus=true}\renewcommand{\textminus}{\ensuremath{-}}%"
)
"""Text mode lets a number be bold or italic; its sign comes from the font of mathematics.

Version 2 of siunitx has other keys for it than version 3.
"""


def siunitx_tables(tables: Sequence[Table], provenance: str = "", columns: Width = "two") -> str:
    r"""One ``siunitx_table`` below the other, for ``\input``."""
    return "\n\\par\\bigskip\n\n".join(siunitx_table(table, provenance, columns) for table in tables)


def siunitx_table(table: Table, provenance: str = "", columns: Width = "two") -> str:
    r"""Return a ``tabular``, or several below each other, for ``\input``.

    Needs booktabs, siunitx (version 2 or 3) and graphicx. Notes are as in ``latex.latex_table``.

    Args:
        table: What to show.
        provenance: Where the numbers come from; it goes into comment lines at the top.
        columns: Whether it is set in one column of a page or across two.
    """
    body = [
        head_comment(table, "booktabs,siunitx,graphicx", provenance),
        *_MACROS,
        begin(4),
        _SETUP,
        *stacked(table, _Siunitx(), columns),
        r"\endgroup",
    ]
    return "\n".join(body) + "\n"


class _Siunitx:
    """Numbers aligned at the decimal point."""

    def kind(self, table: Table, index: int) -> str:
        behind = max((_behind(row[index], table.columns[index]) for row in table.cells), key=len)
        space = f",table-space-text-post={{{behind}}}" if behind else ""
        return f"S[table-format={_format(table, index)}{space}]"

    def numbers(self, table: Table, index: int) -> list[str]:
        return [_number(row[index], table.columns[index]) for row in table.cells]

    def characters(self, cell: Cell, column: Column) -> int:
        return characters(cell, column)


def _number(cell: Cell, column: Column) -> str:
    if cell.display == MISSING:
        return dash(cell)
    switch = rf"\{cell.mark}num " if cell.mark else ""
    behind = _behind(cell, column)
    return f"{switch}{cell.display}" + (f" {{{behind}}}" if behind else "")


def _behind(cell: Cell, column: Column) -> str:
    """Return what stands behind the number, never in its bold or italics: stars, then the interval."""
    if cell.display == MISSING:
        return ""
    shown = (rf"\starsnum{{{cell.stars}}}" if cell.stars else "") + interval(cell, column)
    return shown and rf"\mdseries\upshape{shown}"


def _format(table: Table, index: int) -> str:
    """Digits before and after the point, with room for a sign."""
    column = table.columns[index]
    shown = [row[index].display for row in table.cells if row[index].display != MISSING]
    whole = max((len(text.lstrip("+-").partition(".")[0]) for text in shown), default=1)
    sign = "+" if any(text.startswith(("-", "+")) for text in shown) else ""
    return f"{sign}{whole}.{column.digits}"
