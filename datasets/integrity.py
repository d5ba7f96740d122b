"""Whether the file of an image is whole: decoders fill up what is missing with black or grey.

Pillow refuses most files that end early. This module finds the others: PNG chunks that fail their checksum
or stop short of ``IEND``, and JPEG data that stops before the last block, whether an end marker follows or
not.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from fesbench.core.contracts import Image
from fesbench.core.errors import ImageError

Decoder = Callable[[bytes], Image]


def check_whole(data: bytes, image: Image, decode: Decoder) -> None:
    """Check that an image was decoded from a whole file.

    Args:
        data: The file.
        image: The image that ``decode`` made of it, (H, W, 3) uint8.
        decode: The decoder.

    Raises:
        ImageError: the file is cut, or a part of it is broken.
    """
    if data.startswith(_PNG):
        _check_png(memoryview(data))
    elif data.startswith(b"\xff\xd8"):
        _check_jpeg(data, image, decode)


_PNG = b"\x89PNG\r\n\x1a\n"


def _check_png(data: memoryview) -> None:
    position, kind = len(_PNG), b""
    while kind != b"IEND":
        try:
            length, kind = struct.unpack_from(">I4s", data, position)
            (checksum,) = struct.unpack_from(">I", data, position + 8 + length)
        except struct.error as error:
            raise damaged("the file is cut") from error
        if zlib.crc32(data[position + 4 : position + 8 + length]) != checksum:
            raise damaged(f"wrong checksum of {kind.decode('ascii', 'replace')}")
        position += 12 + length


_MARKER = re.compile(rb"\xff([^\x00\xff])")
_END, _RESTARTS, _ALONE = 0xD9, range(0xD0, 0xD8), (0x01, *range(0xD0, 0xDA))
_HUFFMAN_CODED = (0xC0, 0xC1, 0xC2)
_NOISE = bytes((37 * i * i + 101 * i + 59) % 251 for i in range(64))
"""Coefficients for a decoder that still waits for some; free of 0xff, which begins markers."""


class _Marker(NamedTuple):
    code: int
    position: int


def _markers(data: bytes) -> Iterator[_Marker]:
    """Yield the markers of a JPEG file up to its end marker; what segments hold is passed over."""
    position = 2
    while match := _MARKER.search(data, position):
        marker = _Marker(match[1][0], match.start())
        yield marker
        if marker.code == _END:
            return
        position = match.end()
        if marker.code not in _ALONE:
            position += int.from_bytes(data[position : position + 2])


def _check_jpeg(data: bytes, image: Image, decode: Decoder) -> None:
    """Check that a decoder needs nothing beyond the data: it must not use more of them if there are more.

    Arithmetic coding may leave out trailing zeros, so that it is not checked in this way.
    """
    markers = list(_markers(data))
    if not markers or markers[-1].code != _END:
        raise damaged("the end marker is missing")
    if not any(marker.code in _HUFFMAN_CODED for marker in markers):
        return
    end = markers[-1].position
    scan = data[:end].rstrip(b"\xff")
    restarts = [marker.code for marker in markers if marker.code in _RESTARTS]
    next_restart = 0xD0 + (restarts[-1] + 1) % 8 if restarts else 0xD0
    more = _NOISE + bytes((0xFF, next_restart)) + _NOISE
    if not np.array_equal(decode(scan + more + data[end:]), image):
        raise damaged("the data stop before the last block")


def damaged(reason: object) -> ImageError:
    """Return the error that refuses a damaged file."""
    return ImageError(f"the image is damaged ({reason}); copy it again from its source")
