"""Pictures of a packet: names that tell nothing, and files that differ in nothing but their pixels.

Every file is an 8-bit RGB PNG of one size, stored without compression, so that neither its length nor its
metadata tells one model's pictures from another's: smooth pictures compress better than sharp ones.
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
"""Seconds: 1 January 1980, the time of every file of a packet, the earliest that a zip file can tell."""
BLOCK = 8
"""Pixels: the squares of a damaged picture."""


def secret_hex(secret: bytes, purpose: str, digits: int) -> str:
    """Hexadecimal digits that nobody without the secret can link to ``purpose``."""
    return hmac.new(secret, purpose.encode(), hashlib.sha256).hexdigest()[:digits]


def secret_rng(secret: bytes, purpose: str) -> np.random.Generator:
    """Random numbers that nobody without the secret can repeat."""
    return np.random.default_rng(list(hmac.new(secret, purpose.encode(), hashlib.sha256).digest()))


def png(image: Image) -> bytes:
    """A PNG file whose length depends on the size of the image alone."""
    stream = BytesIO()
    Pillow.fromarray(np.ascontiguousarray(image)).save(stream, format="PNG", compress_level=0)
    return stream.getvalue()


def damaged(image: Image) -> Image:
    """A picture that nobody takes for a real one: squares of it, upside down and in negative by turns."""
    rows, columns = np.indices(image.shape[:2]) // BLOCK
    odd = ((rows + columns) % 2).astype(bool)[..., None]
    return np.where(odd, 255 - image[::-1], image[:, ::-1])


def write_stimuli(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write pictures in the order of their names, all with one date."""
    for name in sorted(files):
        path = folder / f"{name}.png"
        with written_whole(path) as temporary:
            temporary.write_bytes(files[name])


def undate(folder: Path) -> None:
    """Give every file and folder one date, so that no order of writing shows."""
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (EPOCH, EPOCH))
