"""Image files to 8-bit RGB arrays, safely; and the one resize of the suite.

Only the decoders of PNG, JPEG, WebP, BMP, TIFF and PPM run, on files of bounded size, and whatever a file
holds the answer is an image or an ``ImageError``. What is made of unusual files:

- EXIF orientation is applied; of several frames or pages the first counts.
- Transparent pixels are blended over white, as web pages and most viewers show them.
- 16-bit values are divided by 257; grey is repeated three times; CMYK, YCbCr and palettes become RGB by
  Pillow's own conversion, without colour profiles. 32-bit and float pixels have no stated range: refused.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from fesbench.core.contracts import Image, Mask
from fesbench.core.errors import ImageError
from fesbench.core.files import read_limited

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"}
)
MAX_BYTES = 256 * 2**20
MAX_PIXELS = 64 * 2**20
DECODER = f"1-{PIL.__version__}"
"""Names what decides which files are usable, for caches."""


def load_image(path: Path) -> Image:
    """Return the image in a file: (H, W, 3) uint8 RGB.

    Raises:
        ImageError: the file is missing or unusable; says why and what to do.
    """
    try:
        return decode_image(read_bytes(path))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def read_bytes(path: Path) -> bytes:
    """Return the bytes of a regular file of at most ``MAX_BYTES``.

    Raises:
        ImageError: there is no such file, or it is too large; the path is not in the message.
    """
    try:
        if not path.is_file():
            raise ImageError("there is no such file")
        return read_limited(path, MAX_BYTES, "save the image smaller")
    except (OSError, ValueError) as error:
        raise ImageError(f"the file cannot be read: {getattr(error, 'strerror', error)}") from error


class Header(NamedTuple):
    """What a file says of its image: format, (width, height), and whether it has no colour."""

    format: str
    size: tuple[int, int]
    grey: bool


def read_header(path: Path) -> Header:
    """Return the header of an image file; its pixels are not decoded.

    Raises:
        ImageError: the file is missing, or no image of an allowed format.
    """
    try:
        with Pillow.open(io.BytesIO(read_bytes(path)), formats=FORMATS) as image:
            return Header(image.format or "", image.size, Pillow.getmodebase(image.mode) == "L")
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except Exception as error:  # as in ``decode_image``
        raise ImageError(f"{path}: not an image in {', '.join(FORMATS)} format ({error})") from error


def decode_image(data: bytes) -> Image:
    """Return the image in the bytes of a file: (H, W, 3) uint8 RGB.

    Raises:
        ImageError: the bytes are empty, no image of an allowed format, broken, or too many pixels.
    """
    if not data:
        raise ImageError("the file is empty; copy it again from its source")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            return _decode(data)
    except (ImageError, MemoryError):
        raise
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise _too_large() from error
    except UnidentifiedImageError as error:
        raise ImageError(f"not an image in {', '.join(FORMATS)} format; save it as PNG or JPEG") from error
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        raise ImageError(f"the image is damaged ({error}); copy it again from its source") from error


def _too_large() -> ImageError:
    return ImageError(f"more than {MAX_PIXELS >> 20} million pixels when decoded; save the image smaller")


def _decode(data: bytes) -> Image:
    with Pillow.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_large()
        format_ = image.format
        image.load()
        return np.ascontiguousarray(_to_rgb(ImageOps.exif_transpose(image), format_))


def _to_rgb(image: Pillow.Image, format_: str | None) -> Image:
    if image.mode.startswith("I;16") or (image.mode == "I" and format_ in ("PNG", "PPM")):
        grey = (np.asarray(image).astype(np.uint32) + 128) // 257
        return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    if image.mode in ("I", "F"):
        raise ImageError("32-bit pixels have no stated range; save the image with 8 or 16 bits")
    if image.has_transparency_data:
        opaque = Pillow.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        image = opaque
    return np.asarray(image.convert("RGB"))


def image_digest(image: Image) -> str:
    """sha256 in hex of the shape and the pixels of an image, whatever file it came from."""
    header = "x".join(map(str, image.shape)).encode()
    return hashlib.sha256(header + b":" + np.ascontiguousarray(image).tobytes()).hexdigest()


def resize(image: Image, size: int) -> Image:
    """Return the centre square of an image at ``size`` x ``size`` pixels: (size, size, 3) uint8.

    The only resize between files, generators and metrics: Pillow's bicubic (a = -0.5), whose support widens
    with the reduction, so that it does not alias. An image that already has the size comes back unchanged.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(square)
    return np.asarray(Pillow.fromarray(square).resize((size, size), Pillow.Resampling.BICUBIC))


def mask_to_image(mask: Mask) -> Image:
    """Return a mask as an image that can be resized and transformed: white inside, black outside."""
    return np.repeat(mask.astype(np.uint8)[..., None] * 255, 3, axis=2)


def image_to_mask(image: Image) -> Mask:
    """Return the mask that an image from ``mask_to_image`` shows: its lighter half."""
    return image[..., 0] > 127
