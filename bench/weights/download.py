"""Downloads a file by its URL: goes on where it broke off, takes no more than it was told to, ends whole.

What has arrived lies in ``NAME.part`` beside the file, with the server's mark of the version in
``NAME.part.version``: another version on the server is never joined to the old beginning.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from ..core.errors import WeightsMissing

CHUNK = 1 << 20
PATIENCE = 30.0
"""Seconds without a byte after which a connection counts as broken."""

Report = Callable[[int, int | None], None]
"""Hears how many bytes have arrived, and of how many where the server says so."""

_BROKEN = (OSError, http.client.HTTPException)
_RANGE_NOT_SATISFIABLE = 416


class _Broken(OSError):
    """The connection ended before the file did."""


class _Part(NamedTuple):
    """The beginning of a file, and the mark of the version that it is the beginning of."""

    content: Path
    version: Path

    def size(self) -> int:
        """Bytes that can be built upon; without a mark nobody knows of what they are."""
        return self.content.stat().st_size if self.content.is_file() and self.version.is_file() else 0

    def discard(self) -> None:
        """Forget what has arrived."""
        self.content.unlink(missing_ok=True)
        self.version.unlink(missing_ok=True)


def download(url: str, path: Path, limit: int, report: Report) -> None:
    """Get a file; what an earlier call left unfinished is continued where the server can.

    Broken connections are taken up again as long as each brings something new.

    Args:
        url: Where it is.
        path: Where it is to lie; nothing is there until all of it has arrived.
        limit: Bytes that it may have.
        report: Hears of progress.

    Raises:
        WeightsMissing: the server cannot be reached, has no such file, offers more than ``limit`` bytes,
            stopped answering, or another program downloads the same; says what was tried, and what is kept.
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
    """Ask for what is missing, and add it to the part; returns when all is there."""
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
    """Remember which version this is, where the server tells; weak marks do not stand for the same bytes."""
    tag = headers.get("ETag", "")
    version = tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")
    if version:
        part.version.write_text(version, encoding="latin-1")


def _refuse_above(limit: int, size: int, url: str) -> None:
    if size > limit:
        raise WeightsMissing(f"{url} offers more than {limit / 1e6:.0f} MB: not the file it should be")
