"""The run directory: everything a run computed, written so that a kill at any moment loses nothing.

``run.json`` says what the run is; ``outputs/<generator>/<dataset>/<edit>.png`` are the images;
``scores/<dataset>/<generator>/part-NNNNN.parquet`` and the ``.npz`` of features beside it belong to one
shard of edits and appear whole or not at all; ``scores.parquet``, ``summary.*`` and ``report/`` are
written when a run ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image as PillowImage

from fesbench.datasets.names import safe_name

from .contracts import Image
from .errors import BenchError, SpecError
from .files import TEMPORARY, write_text, written_whole
from .spec import RunSpec, canonical_json

SCHEMA_VERSION = 1

SCORES = pa.schema(
    [
        (name, pa.string())
        for name in ("generator", "dataset", "domain", "subject", "edit", "source", "target", "metric")
    ]
    + [("value", pa.float64()), ("reason", pa.string())]
)

Features = dict[str, NDArray[np.float32]]


class RunStore:
    """One run directory, open for one writer."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / ".lock")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run directory.

        Raises:
            BenchError: another process holds it, or it cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise BenchError(
                f"another process is writing to {self.folder}; wait for it, or choose another with --out"
            ) from error
        except OSError as error:
            raise BenchError(
                f"cannot use {self.folder} as a run folder: {error.strerror or error}"
            ) from error
        try:
            self._sweep()
            yield
        finally:
            self._lock.release()

    def _sweep(self) -> None:
        """Remove what a killed writer left half-written."""
        if self.record.get("status") == "started":
            for leftover in self.folder.rglob(f"{TEMPORARY}*"):
                leftover.unlink(missing_ok=True)

    # What the run is

    @property
    def record(self) -> dict[str, object]:
        """``run.json``; empty for a new run.

        Raises:
            BenchError: the file is damaged or of a later version.
        """
        path = self.folder / "run.json"
        if not path.exists():
            return {}
        try:
            record: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise BenchError(f"{path} is damaged ({error}); restore it or choose another folder") from error
        if record.get("schema_version") != SCHEMA_VERSION:
            raise BenchError(
                f"{path} has schema version {record.get('schema_version')}, not {SCHEMA_VERSION}"
            )
        return record

    def update_record(self, **fields: object) -> None:
        """Write ``run.json`` with some fields replaced."""
        record = self.record | {"schema_version": SCHEMA_VERSION} | fields
        write_text(self.folder / "run.json", canonical_json(record))

    def grown_spec(self, spec: RunSpec) -> RunSpec:
        """``spec`` together with what this run was asked before; see ``RunSpec.grown_from``."""
        earlier = self.record.get("spec")
        if earlier is None:
            foreign = [path.name for path in self.folder.glob("*") if not path.name.startswith(".")]
            if foreign:
                raise SpecError(f"{self.folder} holds {foreign[0]!r} but no run.json; choose another folder")
            return spec
        return spec.grown_from(RunSpec.model_validate(earlier))

    # Outputs

    def output_path(self, generator: str, dataset: str, edit: str) -> Path:
        """Where the image of an edit lies."""
        return self.folder / "outputs" / safe_name(generator) / safe_name(dataset) / f"{edit}.png"

    def write_output(self, generator: str, dataset: str, edit: str, image: Image) -> None:
        """Store an output as PNG."""
        with written_whole(self.output_path(generator, dataset, edit)) as temporary:
            PillowImage.fromarray(image).save(temporary, format="PNG", compress_level=1)

    def read_output(self, generator: str, dataset: str, edit: str) -> Image:
        """An output that was stored: (R, R, 3) uint8."""
        with PillowImage.open(self.output_path(generator, dataset, edit)) as image:
            return np.asarray(image.convert("RGB"))

    # Scores and features of shards

    def _part(self, generator: str, dataset: str, shard: int) -> Path:
        return (
            self.folder / "scores" / safe_name(dataset) / safe_name(generator) / f"part-{shard:05d}.parquet"
        )

    def scored_metrics(self, generator: str, dataset: str, shard: int) -> frozenset[str]:
        """Ids of the metrics that a shard has been scored by.

        None where its part is missing or damaged, or where an edit had no output: that is tried again.
        """
        part = self._part(generator, dataset, shard)
        try:
            stored = json.loads((pq.read_schema(part).metadata or {}).get(b"fesbench", b"{}"))
        except (OSError, ValueError, pa.ArrowException):
            return frozenset()
        whole = not stored.get("failed") and (not stored.get("features") or part.with_suffix(".npz").exists())
        return frozenset(stored.get("metrics", ())) if whole else frozenset()

    def write_part(
        self, generator: str, dataset: str, shard: int, rows: pd.DataFrame, metrics: frozenset[str]
    ) -> None:
        """Store the rows of a shard and the ids of the metrics they hold."""
        part = self._part(generator, dataset, shard)
        stored = {
            "metrics": sorted(metrics),
            "failed": int(rows["reason"].str.startswith(FAILED, na=False).any()),
            "features": part.with_suffix(".npz").exists(),
        }
        schema = SCORES.with_metadata({"fesbench": json.dumps(stored)})
        table = pa.Table.from_pandas(rows, schema=schema, preserve_index=False)
        with written_whole(part) as temporary:
            pq.write_table(table.replace_schema_metadata(schema.metadata), temporary)

    def read_part(self, generator: str, dataset: str, shard: int) -> pd.DataFrame:
        """The rows of a shard; none where it has not been scored or its part is damaged."""
        try:
            table = pq.read_table(self._part(generator, dataset, shard), schema=SCORES)
        except (OSError, ValueError, pa.ArrowException):
            table = SCORES.empty_table()
        rows: pd.DataFrame = table.to_pandas()
        return rows

    def write_features(self, generator: str, dataset: str, shard: int, features: Features) -> None:
        """Store the features of a shard's outputs, by network."""
        _write_arrays(self._part(generator, dataset, shard).with_suffix(".npz"), features)

    def read_features(self, generator: str, dataset: str, shard: int) -> dict[str, NDArray[np.float32]]:
        """The features of a shard's outputs, by network."""
        return _read_arrays(self._part(generator, dataset, shard).with_suffix(".npz"))

    def _references(self, dataset: str, shard: int) -> Path:
        return self.folder / "scores" / safe_name(dataset) / f"references-{shard:05d}.npz"

    def write_reference_features(self, dataset: str, shard: int, features: Features) -> None:
        """Store the features of a shard's sources and truths, beside those that are there already."""
        _write_arrays(
            self._references(dataset, shard), self.read_reference_features(dataset, shard) | features
        )

    def read_reference_features(self, dataset: str, shard: int) -> dict[str, NDArray[np.float32]]:
        """The features of a shard's sources and truths, by ``network/role``."""
        return _read_arrays(self._references(dataset, shard))

    # The end of a run

    def write_scores(self, scores: pd.DataFrame) -> None:
        """Store all rows of the run as ``scores.parquet``."""
        with written_whole(self.folder / "scores.parquet") as temporary:
            pq.write_table(pa.Table.from_pandas(scores, schema=SCORES, preserve_index=False), temporary)

    def write_failures(self, scores: pd.DataFrame) -> int:
        """List every edit without an output in ``failures.jsonl``; returns how many there are."""
        columns = ["generator", "dataset", "edit", "reason"]
        failed = scores.loc[scores["reason"].str.startswith(FAILED, na=False), columns].drop_duplicates()
        lines = [json.dumps(row, ensure_ascii=False) for row in failed.to_dict("records")]
        write_text(self.folder / "failures.jsonl", "".join(line + "\n" for line in lines))
        return len(failed)


def _write_arrays(path: Path, arrays: Features) -> None:
    with written_whole(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]


def _read_arrays(path: Path) -> dict[str, NDArray[np.float32]]:
    """The arrays of a file; none where it is missing or damaged."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except (OSError, ValueError, EOFError, BadZipFile):
        return {}


FAILED = "no output: "
"""How the reason of a row begins whose edit has no output."""


def concatenate(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The rows of several parts, in order, with the columns of ``SCORES``."""
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else SCORES.empty_table().to_pandas()
