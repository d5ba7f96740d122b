"""The folder of a run: what it is asked for, what it holds, and the results of its end.

``run.json`` is the run's record, ``identities.json`` lists the files and networks that its results come from,
``outputs/<generator>/<dataset>/<edit>.png`` are the images, ``scores/`` the results of shards (see
``parts``). ``scores.parquet``, ``summary.*``, ``report/`` and ``grids/`` are written when the run ends. Every
file appears whole or not at all, so that a kill loses no finished work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from PIL import Image as PillowImage

from fesbench.datasets.images import decode_image, read_bytes

from ...core.contracts import Image
from ...core.errors import BenchError, SpecError
from ...core.files import TEMPORARY, file_digest
from ...core.names import file_name, safe_name
from ...core.reasons import WITHOUT_OUTPUT, Reason, have_reason
from ...scoring.score_tables import read_score_table
from ...scoring.shards import SCORES
from ..spec import Part, RunSpec
from .parts import ShardParts, parquet_bytes
from .records import REMEDY, Identities, RunRecord
from .storage import Storage, storage_at

RECORD, IDENTITIES, LOG = "run.json", "identities.json", "run.log"


SCORED, SUMMARY, TABLE, FAILURES = "scores.parquet", "summary.json", "summary.csv", "failures.jsonl"


REPORT, GRIDS = "report", "grids"
"""Folders: of tables, and of images side by side. The latter show inputs, which not everybody may pass on."""


WRITTEN = ("outputs", "scores", REPORT, GRIDS)


PARTS = "parts"
"""Folder of runs that are each a part of this one."""


BEFORE_RECORD = (IDENTITIES, LOG, PARTS)
"""What a run may hold before its record: what one leaves that failed while it was set up, and its parts."""


DIGESTS = "sha256sums.txt"


DIGESTED = (RECORD, IDENTITIES, SCORED, SUMMARY, TABLE, FAILURES)
"""Files outside ``outputs`` and ``scores`` that results rest on."""


class RunStore:
    """One run's folder, open for one writer.

    Args:
        location: The folder, or the URL of a location on another file system.
    """

    def __init__(self, location: Path | str | Storage) -> None:
        self._storage = location if isinstance(location, Storage) else storage_at(location)
        self.parts = ShardParts(self._storage)

    @property
    def location(self) -> str:
        """The folder or URL, for messages."""
        return self._storage.location

    @property
    def name(self) -> str:
        """The last part of the location."""
        return Path(self.location).name

    def place(self, key: str) -> str:
        """Return where a file or a folder of the run lies, for messages."""
        return f"{self.location}/{key}"

    def inside(self, folder: str) -> RunStore:
        """Return the run in a folder of this one."""
        return RunStore(self._storage.at(folder))

    def part(self, part: Part) -> RunStore:
        """Return the run that is a part of this one, in its own folder."""
        return self.inside(_part_folder(part))

    def location_of_whole(self, part: Part) -> str:
        """Return the location of the run that this one is a part of."""
        return self.location.removesuffix(f"/{_part_folder(part)}")

    def part_runs(self) -> list[RunStore]:
        """Return the parts of this run that have been begun."""
        found = self._storage.list(f"{PARTS}/*/{RECORD}")
        return [self.inside(key.removesuffix(f"/{RECORD}")) for key in found]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the run for writing, and remove what a killed writer left half-written.

        Raises:
            BenchError: another process holds it, or it cannot be made.
        """
        with self._storage.lock():
            for pattern in (f"{TEMPORARY}*", *(f"{folder}/**/{TEMPORARY}*" for folder in WRITTEN)):
                for key in self._storage.list(pattern):
                    self._storage.remove(key)
            yield

    # What the run is

    @property
    def record(self) -> RunRecord:
        """The content of ``run.json``; ``is_new`` where there is no such file.

        Raises:
            BenchError: the file is damaged, of a later version, or a field is unknown or of another type.
        """
        text = self._read_text(RECORD)
        return RunRecord.new() if text is None else RunRecord.parse(text, Path(self.place(RECORD)))

    @property
    def identities(self) -> Identities:
        """What the results of this run were made with; empty where ``identities.json`` does not exist.

        Raises:
            BenchError: the file is damaged.
        """
        text = self._read_text(IDENTITIES)
        return Identities() if text is None else Identities.parse(text, Path(self.place(IDENTITIES)))

    def update_identities(self, found: Identities) -> None:
        """Record what the results from here on are made with."""
        self._storage.remove(DIGESTS)
        self._write_text(IDENTITIES, self.identities.updated(found).to_json())

    def update_record(self, **fields: object) -> None:
        """Write ``run.json`` with some fields of ``RunRecord`` replaced.

        The list of digests is removed: it describes a run that has come to its end.
        """
        updated = self.record.updated(**fields).to_json()
        self._storage.remove(DIGESTS)
        self._write_text(RECORD, updated)

    def grown_spec(self, spec: RunSpec) -> RunSpec:
        """Return ``spec`` together with what this run was asked for before; see ``RunSpec.grown_from``.

        Raises:
            SpecError: it contradicts the earlier one, that one cannot be read, or the folder is no run's.
        """
        earlier = self.record.spec
        if earlier is not None:
            return spec.grown_from(earlier)
        names = [key.rstrip("/") for key in self._storage.list("*")]
        foreign = [name for name in names if not name.startswith(".") and name not in BEFORE_RECORD]
        if foreign:
            raise SpecError(f"{self.location} holds {foreign[0]!r} but no {RECORD}; choose another folder")
        return spec

    def _read_text(self, key: str) -> str | None:
        """Return the content of a file; None where there is none."""
        try:
            return self._read_intact(key).decode("utf-8")
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise BenchError(f"{self.place(key)} is damaged ({error}); {REMEDY}") from error

    def _read_intact(self, key: str) -> bytes:
        """Return the content of a file.

        Raises:
            OSError: it is missing or cannot be read.
            ValueError: its digest is not the recorded one.
        """
        content = self._storage.read(key)
        recorded = self.read_digests().get(key)
        if recorded and hashlib.sha256(content).hexdigest() != recorded:
            raise ValueError(f"its sha256 is not the one in {DIGESTS}")
        return content

    def _write_text(self, key: str, text: str) -> None:
        self._storage.write_whole(key, text.encode("utf-8"))

    # Outputs

    def output_path(self, generator: str, dataset: str, edit: str) -> Path:
        """Return the path of an output, for links; a run on another file system has no file there."""
        return Path(self.place(_output_key(generator, dataset, edit)))

    def has_output(self, generator: str, dataset: str, edit: str) -> bool:
        """Return whether an output is stored."""
        return self._storage.exists(_output_key(generator, dataset, edit))

    def write_output(self, generator: str, dataset: str, edit: str, image: Image) -> None:
        """Store an output, (R, R, 3) uint8, as PNG."""
        content = BytesIO()
        PillowImage.fromarray(image).save(content, format="PNG", compress_level=1)
        self._storage.write_whole(_output_key(generator, dataset, edit), content.getvalue())

    def read_output(self, generator: str, dataset: str, edit: str) -> Image:
        """Return an output that was stored: (R, R, 3) uint8.

        Raises:
            ImageError: it is missing or damaged.
        """
        with self._storage.local_copy(_output_key(generator, dataset, edit)) as path:
            return decode_image(read_bytes(path))

    # The end of a run

    def write_scores(self, scores: pd.DataFrame) -> None:
        """Store all rows of the run as ``scores.parquet``."""
        table = pa.Table.from_pandas(scores, schema=SCORES, preserve_index=False)
        self._storage.write_whole(SCORED, parquet_bytes(table))

    def read_scores(self) -> pd.DataFrame:
        """Return all rows of the run, with the columns of ``SCORES``.

        Raises:
            BenchError: ``scores.parquet`` is missing or damaged.
        """
        try:
            return read_score_table(self._read_intact(SCORED)).rows
        except (OSError, ValueError, KeyError, pa.ArrowException) as error:
            raise BenchError(
                f"{self.place(SCORED)} cannot be read ({error}); run the same command again: it is made anew "
                "from the parts"
            ) from error

    def write_failures(self, scores: pd.DataFrame) -> int:
        """List in ``failures.jsonl`` the edits without an output, and the others that a metric failed on.

        Returns:
            How many have no output.
        """
        columns = ["generator", "dataset", "edit", "reason"]
        failed = scores.loc[have_reason(scores["reason"], *WITHOUT_OUTPUT, Reason.UNSCORED), columns]
        failed = failed.drop_duplicates()
        lines = [json.dumps(row, ensure_ascii=False) for row in failed.to_dict("records")]
        self._write_text(FAILURES, "".join(line + "\n" for line in lines))
        return int(have_reason(failed["reason"], *WITHOUT_OUTPUT).sum())

    def read_failures(self) -> list[dict[str, str]]:
        """Return the rows of ``failures.jsonl``: generator, dataset, edit and reason.

        Raises:
            BenchError: it is missing or damaged.
        """
        try:
            text = self._read_intact(FAILURES).decode("utf-8")
            return [json.loads(line) for line in text.splitlines()]
        except (OSError, ValueError, RecursionError) as error:
            raise BenchError(
                f"{self.place(FAILURES)} cannot be read ({error}); run the same command again: it is made "
                "anew"
            ) from error

    def write_summary(self, summary: str) -> None:
        """Store the summary, JSON text."""
        self._write_text(SUMMARY, summary)

    def write_cells(self, cells: str) -> None:
        """Store the cells of the summary, CSV text."""
        self._write_text(TABLE, cells)

    def read_summary(self) -> dict[str, Any]:
        """Return the content of ``summary.json``.

        Raises:
            OSError: it is missing.
            ValueError: it is damaged.
        """
        content: dict[str, Any] = json.loads(self._read_intact(SUMMARY))
        return content

    def missing_results(self) -> list[str]:
        """Return the names of the files that a finished run has and this one lacks."""
        return [key for key in (SUMMARY, SCORED) if not self._storage.exists(key)]

    def is_published(self) -> bool:
        """Return whether a summary and a report have been written."""
        return self._storage.exists(SUMMARY) and self._storage.exists(REPORT)

    def report_folder(self) -> AbstractContextManager[Path]:
        """Yield a local folder to read and write the files of the report in."""
        return self._storage.local_copy(REPORT)

    def grids_folder(self) -> AbstractContextManager[Path]:
        """Yield a local folder to read and write the grids of images in."""
        return self._storage.local_copy(GRIDS)

    def log_file(self) -> AbstractContextManager[Path]:
        """Yield a local file to append the log of the run to."""
        return self._storage.local_copy(LOG)

    # Digests

    def digested_files(self) -> list[str]:
        """Return the keys of all files that results rest on or consist of, in order."""
        single = [key for key in DIGESTED if self._storage.exists(key)]
        found = [key for folder in ("outputs", "scores") for key in self._storage.list(f"{folder}/**/*")]
        kept = [key for key in found if not key.endswith("/") and f"/{TEMPORARY}" not in key]
        return sorted((*single, *kept), key=lambda key: key.split("/"))

    def digest(self, key: str) -> str:
        """Return the sha256 of a file."""
        with self._storage.local_copy(key) as path:
            return file_digest(path)

    def write_digests(self) -> None:
        """List the sha256 of each of these files in ``sha256sums.txt``, in the format of ``sha256sum``."""
        lines = [f"{self.digest(key)}  {key}\n" for key in self.digested_files()]
        self._write_text(DIGESTS, "".join(lines))

    def altered_files(self) -> list[str]:
        """Return the keys of files that are missing or have another digest than the recorded one."""
        present = set(self.digested_files())
        recorded = self.read_digests()
        return [key for key, digest in recorded.items() if key not in present or self.digest(key) != digest]

    def take_over(self, key: str, digest: str, source: RunStore) -> None:
        """Copy a file of another run, unless it is here already; on one disk it is linked.

        Raises:
            OSError: it is missing there or cannot be read.
            ValueError: its sha256 is not ``digest``.
        """
        if self._storage.exists(key) and self.digest(key) == digest:
            return
        content = source._storage.read(key)
        if hashlib.sha256(content).hexdigest() != digest:
            raise ValueError(f"its sha256 is not the one in {DIGESTS}")
        self._storage.take_over(key, content, source._storage)

    def remove(self, keys: Iterable[str]) -> None:
        """Remove files; those that are missing are no error."""
        for key in keys:
            self._storage.remove(key)

    def read_digests(self) -> dict[str, str]:
        """Return key to recorded sha256; empty where none were recorded.

        Raises:
            BenchError: the list is damaged.
        """
        try:
            lines = self._storage.read(DIGESTS).decode("utf-8").splitlines()
            pairs = [line.split("  ", 1) for line in lines]
            return {name: digest for digest, name in pairs}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BenchError(
                f"{self.place(DIGESTS)} is damaged ({error}); remove it, and run the same command again"
            ) from error


class UncheckedStore(RunStore):
    """A run's folder whose files are read as they are, whatever their recorded digests; for reviews."""

    def _read_intact(self, key: str) -> bytes:
        return self._storage.read(key)


def output_place(key: str) -> tuple[str, str, str] | None:
    """Return the folders of generator and data set, and the file name of an output without its suffix.

    None where a key is none of an output.
    """
    folder, *rest = key.split("/")
    if folder != "outputs" or len(rest) != 3:
        return None
    return rest[0], rest[1], rest[2].removesuffix(".png")


def _part_folder(part: Part) -> str:
    return f"{PARTS}/{part.number}-of-{part.total}"


def _output_key(generator: str, dataset: str, edit: str) -> str:
    return f"outputs/{safe_name(generator)}/{safe_name(dataset)}/{file_name(edit)}.png"
