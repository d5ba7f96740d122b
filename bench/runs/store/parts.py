"""Stored results of shards: rows of scores, and features of outputs, sources and truths.

``scores/<dataset>/<generator>/part-NNNNN.parquet`` holds the rows of one shard, the ``.npz`` of the same name
its features, and ``scores/<dataset>/references-NNNNN.npz`` the features of its sources and truths.
"""

from __future__ import annotations

import json
from io import BytesIO
from zipfile import BadZipFile, is_zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ...core.names import safe_name
from ...core.reasons import WITHOUT_OUTPUT, have_reason
from ...scoring.shards import SCORES, concatenate
from .storage import Storage

Features = dict[str, NDArray[np.float32]]


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
        try:
            metadata = pq.read_schema(BytesIO(self._storage.read(key))).metadata or {}
            stored = json.loads(metadata.get(b"fesbench", b"{}"))
        except (OSError, ValueError, pa.ArrowException):
            return frozenset()
        features_lost = stored.get("features") and not self._is_archive(_features_key(key))
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
        schema = SCORES.with_metadata({"fesbench": json.dumps(stored)})
        table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
        self._storage.write_whole(key, parquet_bytes(table.replace_schema_metadata(schema.metadata)))

    def read_rows(self, generator: str, dataset: str, shard: int) -> pd.DataFrame:
        """Return the rows of a shard; none where it has not been scored or its file is damaged."""
        return self._rows_in(_rows_key(generator, dataset, shard))

    def read_all_rows(self) -> pd.DataFrame:
        """Return the rows of all shards of all generators."""
        return concatenate([self._rows_in(key) for key in self._storage.list("scores/*/*/part-*.parquet")])

    def _rows_in(self, key: str) -> pd.DataFrame:
        try:
            table = pq.read_table(BytesIO(self._storage.read(key)), schema=SCORES)
        except (OSError, ValueError, pa.ArrowException):
            table = SCORES.empty_table()
        rows: pd.DataFrame = table.to_pandas()
        return rows

    def write_features(self, generator: str, dataset: str, shard: int, features: Features) -> None:
        """Store the features of a shard's outputs, by network."""
        self._write_arrays(_features_key(_rows_key(generator, dataset, shard)), features)

    def read_features(self, generator: str, dataset: str, shard: int) -> Features:
        """Return the features of a shard's outputs, by network; none where they are missing or damaged."""
        return self._read_arrays(_features_key(_rows_key(generator, dataset, shard)))

    def write_reference_features(self, dataset: str, shard: int, features: Features) -> None:
        """Store features of a shard's sources and truths, in addition to those that are stored already."""
        earlier = self.read_reference_features(dataset, shard)
        self._write_arrays(_reference_key(dataset, shard), earlier | features)

    def has_reference_features(self, dataset: str, shard: int) -> bool:
        """Return whether ``read_reference_features`` finds a file that it can read."""
        return self._is_archive(_reference_key(dataset, shard))

    def read_reference_features(self, dataset: str, shard: int) -> Features:
        """Return the features of a shard's sources and truths, by ``network/role``; none where damaged."""
        return self._read_arrays(_reference_key(dataset, shard))

    def _is_archive(self, key: str) -> bool:
        try:
            return is_zipfile(BytesIO(self._storage.read(key)))
        except OSError:
            return False

    def _write_arrays(self, key: str, arrays: Features) -> None:
        content = BytesIO()
        np.savez(content, **arrays)  # type: ignore[arg-type]
        self._storage.write_whole(key, content.getvalue())

    def _read_arrays(self, key: str) -> Features:
        try:
            with np.load(BytesIO(self._storage.read(key)), allow_pickle=False) as stored:
                return {name: stored[name] for name in stored.files}
        except (OSError, ValueError, EOFError, BadZipFile):
            return {}


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
