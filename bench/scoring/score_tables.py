"""Reading tables of scores from Parquet files of anyone: what they unfold to is checked before.

Parquet stores repeated values once, so that a file of a few megabytes can stand for any amount of text.
"""

from __future__ import annotations

from io import BytesIO
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from .score_rows import SCORES

MOST_ROWS = 20_000_000
"""A run of 100,000 outputs and ten columns of scores has a million."""
LARGEST = 4 * 2**30
"""Bytes that the values of a table may take up."""

_TEXTS = [field.name for field in SCORES if field.type == pa.string()]


class ScoreTable(NamedTuple):
    """Rows with the columns of ``SCORES``, and the metadata of their file."""

    rows: pd.DataFrame
    metadata: dict[bytes, bytes]


def read_score_table(content: bytes) -> ScoreTable:
    """Read a table of scores.

    Args:
        content: Of a Parquet file.

    Raises:
        ValueError: it would unfold to more than ``MOST_ROWS`` rows or ``LARGEST`` bytes.
        ArrowException, OSError: it is damaged, or has other columns.
    """
    with pq.ParquetFile(BytesIO(content), read_dictionary=_TEXTS) as file:
        found = file.metadata
        _check(found.num_rows, MOST_ROWS, "rows")
        _check(sum(found.row_group(i).total_byte_size for i in range(found.num_row_groups)), LARGEST, "bytes")
        table = file.read()
    _check(sum(map(_size, table.columns)), LARGEST, "bytes")
    return ScoreTable(table.cast(SCORES).to_pandas(), dict(table.schema.metadata or {}))


def _check(found: int, limit: int, unit: str) -> None:
    if found > limit:
        raise ValueError(f"it would unfold to {found} {unit}, and {limit} are allowed")


def _size(column: pa.ChunkedArray) -> int:
    """Return the bytes of a column where every value is written out."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    return sum(
        pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)).as_py() or 0
        for chunk in column.chunks
    )
