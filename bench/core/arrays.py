"""Reading ``.npz`` archives of anyone: what they declare is checked before arrays are made."""

from __future__ import annotations

from collections.abc import Callable, Collection
from io import BytesIO
from math import prod
from pathlib import Path
from typing import IO, Any
from zipfile import ZipFile

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

_HEADERS: dict[tuple[int, int], Callable[[IO[bytes]], tuple[tuple[int, ...], bool, np.dtype[Any]]]] = {
    (1, 0): npy.read_array_header_1_0,
    (2, 0): npy.read_array_header_2_0,
}


def read_arrays(
    file: Path | str | BytesIO, limit: int, names: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Return the arrays in an ``.npz`` archive; pickled objects are refused.

    Args:
        file: The archive.
        limit: Bytes that the arrays may unfold to.
        names: The arrays to read; None reads all. Those that are not there are left out.

    Raises:
        ValueError: they unfold to more, or an array declares another size than it has.
        Exception: whatever a damaged archive makes zipfile and numpy raise; they have no common type.
    """
    with ZipFile(file) as archive:
        members = {entry.filename.removesuffix(".npy"): entry for entry in archive.infolist()}
        wanted = {name: entry for name, entry in members.items() if names is None or name in names}
        size = sum(entry.file_size for entry in wanted.values())
        if size > limit:
            raise ValueError(f"it unfolds to {size} bytes, and {limit} are allowed")
        return {name: _array(archive.read(entry)) for name, entry in wanted.items()}


def _array(content: bytes) -> NDArray[Any]:
    stream = BytesIO(content)
    version = npy.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"an array has format {version[0]}.{version[1]}")
    shape, _, dtype = _HEADERS[version](stream)
    if dtype.hasobject or prod(shape) * dtype.itemsize != len(content) - stream.tell():
        raise ValueError(
            f"an array declares {shape} of {dtype}, and has {len(content) - stream.tell()} bytes"
        )
    stream.seek(0)
    return np.asarray(npy.read_array(stream, allow_pickle=False))
