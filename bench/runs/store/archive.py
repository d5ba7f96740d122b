"""A run as one file: a tar archive, compressed by gzip, that another machine opens and checks."""

from __future__ import annotations

import gzip
import hashlib
import io
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import IO

from ...core.errors import BenchError
from ...core.files import TEMPORARY, write_error, written_whole
from ...core.plurals import counted
from .outputs import BoundedEntry
from .storage import Storage, storage_at
from .store import DIGESTED, DIGESTS, GRIDS, LOG, RECORD, REPORT, RunStore

SUFFIX = ".tar.gz"
LIMIT = 50 * 2**30
"""Bytes that an archive may unpack to, unless the caller says otherwise."""

_FILES = frozenset((*DIGESTED, DIGESTS, LOG))
_FOLDERS = frozenset(("outputs", "scores", REPORT, GRIDS))
_PICTURES = ("outputs/", f"{GRIDS}/", f"{REPORT}/figures/", f"{REPORT}/html/")
"""Where a run keeps pictures of people."""
_CHUNK = 1 << 20


def pack(store: RunStore, archive: Path, images: bool = True) -> int:
    """Write a run into an archive; the same run gives the same bytes.

    Args:
        store: The run.
        archive: The file to write; it appears whole or not at all.
        images: Whether to include what shows the inputs' people: outputs, grids, figures and the page of a
            report. Without them tables and reports can be made, and no score of single images can be computed
            again. Features of the images, embeddings of faces among them, are in it either way: scores of
            sets are computed from features.

    Returns:
        The number of files in it.

    Raises:
        BenchError: there is no run, or the archive cannot be written.
    """
    storage = storage_at(store.location)
    keys = [key for key in _keys(storage) if images or not key.startswith(_PICTURES)]
    if RECORD not in keys:
        raise BenchError(f"{store.location} holds no run: there is no {RECORD}")
    with (
        written_whole(archive) as temporary,
        temporary.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
    ):
        for key in keys:
            content = storage.read(key)
            entry = tarfile.TarInfo(f"{store.name}/{key}")
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return len(keys)


def _keys(storage: Storage) -> list[str]:
    """Return the keys of a run's files, those that tell what it is first."""
    single = [key for key in sorted(_FILES) if storage.exists(key)]
    found = [key for folder in sorted(_FOLDERS) for key in storage.list(f"{folder}/**/*")]
    return [*single, *(key for key in found if not key.endswith("/") and f"/{TEMPORARY}" not in key)]


def unpack(archive: Path, folder: Path, limit: int = LIMIT) -> list[str]:
    """Unpack a run into a new folder, which appears whole or not at all.

    Args:
        archive: A file that ``pack`` wrote, from anybody.
        folder: The folder of the run; must not exist.
        limit: Bytes that the archive may unpack to.

    Returns:
        Keys of files that the run lists in ``sha256sums.txt`` and the archive lacks, such as its images.

    Raises:
        BenchError: the folder exists; the archive is damaged, holds anything but the files of one run or more
            than ``limit`` bytes, or a file differs from its recorded digest.
    """
    if folder.exists():
        raise BenchError(f"{folder} exists; choose another folder")
    temporary = _new_folder(folder)
    try:
        digests = _extract(archive, temporary, limit)
        missing = _check_digests(archive, RunStore(temporary), digests)
        temporary.replace(folder)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return missing


def _new_folder(folder: Path) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(mkdtemp(prefix=TEMPORARY, dir=folder.parent))
    except OSError as error:
        raise write_error(folder, error) from error


def _extract(archive: Path, folder: Path, limit: int) -> dict[str, str]:
    """Write the files of an archive below a folder; return the sha256 of each by its key."""
    digests: dict[str, str] = {}
    try:
        with tarfile.open(archive, "r|gz", tarinfo=BoundedEntry) as tar:
            for entry in tar:
                key = _key(archive, entry)
                if key in digests:
                    raise BenchError(f"{archive} holds {key} twice; ask for another copy")
                limit -= entry.size
                if limit < 0:
                    raise BenchError(f"{archive} unpacks to more than is allowed; see --limit-gb")
                content = tar.extractfile(entry)
                assert content is not None
                digests[key] = _written(content, folder / key)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile) as error:
        raise BenchError(f"{archive} is damaged or no archive of a run ({error}); copy it again") from error
    except FileNotFoundError as error:
        raise BenchError(f"there is no file {archive}") from error
    if RECORD not in digests:
        raise BenchError(f"{archive} holds no run: there is no {RECORD} in it")
    return digests


def _key(archive: Path, entry: tarfile.TarInfo) -> str:
    """Return the key of an entry inside its run.

    Raises:
        BenchError: it is no plain file of a run.
    """
    _, *parts = PurePosixPath(entry.name).parts or ("",)
    known = (len(parts) == 1 and parts[0] in _FILES) or (len(parts) > 1 and parts[0] in _FOLDERS)
    if not entry.isreg() or not known or ".." in parts or "\\" in entry.name or "\0" in entry.name:
        raise BenchError(f"{archive} holds {entry.name!r}, which is no file of a run; nothing was unpacked")
    return "/".join(parts)


def _written(content: IO[bytes], path: Path) -> str:
    """Copy content into a file; return its sha256."""
    digest = hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for chunk in _chunks(content):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _chunks(content: IO[bytes]) -> Iterator[bytes]:
    while chunk := content.read(_CHUNK):
        yield chunk


def _check_digests(archive: Path, store: RunStore, found: dict[str, str]) -> list[str]:
    """Return the recorded files that are missing.

    Raises:
        BenchError: a file is not what the run recorded.
    """
    recorded = store.read_digests()
    wrong = [key for key, digest in recorded.items() if found.get(key, digest) != digest]
    if wrong:
        raise BenchError(
            f"{archive}: {counted(len(wrong), 'file')} changed after the run was finished, {wrong[0]} first; "
            "nothing was unpacked; ask for another copy"
        )
    return [key for key in recorded if key not in found]
