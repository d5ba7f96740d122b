"""Storage of a run's files: a folder of this machine, or a location on any file system that fsspec knows.

All other code addresses files by keys: relative paths such as ``scores/rendered/copy/part-00000.npz``.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout
from fsspec.core import url_to_fs

from ...core.errors import BenchError
from ...core.files import write_error, written_whole
from ...core.paths import home

LOCK = ".lock"


class Storage:
    """Read and write files by key on a file system of fsspec, such as ``s3://`` or ``memory://``.

    Args:
        location: The URL under which all keys lie.
    """

    def __init__(self, location: str) -> None:
        self.location = location.rstrip("/")
        self._files, self._root = url_to_fs(self.location)

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
        return bytes(self._files.cat_file(self._path(key)))

    def write_whole(self, key: str, content: bytes) -> None:
        """Write a file atomically: readers see the old content or the new one, never a part.

        Raises:
            BenchError: it cannot be written.
        """
        try:
            self._files.makedirs(self._path(key).rpartition("/")[0], exist_ok=True)
            self._files.pipe_file(self._path(key), content)
        except OSError as error:
            raise write_error(f"{self.location}/{key}", error) from error

    def take_over(self, key: str, content: bytes, source: Storage) -> None:
        """Write a file that was read from another storage under the same key; see ``write_whole``."""
        self.write_whole(key, content)

    def exists(self, key: str) -> bool:
        """Return whether there is a file or a folder."""
        return bool(self._files.exists(self._path(key)))

    def list(self, pattern: str) -> Sequence[str]:
        """Return the keys that match a glob pattern, in order; those of folders end in ``/``."""
        found = self._files.glob(f"{glob.escape(self._root)}/{pattern}", detail=True)
        return _in_order(
            f"{path.removeprefix(self._root).lstrip('/')}{'/' if entry['type'] == 'directory' else ''}"
            for path, entry in found.items()
        )

    def remove(self, key: str) -> None:
        """Remove a file; one that is missing is no error."""
        with suppress(FileNotFoundError):
            self._files.rm_file(self._path(key))

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
        does not exist gives a path that does not exist.
        """
        with TemporaryDirectory() as folder:
            root, place = Path(folder), Path(folder) / key
            place.parent.mkdir(parents=True, exist_ok=True)
            before = {name: self.read(name) for name in self._files_of(key)}
            for name, content in before.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_bytes(content)
            try:
                yield place
            finally:
                paths = [path for path in (place, *place.rglob("*")) if path.is_file()]
                self._carry_over(before, {str(path.relative_to(root)): path.read_bytes() for path in paths})

    def _carry_over(self, before: Mapping[str, bytes], after: Mapping[str, bytes]) -> None:
        """Write and remove the files by which two states differ."""
        for name in before.keys() - after.keys():
            self.remove(name)
        for name, content in after.items():
            if before.get(name) != content:
                self.write_whole(name, content)

    def _files_of(self, key: str) -> Sequence[str]:
        """Return the keys of a file, or of all files of a folder."""
        return [name for name in (*self.list(key), *self.list(f"{key}/**")) if not name.endswith("/")]


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

    def remove(self, key: str) -> None:
        """Remove a file; one that is missing is no error."""
        (self._folder / key).unlink(missing_ok=True)

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


def _in_order(keys: Iterable[str]) -> Sequence[str]:
    """Return keys in the order of their folders."""
    return sorted(keys, key=lambda key: key.split("/"))
