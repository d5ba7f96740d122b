"""Stored results of shards: rows of scores, and features of outputs, sources and truths.

``scores/<dataset>/<generator>/part-NNNNN.parquet`` holds the rows of one shard, the ``.npz`` of the same name
its features, and ``scores/<dataset>/references-NNNNN.npz`` the features of its sources and truths.

Rows carry a digest of their own in the metadata of their file, arrays the checksums of their archive. A file
that does not agree with them counts as missing, so that its shard is computed again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core.arrays import read_arrays
from ...core.names import safe_name
from ...core.reasons import WITHOUT_OUTPUT, have_reason
from ...scoring.score_rows import SCORES, concatenate
from ...scoring.score_tables import read_score_table
from .storage import Storage

Features = dict[str, NDArray[np.float32]]

LARGEST = 2**30
"""Bytes of the features of a shard; 64 outputs have a few megabytes."""


class _Part(NamedTuple):
    """The rows of a shard, and what is stored beside them."""

    rows: pd.DataFrame
    stored: dict[str, Any]


class ShardParts:
    """Read and write the results of shards.

    Args:
        storage: The storage of the run.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def scored_metrics(self, generator: str, dataset: str, shard: int) -> frozenset[str]:
        """Return the ids of the metrics that a shard has been scored by.

        Empty where a file of the shard is missing or damaged, and where an edit had no output: such a shard
        is computed again.
        """
        return self._metrics_in(_rows_key(generator, dataset, shard))

    def any_scored(self, generator: str | None = None, metric: str | None = None) -> bool:
        """Return whether any shard has final scores, of a generator or by a metric where these are given."""
        keys = self._storage.list(f"scores/*/{safe_name(generator) if generator else '*'}/part-*.parquet")
        found = (self._metrics_in(key) for key in keys)
        return any(metric in metrics if metric else metrics for metrics in found)

    def _metrics_in(self, key: str) -> frozenset[str]:
        stored = self._read_part(key).stored
        features_lost = stored.get("features") and self._read_arrays(_features_key(key)) is None
        return frozenset() if stored.get("failed") or features_lost else frozenset(stored.get("metrics", ()))

    def write_rows(
        self, generator: str, dataset: str, shard: int, rows: pd.DataFrame, metrics: frozenset[str]
    ) -> None:
        """Store the rows of a shard, after its features, and the ids of the metrics that they come from."""
        key = _rows_key(generator, dataset, shard)
        stored = {
            "metrics": sorted(metrics),
            "failed": int(have_reason(rows["reason"], *WITHOUT_OUTPUT).any()),
            "features": self._storage.exists(_features_key(key)),
        }
        table = pa.Table.from_pandas(rows, schema=SCORES, preserve_index=False)
        metadata = stored | {"sha256": _rows_digest(table.to_pandas(), stored)}
        self._storage.write_whole(
            key, parquet_bytes(table.replace_schema_metadata({"fesbench": json.dumps(metadata)}))
        )

    def read_rows(self, generator: str, dataset: str, shard: int) -> pd.DataFrame:
        """Return the rows of a shard; none where it has not been scored or its file is damaged."""
        return self._read_part(_rows_key(generator, dataset, shard)).rows

    def remove_rows(self, generator: str, dataset: str, shard: int) -> None:
        """Remove the rows of a shard, so that it is computed again."""
        self._storage.remove(_rows_key(generator, dataset, shard))

    def read_all_rows(self) -> pd.DataFrame:
        """Return the rows of all shards of all generators."""
        keys = self._storage.list("scores/*/*/part-*.parquet")
        return concatenate([self._read_part(key).rows for key in keys])

    def _read_part(self, key: str) -> _Part:
        """Return the content of a part; nothing where it is missing or damaged."""
        try:
            rows, metadata = read_score_table(self._storage.read(key))
            stored = json.loads(metadata.get(b"fesbench", b"{}"))
            digest = stored.pop("sha256", None)  # earlier versions wrote none
            frozenset(stored.get("metrics", ()))  # a list of names, also where there is no digest
            return _Part(rows, stored) if digest in (None, _rows_digest(rows, stored)) else _NOTHING
        except MemoryError:
            raise
        except Exception:  # a damaged file can fail anywhere inside the reader
            return _NOTHING

    def write_features(self, generator: str, dataset: str, shard: int, features: Features) -> None:
        """Store the features of a shard's outputs, by network."""
        self._write_arrays(_features_key(_rows_key(generator, dataset, shard)), features)

    def read_features(self, generator: str, dataset: str, shard: int) -> Features:
        """Return the features of a shard's outputs, by network; none where they are missing or damaged."""
        return self._read_arrays(_features_key(_rows_key(generator, dataset, shard))) or {}

    def write_reference_features(self, dataset: str, shard: int, features: Features) -> None:
        """Store features of a shard's sources and truths, in addition to those that are stored already."""
        earlier = self.read_reference_features(dataset, shard)
        self._write_arrays(_reference_key(dataset, shard), earlier | features)

    def has_reference_features(self, dataset: str, shard: int) -> bool:
        """Return whether ``read_reference_features`` finds a file that it can read."""
        return self._read_arrays(_reference_key(dataset, shard)) is not None

    def read_reference_features(self, dataset: str, shard: int) -> Features:
        """Return the features of a shard's sources and truths, by ``network/role``; none where damaged."""
        return self._read_arrays(_reference_key(dataset, shard)) or {}

    def _write_arrays(self, key: str, arrays: Features) -> None:
        content = BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        self._storage.write_whole(key, content.getvalue())

    def _read_arrays(self, key: str) -> Features | None:
        """Return the arrays in a file; None where it is missing or damaged."""
        try:
            return read_arrays(BytesIO(self._storage.read(key)), LARGEST)
        except MemoryError:
            raise
        except Exception:  # a damaged file can fail anywhere inside the reader
            return None


_NOTHING = _Part(concatenate([]), {})


def _rows_digest(rows: pd.DataFrame, stored: Mapping[str, object]) -> str:
    """Return the sha256 of rows and of what is stored beside them."""
    content = [stored, *(rows[name].tolist() for name in SCORES.names)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def parquet_bytes(table: pa.Table) -> bytes:
    """Return a table as the content of a Parquet file."""
    content = BytesIO()
    pq.write_table(table, content)
    return content.getvalue()


def _rows_key(generator: str, dataset: str, shard: int) -> str:
    return f"scores/{safe_name(dataset)}/{safe_name(generator)}/part-{shard:05d}.parquet"


def _features_key(rows: str) -> str:
    return f"{rows.removesuffix('.parquet')}.npz"


def _reference_key(dataset: str, shard: int) -> str:
    return f"scores/{safe_name(dataset)}/references-{shard:05d}.npz"
