"""A folder of small files that can be made again, within a limit of bytes."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .errors import BenchError
from .files import TEMPORARY, written_whole

DIGEST_BYTES = 32
ROUNDS = 16
"""The folder is trimmed to its limit whenever a process has written this fraction of it."""

log = logging.getLogger(__name__)


class FileCache:
    """Contents by name, each in a file with its sha256, in folders of one level.

    Any number of processes may share it: files appear whole, and damaged ones count as missing.

    Args:
        folder: The folder of the files; several caches may share it.
        limit: Bytes that the files may take up; the least recently used ones are removed first.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._writable, self._unchecked = True, limit

    def read(self, group: str, name: str, size: int) -> bytes | None:
        """Return a content of so many bytes; None where it is missing, damaged or of another size."""
        path = self.folder / group / name
        try:
            with path.open("rb") as file:
                content = file.read(DIGEST_BYTES + size + 1)
        except OSError:
            return None
        digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
        if len(body) != size or hashlib.sha256(body).digest() != digest:
            return None
        with suppress(OSError):
            os.utime(path)
        return body

    def write(self, group: str, name: str, body: bytes) -> None:
        """Keep a content; on a full disk or in a read-only folder, go on without the cache."""
        if not self._writable:
            return
        try:
            with written_whole(self.folder / group / name) as temporary:
                temporary.write_bytes(hashlib.sha256(body).digest() + body)
        except (BenchError, OSError) as error:
            log.warning("nothing is kept in %s: %s", self.folder, error)
            self._writable = False
        self._unchecked += len(body)
        if self._unchecked > self.limit / ROUNDS:
            self._unchecked = 0
            self._trim()

    def _trim(self) -> None:
        """Remove the least recently used files until the rest is within the limit."""
        total = 0
        for _, size, path in sorted(self._files(), reverse=True):
            total += size
            if total > self.limit:
                with suppress(OSError):
                    path.unlink()

    def _files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield time of use, size and path of each file.

        Half-written files are left out: they belong to a process that is about to rename them.
        """
        for path in self.folder.glob("*/*"):
            if path.name.startswith(TEMPORARY):
                continue
            with suppress(OSError):  # another process may have removed it
                state = path.stat()
                yield state.st_mtime, state.st_size, path
