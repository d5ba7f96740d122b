r"""Tables in LaTeX with siunitx: numbers aligned at the decimal point, with ± and grouped domain columns.

A number in such a column takes no macro with an argument, so best and second are switches here, ``\bestnum``
and ``\secondnum``; a document that defines them first has its way. What a model was trained on stands below.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log10

from ..tables.table import MISSING, Cell, Column, Table, half_width
from .latex import head_comment, stacked

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
    r"""Return a ``tabular``, or several below each other, for ``\input``.

    Needs booktabs, siunitx (version 3) and graphicx. ± reaches to the farther end of the interval. Notes are
    as in ``latex.latex_table``.

    Args:
        table: What to show.
        provenance: Where the numbers come from; it goes into comment lines at the top.
    """
    body = [
        head_comment(table, "booktabs,siunitx,graphicx", provenance),
        *_MACROS,
        rf"\begingroup\setlength{{\tabcolsep}}{{{_COLUMN_GAP[_has_stars(table)]}pt}}%",
        _SETUP,
        *stacked(table, _Siunitx()),
        r"\endgroup",
    ]
    return "\n".join(body) + "\n"


def _has_stars(table: Table) -> bool:
    return any(cell.stars for row in table.cells for cell in row)


class _Siunitx:
    """Numbers aligned at the decimal point, with ±."""

    def kind(self, table: Table, index: int) -> str:
        return f"S[table-format={_format(table, index)}]"

    def number(self, cell: Cell, column: Column) -> str:
        switch = rf"\{cell.mark}num " if cell.mark else ""
        stars = rf" {{\starsnum{{{cell.stars}}}}}" if cell.stars else ""
        return f"{switch}{_number(cell, column)}{stars}"

    def characters(self, cell: Cell, column: Column) -> int:
        return len(_number(cell, column).replace(" +- ", " ± "))


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
