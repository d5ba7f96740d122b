from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from fesbench.core.errors import ImageError
from fesbench.datasets.images import MAX_PIXELS, decode_image, image_digest, load_image, resize


def encoded(image: Pillow.Image, format_: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def gradient(height: int = 24, width: int = 32) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, x + y], axis=-1).astype(np.uint8)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", size)
        + chunk(b"IDAT", zlib.compress(bytes(1000)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("format_", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_formats_give_the_pixels(format_):
    assert np.array_equal(decode_image(encoded(Pillow.fromarray(gradient()), format_)), gradient())


@pytest.mark.parametrize("format_", ["JPEG", "WEBP"])
def test_lossy_formats_give_nearly_the_pixels(format_):
    decoded = decode_image(encoded(Pillow.fromarray(gradient()), format_, quality=95))
    assert np.abs(decoded.astype(int) - gradient()).mean() < 12


def test_exif_orientation_is_applied():
    exif = Pillow.Exif()
    exif[0x0112] = 6  # the camera was turned: show it rotated clockwise
    turned = decode_image(encoded(Pillow.fromarray(gradient()), "PNG", exif=exif))
    assert np.array_equal(turned, np.rot90(gradient(), -1))


def test_cmyk_is_rgb():
    cyan = decode_image(encoded(Pillow.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG", quality=100))
    assert cyan.shape == (8, 8, 3)
    assert np.abs(cyan[4, 4].astype(int) - (0, 255, 255)).max() < 6


def test_sixteen_bits_are_scaled_not_clipped():
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    assert decode_image(encoded(Pillow.fromarray(values)))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_grey_is_repeated():
    grey = decode_image(encoded(Pillow.fromarray(gradient()[..., 0])))
    assert np.array_equal(grey, np.repeat(gradient()[..., :1], 3, axis=2))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_white(mode):
    image = Pillow.new("RGBA", (4, 4), (0, 0, 0, 0)).convert(mode)
    assert (decode_image(encoded(image, "PNG" if mode != "PA" else "TIFF")) == 255).all()


def test_half_transparency_is_blended():
    assert abs(int(decode_image(encoded(Pillow.new("RGBA", (2, 2), (0, 0, 0, 128))))[0, 0, 0]) - 127) <= 1


def test_palette_with_transparent_entry():
    image = Pillow.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    assert decode_image(encoded(image, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"not an image at all\n" * 9, "not an image"),
        (encoded(Pillow.effect_noise((64, 64), 50))[:-200], "damaged"),
        (encoded(Pillow.fromarray(gradient()), "JPEG")[:-200], "damaged"),
        (encoded(Pillow.fromarray(gradient()), "WEBP")[:-40], "damaged"),
        (png_header(100_000, 100_000), "million pixels"),
        (png_header(MAX_PIXELS // 1024 + 1, 1024), "million pixels"),
        (png_header(10_000, 10_000), "million pixels"),
        (png_header(640, 480), "damaged"),
        (encoded(Pillow.fromarray(gradient()), "GIF"), "not an image in PNG"),
        (encoded(Pillow.new("F", (3, 3), 0.5), "TIFF"), "32-bit"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image in PNG"),
    ],
    ids=[
        "empty",
        "text",
        "cut-png",
        "cut-jpeg",
        "cut-webp",
        "bomb",
        "large-png",
        "larger-png",
        "short-png",
        "gif",
        "float",
        "postscript",
    ],
)
def test_unusable_bytes_say_why(data, reason):
    with pytest.raises(ImageError, match=reason):
        decode_image(data)


def test_errors_name_the_file_and_the_remedy(tmp_path: Path):
    (tmp_path / "empty.png").touch()
    with pytest.raises(ImageError, match=r"empty\.png: the file is empty; copy it again"):
        load_image(tmp_path / "empty.png")
    with pytest.raises(ImageError, match=r"none\.png: there is no such file"):
        load_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match="no such file"):
        load_image(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ImageError):
        load_image(tmp_path / "pipe.png")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM"]), st.data())
def test_damage_never_raises_anything_else(format_, data):
    content = bytearray(encoded(Pillow.fromarray(gradient()), format_))
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_image(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except ImageError:
        return
    assert image.dtype == np.uint8
    assert image.shape[2] == 3


def test_resize_keeps_an_image_of_the_right_size():
    square = gradient(32, 32)
    assert np.array_equal(resize(square, 32), square)


def test_resize_takes_the_centre_square():
    wide = np.concatenate([np.zeros((8, 6, 3)), np.full((8, 8, 3), 200), np.zeros((8, 6, 3))], axis=1).astype(
        np.uint8
    )
    assert (resize(wide, 8) == 200).all()
    assert (resize(wide.transpose(1, 0, 2), 8) == 200).all()


def test_resize_does_not_alias():
    checkerboard = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = resize(np.repeat(checkerboard[..., None], 3, axis=2).astype(np.uint8), 16)
    assert np.abs(small[2:-2, 2:-2].astype(int) - 127).max() <= 2


@pytest.mark.parametrize("size", [7, 16, 33, 100])
def test_resize_keeps_a_constant(size):
    assert (resize(np.full((33, 33, 3), 91, np.uint8), size) == 91).all()


def test_digest_depends_on_pixels_and_shape_only():
    image = gradient()
    assert image_digest(image) == image_digest(np.asfortranarray(image))
    assert image_digest(image) != image_digest(image.reshape(32, 24, 3))
    assert image_digest(image) != image_digest(image ^ 1)


def test_datasets_do_not_import_torch():
    code = (
        "import sys, fesbench.datasets.registry, fesbench.datasets.selection, fesbench.datasets.export\n"
        "import fesbench.datasets.preparation.prepare, fesbench.datasets.overview\n"
        "assert not {'torch', 'pandas', 'dlib', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
