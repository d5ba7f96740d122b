"""The folder of a run: what it is asked for, what it holds, and the results of its end.

``run.json`` is the run's record, ``identities.json`` lists the files and networks that its results come from,
``outputs/`` holds the images (see ``outputs``), ``scores/`` the results of shards (see ``parts``).
``scores.parquet``, ``summary.*``, ``report/`` and ``grids/`` are written when the run ends. Every file
appears whole or not at all, so that a kill loses no finished work.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pyarrow as pa

from ...core.contracts import Image
from ...core.errors import BenchError, SpecError
from ...core.files import TEMPORARY
from ...core.reasons import WITHOUT_OUTPUT, Reason, have_reason
from ...scoring.score_rows import SCORES
from ...scoring.score_tables import read_score_table
from ..spec import Part, RunSpec
from .outputs import StoredOutputs
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


INDEX = ".files"
"""Sizes and times of change of the files in ``sha256sums.txt``, and of that list; see ``update_index``."""


DIGESTED = (RECORD, IDENTITIES, SCORED, SUMMARY, TABLE, FAILURES)
"""Files outside ``outputs`` and ``scores`` that results rest on."""


class _StampedDigests(NamedTuple):
    """The content of ``sha256sums.txt`` as it was when the file had a stamp."""

    stamp: str
    by_key: dict[str, str]


class RunStore:
    """One run's folder, open for one writer.

    Args:
        location: The folder, or the URL of a location on another file system.
    """

    def __init__(self, location: Path | str | Storage) -> None:
        self._storage = location if isinstance(location, Storage) else storage_at(location)
        self.parts, self.outputs = ShardParts(self._storage), StoredOutputs(self._storage)
        self._digests = _StampedDigests("", {})
        self._newer_index = ""

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
            patterns = (f"{TEMPORARY}*", *(f"{folder}/**/{TEMPORARY}*" for folder in WRITTEN))
            self.remove(self._storage.unfinished(patterns))
            yield

    # What the run is

    @property
    def record(self) -> RunRecord:
        """The content of ``run.json``; ``is_new`` where there is no such file.

        Raises:
            BenchError: the file is damaged, of a later version, or a field is unknown or of another type.
        """
        text = self._read_text(RECORD)
        return RunRecord.new() if text is None else RunRecord.parse(text, self.place(RECORD))

    @property
    def identities(self) -> Identities:
        """What the results of this run were made with; empty where ``identities.json`` does not exist.

        Raises:
            BenchError: the file is damaged.
        """
        text = self._read_text(IDENTITIES)
        return Identities() if text is None else Identities.parse(text, self.place(IDENTITIES))

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
        """Return the path of an output, for links.

        A run on another file system, or one that keeps its outputs in shards, has no file there.
        """
        return Path(self.place(self.outputs.key(generator, dataset, edit)))

    def has_output(self, generator: str, dataset: str, edit: str, shard: int | None = None) -> bool:
        """Return whether an output is stored; see ``StoredOutputs.has``."""
        return self.outputs.has(generator, dataset, edit, shard)

    def write_output(self, generator: str, dataset: str, edit: str, image: Image) -> None:
        """Store an output, (R, R, 3) uint8, as a PNG file."""
        self.outputs.write(generator, dataset, edit, image)

    def read_output(self, generator: str, dataset: str, edit: str, shard: int | None = None) -> Image:
        """Return an output that was stored: (R, R, 3) uint8; see ``StoredOutputs.read``.

        Raises:
            ImageError: it is missing or damaged.
        """
        return self.outputs.read(generator, dataset, edit, shard)

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

    def whole_folder(self) -> AbstractContextManager[Path]:
        """Yield a local folder with all files of the run, under its name, to read and write in."""
        return self._storage.local_copy("")

    def log_file(self) -> AbstractContextManager[Path]:
        """Yield a local file to append the log of the run to."""
        return self._storage.local_copy(LOG)

    # Digests

    def digested_files(self) -> list[str]:
        """Return the keys of all files that results rest on or consist of, in order."""
        return list(self._stamps())

    def _stamps(self, *others: str) -> dict[str, str]:
        """Return the keys of these files, and of others, each with its size and time of change."""
        found = self._storage.stamps((*others, *DIGESTED, "outputs", "scores"))
        return {key: stamp for key, stamp in found.items() if f"/{TEMPORARY}" not in key}

    def digest(self, key: str) -> str:
        """Return the sha256 of a file."""
        return self._storage.digest(key)

    def write_digests(self) -> None:
        """List the sha256 of each of these files in ``sha256sums.txt``, in the format of ``sha256sum``."""
        before = self._stamps()
        lines = [f"{self.digest(key)}  {key}\n" for key in before]
        self._write_text(DIGESTS, "".join(lines))
        self._newer_index = _index_text(self._stamps(DIGESTS) | before)
        self.update_index()

    def update_index(self) -> None:
        """Note sizes and times of change as they were when ``altered_files`` found nothing last.

        It reads a file again only where they changed since. Where this cannot be written, it takes longer.
        """
        if self._newer_index:
            with suppress(BenchError):
                self._storage.write_whole(INDEX, self._newer_index.encode("utf-8", "surrogateescape"))
            self._newer_index = ""

    def _read_index(self) -> str:
        """Return the text of the index; empty where there is none."""
        try:
            return self._storage.read(INDEX).decode("utf-8", "surrogateescape")
        except OSError:
            return ""

    def altered_files(self) -> list[str]:
        """Return the keys of files that are missing or have another digest than the recorded one.

        A file whose size and time of change are those that the index notes is not read.
        """
        index, now = self._read_index(), self._stamps(DIGESTS)
        text = _index_text(now)
        if index == text:
            return []
        noted = _index_stamps(index)
        known = noted if noted.get(DIGESTS) == now.get(DIGESTS) else {}
        altered = [
            key
            for key, digest in self.read_digests().items()
            if key not in now or (known.get(key) != now[key] and self.digest(key) != digest)
        ]
        self._newer_index = "" if altered else text
        return altered

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
            stamp = self._storage.stamps([DIGESTS]).get(DIGESTS, "")
            if stamp and stamp != self._digests.stamp:
                self._digests = _StampedDigests(stamp, self._parsed_digests())
            return self._digests.by_key if stamp else {}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise BenchError(
                f"{self.place(DIGESTS)} is damaged ({error}); remove it, and run the same command again"
            ) from error

    def _parsed_digests(self) -> dict[str, str]:
        lines = self._storage.read(DIGESTS).decode("utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in lines]
        return {name: digest for digest, name in pairs}


class UncheckedStore(RunStore):
    """A run's folder whose files are read as they are, whatever their recorded digests; for reviews."""

    def _read_intact(self, key: str) -> bytes:
        return self._storage.read(key)


def _index_text(stamps: Mapping[str, str]) -> str:
    """Return the text of the index: a line for each file, its stamp and its key."""
    return "".join(f"{stamp}  {key}\n" for key, stamp in stamps.items())


def _index_stamps(text: str) -> dict[str, str]:
    """Return key to stamp; nothing where the text is damaged."""
    pairs = [line.split("  ", 1) for line in text.splitlines()]
    return {pair[1]: pair[0] for pair in pairs if len(pair) == 2}


def _part_folder(part: Part) -> str:
    return f"{PARTS}/{part.number}-of-{part.total}"
