"""Writes files whole or not at all, and tells whether one is still the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import BenchError

TEMPORARY = ".tmp-"
"""How the names of half-written files begin; a killed program may leave some behind."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends without error.

    Raises:
        BenchError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name[-200:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise BenchError(
            f"cannot write {path}: {error.strerror or error}. Make room or choose another place, and run the "
            "same command again; everything finished so far is kept."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """sha256 of a file, in hexadecimal.

    Raises:
        BenchError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file whole or not at all."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
