"""The columns of rows of scores. Importing this loads no network library."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

SCORES = pa.schema(
    [
        (name, pa.string())
        for name in ("generator", "dataset", "domain", "subject", "edit", "source", "target", "metric")
    ]
    + [("value", pa.float64()), ("reason", pa.string())]
)


def concatenate(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the rows of several parts in order, with the columns of ``SCORES``."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else SCORES.empty_table().to_pandas()
