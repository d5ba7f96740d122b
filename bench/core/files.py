"""Reading files of bounded size, writing them whole or not at all, and their digests."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import BenchError

_FULL = (errno.ENOSPC, errno.EDQUOT)

TEMPORARY = ".tmp-"
"""Prefix of the names of half-written files; a killed program may leave some behind."""


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which replaces ``path`` when the block succeeds.

    Raises:
        BenchError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f"{TEMPORARY}{os.getpid()}-{path.name[-200:]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as error:
        raise write_error(path, error) from error
    except Exception as error:
        if full := full_disk(error):
            raise write_error(path, full) from error
        raise
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def full_disk(error: BaseException | None) -> OSError | None:
    """Return the error of a full disk that an error is or hides; None where it is about something else.

    Libraries that are not written in Python raise errors of their own, as safetensors does, or hide that of
    the file, as ``torch.save`` does.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return error
        if f"os error {errno.ENOSPC}" in str(error):
            return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        error = error.__context__
    return None


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file atomically.

    Raises:
        BenchError: the disk is full, or a folder or the source cannot be used.
    """
    with written_whole(target) as temporary:
        shutil.copyfile(source, temporary)


def read_limited(path: Path, limit: int, remedy: str) -> bytes:
    """Return the content of a file of at most ``limit`` bytes; no more than that is read.

    Args:
        path: The file.
        limit: In bytes.
        remedy: What a user can do about a larger file, for the message.

    Raises:
        OSError: the file cannot be read, or is larger; ``strerror`` says which.
    """
    with path.open("rb") as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        size = f"{limit >> 20} MB" if limit >= 1 << 20 else f"{limit >> 10} kB"
        raise OSError(errno.EFBIG, f"it is larger than {size}; {remedy}", str(path))
    return content


def write_error(place: Path | str, error: OSError) -> BenchError:
    """Return the error that tells a user why a place cannot be written, and what to do."""
    return BenchError(
        f"cannot write {place}: {error.strerror or error}. Make room or choose another place, and run the "
        "same command again; everything finished so far is kept."
    )


def file_digest(path: Path) -> str:
    """Return the sha256 of a file in hexadecimal.

    Raises:
        BenchError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise BenchError(f"cannot read {path}: {error.strerror or error}") from error


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 text file atomically."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
