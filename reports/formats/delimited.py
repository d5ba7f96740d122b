"""CSV that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

import pandas as pd

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def safe_text(value: object) -> object:
    """``value``, with text that a spreadsheet would take for a formula made plain by a leading apostrophe.

    Numbers stay as they are; None and NaN become the empty text.
    """
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA) else value
    return "" if pd.isna(value) else value  # type: ignore[call-overload]


def csv_rows(rows: Iterable[Iterable[object]]) -> str:
    """CSV text of the rows, one line each; floats in full precision."""
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([safe_text(value) for value in row] for row in rows)
    return stream.getvalue()


def csv_text(frame: pd.DataFrame) -> str:
    """CSV text of a frame, with its header."""
    return csv_rows([list(frame.columns), *frame.astype(object).to_numpy().tolist()])
