"""Storage of a run's files: a folder of this machine, or a location on any file system that fsspec knows.

All other code addresses files by keys: relative paths such as ``scores/rendered/copy/part-00000.npz``.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO

from filelock import FileLock, Timeout
from fsspec.core import url_to_fs

from ...core.errors import BenchError
from ...core.files import file_digest, write_error, written_whole
from ...core.paths import home

LOCK = ".lock"

EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Kind of URL to the extra that installs what it needs."""

OPTIONS = {kind: {"max_concurrency": 1, "use_listings_cache": False} for kind in ("s3", "s3a")}
"""Kind of URL to options of its file system: a file is one request, and listings show what others wrote."""

CHANGES = ("ETag", "etag", "md5Hash", "LastModified", "mtime", "created")
"""What file systems of fsspec call the content or the time of change of a file."""

WITHOUT_FOLDERS = frozenset(("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"))
"""Kinds of URL whose folders exist as soon as a file is in them; making one would make a bucket."""


class Storage:
    """Read and write files by key on a file system of fsspec, such as ``s3://`` or ``memory://``.

    Who may read and write there is decided by the environment, such as ``AWS_ACCESS_KEY_ID``, never by a URL.

    Args:
        location: The URL under which all keys lie.

    Raises:
        BenchError: the kind of URL is not known, needs a package that is not installed, or holds a password.
    """

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._kind, _, rest = self.location.partition("://")
        if "@" in rest.split("/")[0]:
            raise BenchError("a URL may not hold a password; state it in the environment")
        try:
            self._files, self._root = url_to_fs(self.location, **OPTIONS.get(self._kind, {}))
        except ImportError as error:
            extra = EXTRAS.get(self._kind)
            remedy = f": pip install 'fesbench[{extra}]'" if extra else ""
            raise BenchError(f"{self.location} needs a package that is missing ({error}){remedy}") from error
        except ValueError as error:
            raise BenchError(f"{self.location} cannot be used as a run folder: {error}") from error

    @contextmanager
    def _reached(self, *passed_on: type[OSError]) -> Iterator[None]:
        """Turn what the file system raises into a message, apart from some errors.

        Raises:
            BenchError: the place cannot be reached, or access to it is denied.
        """
        try:
            yield
        except Exception as error:  # each file system has errors of its own
            if isinstance(error, (MemoryError, *passed_on)):
                raise
            raise BenchError(f"cannot reach {self.location}: {error}") from error

    def _path(self, key: str) -> str:
        return f"{self._root}/{key}"

    def at(self, folder: str) -> Storage:
        """Return the storage of one folder."""
        return type(self)(f"{self.location}/{folder}")

    def read(self, key: str) -> bytes:
        """Return the content of a file.

        Raises:
            OSError: it is missing (``FileNotFoundError``) or cannot be read.
        """
        with self._reached(OSError):
            return bytes(self._files.cat_file(self._path(key)))

    @contextmanager
    def opened(self, key: str) -> Iterator[IO[bytes]]:
        """Open a file for reading a part of it.

        Raises:
            OSError: it is missing (``FileNotFoundError``) or cannot be read.
        """
        with self._reached(OSError):
            file = self._files.open(self._path(key), "rb")
        with closing(file):
            yield file

    def digest(self, key: str) -> str:
        """Return the sha256 of a file in hexadecimal.

        Raises:
            BenchError: it cannot be read.
        """
        try:
            return hashlib.sha256(self.read(key)).hexdigest()
        except OSError as error:
            raise BenchError(f"cannot read {self.location}/{key}: {error}") from error

    def write_whole(self, key: str, content: bytes) -> None:
        """Write a file atomically: readers see the old content or the new one, never a part.

        Raises:
            BenchError: it cannot be written.
        """
        try:
            with self._reached(OSError):
                if self._kind not in WITHOUT_FOLDERS:
                    self._files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
                self._files.pipe_file(self._path(key), content)
        except OSError as error:
            raise write_error(f"{self.location}/{key}", error) from error

    def take_over(self, key: str, content: bytes, source: Storage) -> None:
        """Write a file that was read from another storage under the same key; see ``write_whole``."""
        self.write_whole(key, content)

    def exists(self, key: str) -> bool:
        """Return whether there is a file or a folder."""
        with self._reached():
            return bool(self._files.exists(self._path(key)))

    def list(self, pattern: str) -> Sequence[str]:
        """Return the keys that match a glob pattern, in order; those of folders end in ``/``."""
        with self._reached():
            self._files.invalidate_cache(self._root)  # others may have written there
            found = self._files.glob(f"{glob.escape(self._root)}/{pattern}", detail=True)
        return _in_order(
            f"{path.removeprefix(self._root).lstrip('/')}{'/' if entry['type'] == 'directory' else ''}"
            for path, entry in found.items()
        )

    def stamps(self, places: Iterable[str]) -> dict[str, str]:
        """Return what tells whether files were written again, without reading them.

        Args:
            places: Keys of files and of folders; those that do not exist are left out.

        Returns:
            The key of each file there, and of all files below a folder there, in order, to its size and what
            the file system knows of its last change.
        """
        found: dict[str, str] = {}
        self._files.invalidate_cache(self._root)  # others may have written there
        for place in places:
            with suppress(FileNotFoundError), self._reached(FileNotFoundError):
                entry = self._files.info(self._path(place))
                if entry["type"] == "file":
                    found[place] = _stamp_of_entry(entry)
                    continue
                for path, below in self._files.find(self._path(place), detail=True).items():
                    found[path.removeprefix(self._root).lstrip("/")] = _stamp_of_entry(below)
        return {key: found[key] for key in _in_order(found)}

    def remove(self, key: str) -> None:
        """Remove a file; one that is missing is no error."""
        with suppress(FileNotFoundError), self._reached(FileNotFoundError):
            self._files.rm_file(self._path(key))

    def unfinished(self, patterns: Iterable[str]) -> Sequence[str]:
        """Return the keys of files that a killed writer may have left half-written: here, none."""
        return ()

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the location for writing.

        File systems of fsspec have no locks in common, so this excludes the other processes of this user on
        this machine only.

        Raises:
            BenchError: another process holds it.
        """
        name = hashlib.sha256(self.location.encode()).hexdigest()[:32]
        with _held(home() / "locks" / name, self.location):
            yield

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """Yield a local path with the content of a file or a folder, for code that needs a real file.

        What the block adds, changes or removes there is carried over to the storage when it ends. A key that
        does not exist gives a path that does not exist. The empty key is the whole location.
        """
        with TemporaryDirectory() as folder:
            root = Path(folder) / Path(self.location).name
            place = root / key
            place.parent.mkdir(parents=True, exist_ok=True)
            before = {name: self._copied(name, root) for name in self._files_of(key)}
            try:
                yield place
            finally:
                paths = [path for path in (place, *place.rglob("*")) if path.is_file()]
                after = {path.relative_to(root).as_posix(): path for path in paths}
                for name in before.keys() - after.keys():
                    self.remove(name)
                for name, path in after.items():
                    if before.get(name) != file_digest(path):
                        self.write_whole(name, path.read_bytes())

    def _copied(self, name: str, root: Path) -> str:
        """Copy a file into a local folder; return its sha256."""
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(self.read(name))
        return file_digest(root / name)

    def _files_of(self, key: str) -> Sequence[str]:
        """Return the keys of a file, or of all files of a folder."""
        if key and self._is_file(key):
            return [key]
        return [name for name in self.list(f"{key}/**".lstrip("/")) if not name.endswith("/")]

    def _is_file(self, key: str) -> bool:
        with self._reached():
            return bool(self._files.isfile(self._path(key)))


class LocalStorage(Storage):
    """Read and write files by key in a folder of this machine.

    Files are replaced atomically, a file lock excludes all other processes, ``local_copy`` copies nothing.
    """

    def __init__(self, folder: Path | str) -> None:
        self._folder = Path(folder)
        self.location = str(self._folder)

    def at(self, folder: str) -> LocalStorage:
        """Return the storage of one folder."""
        return type(self)(self._folder / folder)

    def read(self, key: str) -> bytes:
        """Return the content of a file.

        Raises:
            OSError: it is missing (``FileNotFoundError``) or cannot be read.
        """
        return (self._folder / key).read_bytes()

    @contextmanager
    def opened(self, key: str) -> Iterator[IO[bytes]]:
        """Open a file for reading a part of it; errors are those of ``read``."""
        with (self._folder / key).open("rb") as file:
            yield file

    def digest(self, key: str) -> str:
        """Return the sha256 of a file in hexadecimal.

        Raises:
            BenchError: it cannot be read.
        """
        return file_digest(self._folder / key)

    def write_whole(self, key: str, content: bytes) -> None:
        """Write a file atomically, by renaming a finished one.

        Raises:
            BenchError: the disk is full or the folder cannot be written.
        """
        with written_whole(self._folder / key) as temporary:
            temporary.write_bytes(content)

    def take_over(self, key: str, content: bytes, source: Storage) -> None:
        """Write a file that was read from another storage under the same key; on one disk it is linked."""
        with written_whole(self._folder / key) as temporary:
            try:
                if not isinstance(source, LocalStorage):
                    raise OSError(errno.EXDEV, "it is on another file system")
                os.link(source._folder / key, temporary)
            except OSError:
                temporary.write_bytes(content)

    def exists(self, key: str) -> bool:
        """Return whether there is a file or a folder."""
        return (self._folder / key).exists()

    def list(self, pattern: str) -> Sequence[str]:
        """Return the keys that match a glob pattern, in order; those of folders end in ``/``."""
        return _in_order(
            f"{path.relative_to(self._folder).as_posix()}{'/' if path.is_dir() else ''}"
            for path in self._folder.glob(pattern)
        )

    def stamps(self, places: Iterable[str]) -> dict[str, str]:
        """Return the size and the time of change, in nanoseconds, of each file; see ``Storage.stamps``."""
        found: dict[str, str] = {}
        for place in places:
            path = self._folder / place
            if path.is_dir():
                _stamp_folder(path, place, found)
            else:
                with suppress(OSError):
                    found[place] = _stamp(path.stat())
        return {key: found[key] for key in _in_order(found)}

    def remove(self, key: str) -> None:
        """Remove a file; one that is missing is no error."""
        (self._folder / key).unlink(missing_ok=True)

    def unfinished(self, patterns: Iterable[str]) -> Sequence[str]:
        """Return the keys of files that a killed writer may have left half-written."""
        return [key for pattern in patterns for key in self.list(pattern)]

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder for writing; it is made where it is missing.

        Raises:
            BenchError: another process holds it, or it cannot be made.
        """
        with _held(self._folder / LOCK, self.location):
            yield

    @contextmanager
    def local_copy(self, key: str) -> Iterator[Path]:
        """Yield the path itself."""
        yield self._folder / key


def storage_at(location: Path | str) -> Storage:
    """Return the storage of a folder, or of the URL of another file system."""
    return Storage(location) if isinstance(location, str) and "://" in location else LocalStorage(location)


@contextmanager
def _held(path: Path, location: str) -> Iterator[None]:
    """Hold the lock in a file, which stands for a location."""
    lock = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise BenchError(
            f"another process is writing to {location}; wait for it, or choose another with --out"
        ) from error
    except OSError as error:
        raise BenchError(f"cannot use {location} as a run folder: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()


def _stamp_folder(folder: Path | str, key: str, found: dict[str, str]) -> None:
    """Add the stamps of all files below a folder; folders that are links are not entered."""
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{key}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                _stamp_folder(entry.path, name, found)
            elif not entry.is_dir():
                with suppress(OSError):
                    found[name] = _stamp(entry.stat())


def _stamp(status: os.stat_result) -> str:
    return f"{status.st_size} {status.st_mtime_ns}"


def _stamp_of_entry(entry: Mapping[str, object]) -> str:
    """Return the stamp in what fsspec tells of a file, without white space."""
    known = (entry.get("size"), *(entry[name] for name in CHANGES if entry.get(name)))
    return re.sub(r"\s", "_", "/".join(map(str, known)))


def _in_order(keys: Iterable[str]) -> Sequence[str]:
    """Return keys in the order of their folders."""
    return sorted(keys, key=lambda key: key.split("/"))
