"""Stored outputs of generators: a PNG file for each, or a tar archive of these for each shard.

``outputs/<generator>/<dataset>/<edit>.png`` is a file of one output, and
``outputs/<generator>/<dataset>/shard-NNNNN.tar`` holds ``<edit>.png`` for each edit of a shard that has an
output. Whoever reads an output finds it in either; where it is in both, the file counts.
"""

from __future__ import annotations

import re
import tarfile
import zlib
from collections.abc import Mapping
from io import BytesIO
from typing import Any, NamedTuple, Self

from PIL import Image as PillowImage

from fesbench.datasets.images import MAX_BYTES, decode_image, read_bytes

from ...core.contracts import Image
from ...core.errors import BenchError, ImageError
from ...core.names import file_name, safe_name
from .storage import Storage

MOST_HEADERS = 1 << 20
"""Bytes of a header inside an archive; larger ones are refused before they are read."""

KEPT = 4096
"""So many archives are remembered by what they hold."""

_SHARD = re.compile(r"shard-(\d{5,9})\.tar")


class BoundedEntry(tarfile.TarInfo):
    """An entry of an archive whose headers, which tarfile reads into memory, are of a bounded size."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        """Return the entry that a header describes."""
        entry = super().frombuf(buf, encoding, errors)
        if not entry.isreg() and entry.size > MOST_HEADERS:
            raise BenchError(f"the archive holds a header of {entry.size} bytes; ask for another copy")
        return entry


class _Place(NamedTuple):
    """Where the content of an output lies in its archive."""

    offset: int
    size: int


class StoredOutputs:
    """Read and write the outputs of a run.

    Args:
        storage: The storage of the run.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._contents: dict[str, dict[str, _Place]] = {}
        self._archives: dict[str, dict[str, str]] = {}

    def key(self, generator: str, dataset: str, edit: str) -> str:
        """Return the key of an output that is a file of its own."""
        return f"{_folder(generator, dataset)}/{_name(edit)}"

    def has(self, generator: str, dataset: str, edit: str, shard: int | None = None) -> bool:
        """Return whether an output is stored.

        Args:
            generator: The name of the generator.
            dataset: The name of the data set.
            edit: The id of the edit.
            shard: The number of its shard; None looks through those of the data set, once.
        """
        if self._storage.exists(self.key(generator, dataset, edit)):
            return True
        archive = self._archive(generator, dataset, edit, shard)
        return archive is not None and _name(edit) in self._contents_of(archive)

    def read(self, generator: str, dataset: str, edit: str, shard: int | None = None) -> Image:
        """Return an output that was stored: (R, R, 3) uint8; arguments are those of ``has``.

        Raises:
            ImageError: it is missing or damaged.
        """
        return decode_image(self.read_bytes(generator, dataset, edit, shard))

    def read_bytes(self, generator: str, dataset: str, edit: str, shard: int | None = None) -> bytes:
        """Return an output that was stored as the content of a PNG file; see ``read``."""
        key = self.key(generator, dataset, edit)
        archive = self._archive(generator, dataset, edit, shard)
        if archive is None or self._storage.exists(key):
            with self._storage.local_copy(key) as path:
                return read_bytes(path)
        place = self._contents_of(archive).get(_name(edit))
        if place is None:
            raise ImageError("there is no such file")
        if place.size > MAX_BYTES:
            raise ImageError(f"it is larger than {MAX_BYTES >> 20} MB")
        try:
            with self._storage.opened(archive) as file:
                file.seek(place.offset)
                return bytes(file.read(place.size))
        except OSError as error:
            raise ImageError(f"the archive cannot be read: {error}") from error

    def write(self, generator: str, dataset: str, edit: str, image: Image) -> None:
        """Store an output, (R, R, 3) uint8, as a PNG file."""
        self._storage.write_whole(self.key(generator, dataset, edit), _png(image))

    def write_shard(self, generator: str, dataset: str, shard: int, outputs: Mapping[str, Image]) -> None:
        """Store the outputs of a shard in one archive, which replaces an earlier one.

        Args:
            generator: The name of the generator.
            dataset: The name of the data set.
            shard: The number of the shard.
            outputs: Edit to output, (R, R, 3) uint8; edits without one are left out.
        """
        key, content = _shard_key(generator, dataset, shard), BytesIO()
        with tarfile.open(fileobj=content, mode="w", format=tarfile.PAX_FORMAT) as tar:
            for edit, image in outputs.items():
                png = _png(image)
                entry = tarfile.TarInfo(_name(edit))
                entry.size, entry.mode = len(png), 0o644
                tar.addfile(entry, BytesIO(png))
        if outputs:
            self._storage.write_whole(key, content.getvalue())
        else:
            self._storage.remove(key)
        self._contents.pop(key, None)
        self._archives.pop(_folder(generator, dataset), None)

    def _archive(self, generator: str, dataset: str, edit: str, shard: int | None) -> str | None:
        """Return the key of the archive that may hold an output; None where none can."""
        if shard is not None:
            key = _shard_key(generator, dataset, shard)
            return key if key in self._contents or self._storage.exists(key) else None
        return self._archives_of(_folder(generator, dataset)).get(_name(edit))

    def _archives_of(self, folder: str) -> dict[str, str]:
        """Return the name of each output in the archives of a folder to the key of its archive."""
        if folder not in self._archives:
            keys = self._storage.list(f"{folder}/shard-*.tar")
            self._archives[folder] = {name: key for key in keys for name in self._contents_of(key)}
        return self._archives[folder]

    def _contents_of(self, archive: str) -> dict[str, _Place]:
        """Return the name of each output in an archive to its place; nothing where that is damaged."""
        if archive not in self._contents:
            if len(self._contents) >= KEPT:
                self._contents.clear()
            self._contents[archive] = self._listed(archive)
        return self._contents[archive]

    def _listed(self, archive: str) -> dict[str, _Place]:
        try:
            with (
                self._storage.opened(archive) as file,
                tarfile.open(fileobj=file, mode="r:", tarinfo=BoundedEntry) as tar,
            ):
                return {entry.name: _Place(entry.offset_data, entry.size) for entry in tar if entry.isreg()}
        except (OSError, tarfile.TarError, EOFError, ValueError, BenchError):
            return {}


def output_place(key: str) -> tuple[str, str, str] | None:
    """Return the folders of generator and data set, and the file name of an output without its suffix.

    Of an archive, the file name is that of the archive. None where a key is none of outputs.
    """
    folder, *rest = key.split("/")
    if folder != "outputs" or len(rest) != 3:
        return None
    return rest[0], rest[1], rest[2].removesuffix(".png")


def shard_number(name: str) -> int | None:
    """Return the number of the shard whose outputs an archive of this file name holds; None for others."""
    match = _SHARD.fullmatch(name)
    return int(match[1]) if match else None


def _png(image: Image) -> bytes:
    content = BytesIO()
    fast: dict[str, Any] = {"compress_level": 1, "compress_type": zlib.Z_RLE}  # photos get no larger by it
    PillowImage.fromarray(image).save(content, format="PNG", **fast)
    return content.getvalue()


def _folder(generator: str, dataset: str) -> str:
    return f"outputs/{safe_name(generator)}/{safe_name(dataset)}"


def _name(edit: str) -> str:
    return f"{file_name(edit)}.png"


def _shard_key(generator: str, dataset: str, shard: int) -> str:
    return f"{_folder(generator, dataset)}/shard-{shard:05d}.tar"
