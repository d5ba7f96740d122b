"""CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def safe_text(value: object) -> object:
    """``value``, with text that a spreadsheet would take for a formula made plain by a leading apostrophe.

    Numbers stay as they are, signed ones in text too; zero has no sign; None and NaN become the empty text.
    """
    if isinstance(value, str):
        harmless = not value.startswith(_FORMULA) or _NUMBER.fullmatch(value)
        return value if harmless else f"'{value}"
    if isinstance(value, float) and value == 0:
        return 0.0
    return "" if pd.isna(value) else value  # type: ignore[call-overload]


def csv_rows(rows: Iterable[Iterable[object]]) -> str:
    """CSV text of the rows, one line each; floats in full precision."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([safe_text(value) for value in row] for row in rows)
    return stream.getvalue()


def csv_text(frame: pd.DataFrame) -> str:
    """CSV text of a frame, with its header."""
    return csv_rows([list(frame.columns), *frame.astype(object).to_numpy().tolist()])
