"""The images of a packet: names that reveal nothing, and files that differ only in their pixels.

Every file is an 8-bit RGB PNG of one size, stored without compression, so that neither its length nor its
metadata distinguishes the images of two models: smooth images compress better than sharp ones.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from fesbench.core.contracts import Image
from fesbench.core.files import written_whole

EPOCH = 315_532_800
"""Modification time of every file of a packet: 1 January 1980, the earliest that a zip file can store."""
BLOCK = 8
"""Side of the squares of a damaged image, in pixels."""


def secret_hex(secret: bytes, purpose: str, digits: int) -> str:
    """Return hexadecimal digits (HMAC) that cannot be linked to ``purpose`` without the secret."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).hexdigest()[:digits]


def secret_rng(secret: bytes, purpose: str) -> np.random.Generator:
    """Return a random generator that cannot be reproduced without the secret."""
    return np.random.default_rng(list(hmac.new(secret, purpose.encode(), hashlib.sha256).digest()))


def png(image: Image) -> bytes:
    """Encode an image as a PNG file whose length depends only on the size of the image."""
    stream = BytesIO()
    Pillow.fromarray(np.ascontiguousarray(image)).save(stream, format="PNG", compress_level=0)
    return stream.getvalue()


def damaged(image: Image) -> Image:
    """Return an obviously unreal image: alternate squares are upside down and in negative."""
    rows, columns = np.indices(image.shape[:2]) // BLOCK
    odd = ((rows + columns) % 2).astype(bool)[..., None]
    return np.where(odd, 255 - image[::-1], image[:, ::-1])


def write_stimuli(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write PNG files in the order of their names."""
    for name in sorted(files):
        path = folder / f"{name}.png"
        with written_whole(path) as temporary:
            temporary.write_bytes(files[name])


def set_equal_dates(folder: Path) -> None:
    """Set one modification time for every file and folder, to hide the order of writing."""
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (EPOCH, EPOCH))
