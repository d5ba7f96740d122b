"""The run directory: everything a run computed, written so that a kill at any moment loses nothing.

``run.json`` says what the run is, ``identities.json`` which files and networks its results come from;
``outputs/<generator>/<dataset>/<edit>.png`` are the images;
``scores/<dataset>/<generator>/part-NNNNN.parquet`` and the ``.npz`` of features beside it belong to one
shard of edits and appear whole or not at all; ``scores.parquet``, ``summary.*`` and ``report/`` are
written when a run ends.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from zipfile import BadZipFile, is_zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from PIL import Image as PillowImage

from fesbench.datasets.images import load_image

from ...core.contracts import FAILED, Image
from ...core.errors import BenchError, SpecError
from ...core.files import TEMPORARY, file_digest, write_text, written_whole
from ...core.names import file_name, safe_name
from ...scoring.shards import SCORES, concatenate
from ...statistics.measures import UNSCORED
from ..spec import RunSpec
from .records import REMEDY, Identities, RunRecord

WRITTEN = ("outputs", "scores", "report", "grids")


PARTIAL = f"{TEMPORARY}*"


DIGESTS = "sha256sums.txt"


DIGESTED = ("run.json", "identities.json", "scores.parquet", "summary.json", "summary.csv", "failures.jsonl")
"""Files beside ``outputs`` and ``scores`` that results rest on."""


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
        """Remove what a killed writer left half-written, wherever the run writes and nowhere else."""
        places = [self.folder / name for name in WRITTEN if (self.folder / name).is_dir()]
        leftovers = [self.folder.glob(PARTIAL), *(place.rglob(PARTIAL) for place in places)]
        for leftover in chain.from_iterable(leftovers):
            leftover.unlink(missing_ok=True)

    # What the run is

    @property
    def record(self) -> RunRecord:
        """The content of ``run.json``; ``is_new`` where there is no such file.

        Raises:
            BenchError: the file is damaged, of a later version, or a field is unknown or of another type.
        """
        path = self.folder / "run.json"
        text = _read_text(path)
        return RunRecord.new() if text is None else RunRecord.parse(text, path)

    @property
    def identities(self) -> Identities:
        """The content of ``identities.json``; empty where there is no such file.

        Raises:
            BenchError: the file is damaged.
        """
        path = self.folder / "identities.json"
        text = _read_text(path)
        return Identities() if text is None else Identities.parse(text, path)

    def update_identities(self, found: Identities) -> None:
        """Add what the results from here on are made with."""
        write_text(self.folder / "identities.json", self.identities.updated(found).to_json())

    def update_record(self, **fields: object) -> None:
        """Write ``run.json`` with some fields of ``RunRecord`` replaced."""
        write_text(self.folder / "run.json", self.record.updated(**fields).to_json())

    def grown_spec(self, spec: RunSpec) -> RunSpec:
        """``spec`` together with what this run was asked before; see ``RunSpec.grown_from``.

        Raises:
            SpecError: it contradicts the earlier one, that one cannot be read, or the folder is no run's.
        """
        earlier = self.record.spec
        if earlier is not None:
            return spec.grown_from(earlier)
        foreign = [path.name for path in self.folder.glob("*") if not path.name.startswith(".")]
        if foreign:
            raise SpecError(f"{self.folder} holds {foreign[0]!r} but no run.json; choose another folder")
        return spec

    # Outputs

    def output_path(self, generator: str, dataset: str, edit: str) -> Path:
        """Where the image of an edit lies."""
        return self.folder / "outputs" / safe_name(generator) / safe_name(dataset) / f"{file_name(edit)}.png"

    def write_output(self, generator: str, dataset: str, edit: str, image: Image) -> None:
        """Store an output as PNG."""
        with written_whole(self.output_path(generator, dataset, edit)) as temporary:
            PillowImage.fromarray(image).save(temporary, format="PNG", compress_level=1)

    def read_output(self, generator: str, dataset: str, edit: str) -> Image:
        """An output that was stored: (R, R, 3) uint8.

        Raises:
            ImageError: it is missing or damaged.
        """
        return load_image(self.output_path(generator, dataset, edit))

    # Scores and features of shards

    def _part(self, generator: str, dataset: str, shard: int) -> Path:
        return (
            self.folder / "scores" / safe_name(dataset) / safe_name(generator) / f"part-{shard:05d}.parquet"
        )

    def scored_metrics(self, generator: str, dataset: str, shard: int) -> frozenset[str]:
        """Ids of the metrics that a shard has been scored by.

        Empty where a file of it is missing or damaged, or where an edit had no output: that is tried again.
        """
        return _metrics_of(self._part(generator, dataset, shard))

    def keeps(self, generator: str | None = None, metric: str | None = None) -> bool:
        """Whether any shard has scores that will not be computed again, of a generator or by a metric."""
        parts = (self.folder / "scores").glob(
            f"*/{safe_name(generator) if generator else '*'}/part-*.parquet"
        )
        kept = (_metrics_of(part) for part in parts)
        return any(metric in metrics if metric else metrics for metrics in kept)

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
        return _read_rows(self._part(generator, dataset, shard))

    def read_parts(self) -> pd.DataFrame:
        """The rows of all shards, whoever answered them."""
        parts = sorted((self.folder / "scores").glob("*/*/part-*.parquet"))
        return concatenate([_read_rows(path) for path in parts])

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

    def has_reference_features(self, dataset: str, shard: int) -> bool:
        """Whether there is a file that ``read_reference_features`` can read."""
        return is_zipfile(self._references(dataset, shard))

    def read_reference_features(self, dataset: str, shard: int) -> dict[str, NDArray[np.float32]]:
        """The features of a shard's sources and truths, by ``network/role``."""
        return _read_arrays(self._references(dataset, shard))

    # The end of a run

    def write_scores(self, scores: pd.DataFrame) -> None:
        """Store all rows of the run as ``scores.parquet``."""
        with written_whole(self.folder / "scores.parquet") as temporary:
            pq.write_table(pa.Table.from_pandas(scores, schema=SCORES, preserve_index=False), temporary)

    def read_scores(self) -> pd.DataFrame:
        """All rows of the run, with the columns of ``SCORES``.

        Raises:
            BenchError: ``scores.parquet`` is missing or damaged.
        """
        path = self.folder / "scores.parquet"
        try:
            rows: pd.DataFrame = pq.read_table(path, schema=SCORES).to_pandas()
        except (OSError, ValueError, pa.ArrowException) as error:
            raise BenchError(
                f"{path} cannot be read ({error}); run the command again: it is made anew from the parts"
            ) from error
        return rows

    def write_failures(self, scores: pd.DataFrame) -> int:
        """List in ``failures.jsonl`` the edits without an output, and the others that a metric failed on.

        Returns:
            How many have no output.
        """
        columns = ["generator", "dataset", "edit", "reason"]
        failed = scores.loc[scores["reason"].str.startswith((FAILED, UNSCORED), na=False), columns]
        failed = failed.drop_duplicates()
        lines = [json.dumps(row, ensure_ascii=False) for row in failed.to_dict("records")]
        write_text(self.folder / "failures.jsonl", "".join(line + "\n" for line in lines))
        return int(failed["reason"].str.startswith(FAILED).sum())

    # Digests

    def digested_files(self) -> list[Path]:
        """Every file that the results rest on or consist of, in order; logs and reports are left out."""
        single = [self.folder / name for name in DIGESTED]
        found = (path for name in ("outputs", "scores") for path in (self.folder / name).rglob("*"))
        files = (path for path in (*single, *found) if path.is_file())
        return sorted(path for path in files if not path.name.startswith(TEMPORARY))

    def write_digests(self) -> None:
        """List the sha256 of each of these files in ``sha256sums.txt``, in the format of ``sha256sum``."""
        lines = [
            f"{file_digest(path)}  {path.relative_to(self.folder).as_posix()}\n"
            for path in self.digested_files()
        ]
        write_text(self.folder / DIGESTS, "".join(lines))

    def read_digests(self) -> dict[str, str]:
        """Path in the run directory to recorded sha256; empty where none were recorded.

        Raises:
            BenchError: the list is damaged.
        """
        path = self.folder / DIGESTS
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
            pairs = [line.split("  ", 1) for line in lines]
            return {name: digest for digest, name in pairs}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BenchError(f"{path} is damaged ({error}); {REMEDY}") from error


def _read_text(path: Path) -> str | None:
    """Return the content of a file; None where there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} is damaged ({error}); {REMEDY}") from error


def _read_rows(part: Path) -> pd.DataFrame:
    """The rows of a part; none where it is missing or damaged."""
    try:
        table = pq.read_table(part, schema=SCORES)
    except (OSError, ValueError, pa.ArrowException):
        table = SCORES.empty_table()
    rows: pd.DataFrame = table.to_pandas()
    return rows


def _metrics_of(part: Path) -> frozenset[str]:
    try:
        stored = json.loads((pq.read_schema(part).metadata or {}).get(b"fesbench", b"{}"))
    except (OSError, ValueError, pa.ArrowException):
        return frozenset()
    whole = not stored.get("failed") and (not stored.get("features") or is_zipfile(part.with_suffix(".npz")))
    return frozenset(stored.get("metrics", ())) if whole else frozenset()


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
