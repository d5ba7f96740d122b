"""Rendered pictures are kept on disk: rendering one takes far longer than reading it."""

from __future__ import annotations

import hashlib
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fesbench.core.contracts import Image, Mask
from fesbench.core.file_cache import FileCache
from fesbench.core.paths import cache_folder, cache_limit

from .face import Shot, render_shot


class Picture(NamedTuple):
    """The picture of a shot, (H, W, 3) uint8 RGB, and its face region, (H, W) bool."""

    image: Image
    mask: Mask


@lru_cache(maxsize=4)
def picture_of(shot: Shot) -> Picture:
    """Return the picture of a shot, from the user's cache where it is there.

    The last few are remembered, so do not write into them. An entry is used with the same renderer and NumPy
    only.
    """
    limit = cache_limit()
    if not limit:
        return _rendered(shot)
    files, group = _cache(cache_folder() / "rendered", limit), _renderer()
    name = hashlib.sha256(repr(shot).encode()).hexdigest()
    pixels = shot.size**2
    body = files.read(group, name, 3 * pixels + -(-pixels // 8))
    if body is not None:
        return _unpacked(body, shot.size)
    picture = _rendered(shot)
    files.write(group, name, picture.image.tobytes() + np.packbits(picture.mask).tobytes())
    return picture


def _rendered(shot: Shot) -> Picture:
    face = render_shot(shot)
    return Picture(face.image, face.mask)


def _unpacked(body: bytes, size: int) -> Picture:
    values = np.frombuffer(body, np.uint8)
    image, mask = np.split(values, [3 * size**2])
    bits = np.unpackbits(mask, count=size**2).astype(np.bool_)
    return Picture(image.reshape(size, size, 3), bits.reshape(size, size))


@cache
def _cache(folder: Path, limit: int) -> FileCache:
    return FileCache(folder, limit)


@cache
def _renderer() -> str:
    """Return what tells this renderer from others: a digest of its code and of the version of NumPy."""
    content = hashlib.sha256(np.__version__.encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()[:16]
