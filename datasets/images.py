"""Image files to 8-bit RGB arrays, safely; and the one resize of the suite.

Only the decoders of PNG, JPEG, WebP, BMP, TIFF and PPM run, on files of bounded size, and whatever a file
holds the answer is an image or an ``ImageError``. What is made of unusual files:

- EXIF orientation is applied; of several frames or pages the first counts.
- Transparent pixels are blended over white, as web pages and most viewers show them.
- 16-bit grey is divided by 257, and inverted in a TIFF where 0 is white; of 16-bit colours the upper byte
  counts; grey is repeated three times; CMYK, YCbCr and palettes become RGB by Pillow's own conversion,
  without colour profiles. 32-bit and float pixels have no stated range: refused.
- Damaged files are refused, see ``integrity``, and so are images that were saved as 0..1. ``Trait`` lists
  what is noted.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps, UnidentifiedImageError

from fesbench.core.contracts import Image, Mask
from fesbench.core.errors import ImageError
from fesbench.core.files import read_limited
from fesbench.core.plurals import counted

from .integrity import check_whole, damaged

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM")
SUFFIXES = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".pnm"}
)
MAX_BYTES = 256 * 2**20
MAX_PIXELS = 64 * 2**20
DECODER = f"3-{PIL.__version__}"
"""Names what decides which files are usable, for caches."""

SMALL = 32
"""Pixels of the shorter side below which an image is noted."""
DARK = 32
"""An image whose brightest value is below this is noted."""
FLAT_PART = 8
"""An upper or lower part of this fraction of the height that is all black or all grey is noted."""
FILLINGS = (0, 128)
"""The values that decoders give to pixels that are missing."""


class Trait(Enum):
    """What is noted of images that are used all the same; values are texts for notes."""

    TRANSPARENT = "partly transparent; blended over white"
    OBLONG = "not square; only the centre square is used (`bench data prepare` crops around the eyes)"
    SMALL = f"smaller than {SMALL} pixels; enlarged"
    BLANK = "one colour throughout; there is no face to see"
    DARK = f"darker than {DARK} of 255; multiply values by 16 if they are of 12 bits in a 16-bit file"
    FLAT_EDGE = "black or grey at the top or bottom, as files are that were cut and saved again; used as is"


class Examined(NamedTuple):
    """An image, (H, W, 3) uint8 RGB, and what is to be noted of it."""

    pixels: Image
    traits: tuple[Trait, ...]


def load_image(path: Path) -> Image:
    """Return the image in a file: (H, W, 3) uint8 RGB.

    Raises:
        ImageError: the file is missing or unusable; says why and what to do.
    """
    try:
        return examine(read_bytes(path)).pixels
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def examine(data: bytes) -> Examined:
    """Return the image in the bytes of a file and its traits: the check of every image that a user gives.

    Raises:
        ImageError: as for ``decode_image``; or all values are 0 or 1.
    """
    pixels, transparent = _decoded(data)
    if pixels.max() <= 1:
        raise ImageError("the image is black, as 0..1 is in 8 bits; multiply values by 255 before saving")
    found = {
        Trait.TRANSPARENT: transparent,
        Trait.OBLONG: pixels.shape[0] != pixels.shape[1],
        Trait.SMALL: min(pixels.shape[:2]) < SMALL,
        Trait.BLANK: (blank := bool((pixels == pixels[0, 0]).all())),
        Trait.DARK: not blank and bool(pixels.max() < DARK),
        Trait.FLAT_EDGE: not blank and any(map(_is_filling, _edges(pixels))),
    }
    return Examined(pixels, tuple(trait for trait, is_so in found.items() if is_so))


def _edges(pixels: Image) -> tuple[Image, Image]:
    """Return the upper and the lower part of an image; where rows are stored upwards, the file ends above."""
    rows = max(1, len(pixels) // FLAT_PART)
    return pixels[:rows], pixels[-rows:]


def _is_filling(part: Image) -> bool:
    return part[0, 0, 0] in FILLINGS and bool((part == part[0, 0, 0]).all())


def trait_notes(traits: Mapping[str, Sequence[Trait]], role: str = "image") -> list[str]:
    """Return a note on each trait that some images have.

    Args:
        traits: Path to traits, of all images.
        role: What the images are, in the singular.
    """
    having = {trait: [path for path, found in traits.items() if trait in found] for trait in Trait}
    return [
        f"{len(paths)} of {counted(len(traits), role)}, such as {paths[0]}: {trait.value}"
        for trait, paths in having.items()
        if paths
    ]


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
            return Header(image.format or "", image.size, _is_grey(image))
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error
    except Exception as error:  # as in ``decode_image``
        raise ImageError(f"{path}: not an image in {', '.join(FORMATS)} format ({error})") from error


def _is_grey(image: Pillow.Image) -> bool:
    """Return whether a mode, or the palette, holds no colour; the pixels are not decoded."""
    if image.mode != "P" or image.palette is None:
        return Pillow.getmodebase(image.mode) == "L"
    rawmode, colours = image.palette.getdata()
    one = Pillow.new("P", (1, 1))
    one.putpalette(colours, rawmode)
    red, green, blue = np.array(one.getpalette("RGB")).reshape(-1, 3).T
    return bool((red == green).all() and (green == blue).all())


def decode_image(data: bytes) -> Image:
    """Return the image in the bytes of a file, whatever it shows: (H, W, 3) uint8 RGB.

    Raises:
        ImageError: the bytes are empty, no image of an allowed format, broken, or too many pixels.
    """
    return _decoded(data)[0]


def _decoded(data: bytes) -> tuple[Image, bool]:
    """Return an image, and whether any of it was transparent."""
    if not data:
        raise ImageError("the file is empty; copy it again from its source")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Pillow.DecompressionBombWarning)
            pixels, transparent = _decode(data)
            check_whole(data, pixels, lambda content: _decode(content)[0])
            return pixels, transparent
    except (ImageError, MemoryError):
        raise
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise _too_large() from error
    except UnidentifiedImageError as error:
        raise ImageError(f"not an image in {', '.join(FORMATS)} format; save it as PNG or JPEG") from error
    except Exception as error:  # decoders of damaged files raise whatever they stumble over
        raise damaged(error) from error


def _too_large() -> ImageError:
    return ImageError(f"more than {MAX_PIXELS >> 20} million pixels when decoded; save the image smaller")


def _decode(data: bytes) -> tuple[Image, bool]:
    with Pillow.open(io.BytesIO(data), formats=FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_large()
        format_ = image.format
        image.load()
        if format_ == "PNG":
            _scale_transparent_colour(image, data[_PNG_DEPTH])
        inverted = format_ == "TIFF" and _is_white_zero(image)
        pixels, transparent = _to_rgb(ImageOps.exif_transpose(image), format_)
        if inverted:
            pixels = 255 - pixels
        return np.ascontiguousarray(pixels), transparent


_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0


def _is_white_zero(image: Pillow.Image) -> bool:
    """Return whether a TIFF has 16-bit grey of which 0 is white: Pillow inverts that of fewer bits alone."""
    tags: Mapping[int, object] = getattr(image, "tag_v2", {})
    return image.mode.startswith("I;16") and tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO


_PNG_DEPTH = 24
"""Where a PNG states the bits of a value."""


def _scale_transparent_colour(image: Pillow.Image, depth: int) -> None:
    """Bring the transparent colour of a PNG to the bits of the decoded pixels, as Pillow does not.

    Of 16-bit colours Pillow keeps the upper byte; so a colour counts as transparent that shares it.
    """
    key = image.info.get("transparency")
    if image.mode == "RGB" and depth == 16 and isinstance(key, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in key)
    elif image.mode == "L" and depth < 8 and isinstance(key, int):
        image.info["transparency"] = key * 255 // (2**depth - 1)


def _to_rgb(image: Pillow.Image, format_: str | None) -> tuple[Image, bool]:
    if image.mode.startswith("I;16") or (image.mode == "I" and format_ in ("PNG", "PPM")):
        return _sixteen_bits(np.asarray(image).astype(np.uint32), image.info.get("transparency"))
    if image.mode in ("I", "F"):
        raise ImageError("32-bit pixels have no stated range; save the image with 8 or 16 bits")
    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB")), False
    layered = image.convert("RGBA")
    opaque = Pillow.new("RGBA", image.size, "white")
    opaque.alpha_composite(layered)
    return np.asarray(opaque.convert("RGB")), bool(np.asarray(layered.getchannel("A")).min() < 255)


def _sixteen_bits(values: NDArray[np.uint32], transparent_value: int | None) -> tuple[Image, bool]:
    grey = ((values + 128) // 257).astype(np.uint8)
    transparent = np.full(grey.shape, False) if transparent_value is None else values == transparent_value
    grey[transparent] = 255
    return np.repeat(grey[..., None], 3, axis=2), bool(transparent.any())


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
