"""Downloads a file from a URL: resumable, limited in size, complete or absent at its path.

Received bytes are kept in ``NAME.part`` beside the file, and the server's ETag or date in
``NAME.part.version``, so that the beginning of one version is never joined to the rest of another.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..core.errors import WeightsMissing
from ..core.files import full_disk, write_error

CHUNK = 1 << 20
PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as broken."""

Report = Callable[[int, int | None], None]
"""Called with the bytes received and the total, None where the server does not state it."""

_BROKEN = (OSError, http.client.HTTPException)
_RANGE_NOT_SATISFIABLE = 416


class _Broken(OSError):
    """The connection ended before the whole file was received."""


class _Part(NamedTuple):
    """The beginning of a file, and the version of the file that it belongs to."""

    content: Path
    version: Path

    def size(self) -> int:
        """Return the bytes that a download can resume from: 0 where their version is unknown."""
        return self.content.stat().st_size if self.content.is_file() and self.version.is_file() else 0

    def discard(self) -> None:
        """Delete the received bytes."""
        self.content.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)


def download(url: str, path: Path, limit: int, report: Report) -> None:
    """Download a file, resuming an unfinished download if the server supports it.

    A broken connection is opened again as long as each attempt receives new bytes.

    Args:
        url: Address of the file.
        path: Where to put it; it appears there only when it is complete.
        limit: Largest size in bytes.
        report: Called with the progress.

    Raises:
        BenchError: the disk is full.
        WeightsMissing: the server cannot be reached, has no such file, offers more than ``limit`` bytes or
            stopped answering, or another process downloads the same file. The message says what is kept.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = _Part(path.with_name(f"{path.name}.part"), path.with_name(f"{path.name}.part.version"))
    while True:
        before = part.size()
        try:
            _continue(url, part, limit, report)
        except urllib.error.HTTPError as error:
            if error.code != _RANGE_NOT_SATISFIABLE or not before:
                raise WeightsMissing(f"{url} cannot be had: {error.code} {error.reason}") from error
            part.discard()
        except _BROKEN as error:
            if full := full_disk(error):
                raise write_error(part.content, full) from error
            if part.size() <= before:
                raise WeightsMissing(_why_not(url, error, part.size())) from error
        except WeightsMissing:
            part.discard()
            raise
        else:
            part.content.replace(path)
            part.version.unlink(missing_ok=True)
            return


def _why_not(url: str, error: Exception, arrived: int) -> str:
    kept = f"; {arrived / 1e6:.1f} MB have arrived and are kept for the next try" if arrived else ""
    return f"{url} was not downloaded: {getattr(error, 'reason', error)}{kept}"


def _continue(url: str, part: _Part, limit: int, report: Report) -> None:
    """Request the missing bytes and append them to the part until the file is complete."""
    arrived = part.size()
    headers = {"User-Agent": "fesbench", "Accept-Encoding": "identity"}
    if arrived:
        headers |= {"Range": f"bytes={arrived}-", "If-Range": part.version.read_text(encoding="latin-1")}
    request = urllib.request.Request(url, headers=headers)
    with urllib.request.build_opener().open(request, timeout=PATIENCE) as answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            part.discard()
            arrived = 0
            _mark(part, answer.headers)
        elif not answer.headers.get("Content-Range", "").startswith(f"bytes {arrived}-"):
            raise WeightsMissing(f"{url} answers with another part of the file than was asked for")
        length = answer.headers.get("Content-Length")
        total = arrived + int(length) if length and length.isdigit() else None
        _refuse_above(limit, total or 0, url)
        with part.content.open("ab") as file:
            while chunk := answer.read(CHUNK):
                arrived += len(chunk)
                _refuse_above(limit, arrived, url)
                file.write(chunk)
                report(arrived, total)
    if total is not None and arrived < total:
        raise _Broken(f"the connection broke off after {arrived} of {total} bytes")
    if part.content.stat().st_size != arrived:
        raise WeightsMissing(f"{part.content} was written by another program too; run one download at a time")


def _mark(part: _Part, headers: http.client.HTTPMessage) -> None:
    """Record the version that the server states; a weak ETag does not identify bytes, so it is ignored."""
    tag = headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
    if version:
        part.version.write_text(version, encoding="latin-1")


def _refuse_above(limit: int, size: int, url: str) -> None:
    if size > limit:
        raise WeightsMissing(f"{url} offers more than {limit / 1e6:.0f} MB: not the file it should be")
