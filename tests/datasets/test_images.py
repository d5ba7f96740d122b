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
from fesbench.datasets.images import (
    MAX_PIXELS,
    Trait,
    decode_image,
    examine,
    image_digest,
    load_image,
    read_header,
    resize,
    trait_notes,
)


def encoded(image: Pillow.Image, format_: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format_, **options)
    return stream.getvalue()


def gradient(height: int = 24, width: int = 32) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 7, y * 9, x + y], axis=-1).astype(np.uint8)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, bits: int, colours: int, rows: bytes, transparent: bytes = b"") -> bytes:
    size = struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0)
    key = chunk(b"tRNS", transparent) if transparent else b""
    data = chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + key + data + chunk(b"IEND", b"")


def png_header(width: int, height: int) -> bytes:
    return png(width, height, 8, 2, bytes(1000))


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


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_zero_is_white_is_no_negative(bits):
    values = np.array([[0, 2**bits // 2, 2**bits - 1]], dtype=f"<u{bits // 8}")
    data = encoded(Pillow.fromarray(values), "TIFF")
    assert decode_image(data)[0, :, 0].tolist() == [0, 128, 255]
    entry = struct.pack("<HHIHH", 262, 3, 1, 1, 0)  # photometric interpretation: black is zero
    assert data.count(entry) == 1
    inverted = data.replace(entry, struct.pack("<HHIHH", 262, 3, 1, 0, 0))
    assert decode_image(inverted)[0, :, 0].tolist() == [255, 127, 0]


@pytest.mark.parametrize("format_", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize(("last", "grey"), [((9, 9, 9), True), ((9, 9, 8), False)])
def test_a_palette_of_greys_is_grey(tmp_path, format_, last, grey):
    image = Pillow.new("P", (3, 1))
    image.putpalette([0, 0, 0, 200, 200, 200, *last])
    image.putdata([0, 1, 2])
    image.save(tmp_path / "p", format_)
    assert read_header(tmp_path / "p").grey == grey


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


def noisy(side: int = 96) -> Pillow.Image:
    """A picture without a flat spot, so that a missing part shows."""
    return Pillow.merge("RGB", [Pillow.effect_noise((side, side), spread) for spread in (40, 60, 80)])


def interlaced(side: int = 16) -> bytes:
    """A grey PNG in Adam7 order, as Pillow does not write it."""
    values = np.arange(side * side, dtype=np.uint8).reshape(side, side) | 2
    passes = [
        (0, 0, 8, 8),
        (0, 4, 8, 8),
        (4, 0, 8, 4),
        (0, 2, 4, 4),
        (2, 0, 4, 2),
        (0, 1, 2, 2),
        (1, 0, 2, 1),
    ]
    rows = [
        b"\0" + row.tobytes() for top, left, down, across in passes for row in values[top::down, left::across]
    ]
    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 1)
    data = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


WHOLE = {
    "png": encoded(noisy()),
    "palette-png": encoded(noisy().quantize()),
    "1-bit-png": encoded(noisy().convert("1")),
    "jpeg": encoded(noisy(), "JPEG"),
    "progressive-jpeg": encoded(noisy(), "JPEG", progressive=True),
    "grey-jpeg": encoded(noisy().convert("L"), "JPEG"),
    "cmyk-jpeg": encoded(noisy().convert("CMYK"), "JPEG"),
    "jpeg-with-restarts": encoded(noisy(), "JPEG", restart_marker_rows=1),
    "webp": encoded(noisy(), "WEBP"),
    "lossless-webp": encoded(noisy(), "WEBP", lossless=True),
    "bmp": encoded(noisy(), "BMP"),
    "palette-bmp": encoded(noisy().quantize(), "BMP"),
    "ppm": encoded(noisy(), "PPM"),
    "tiff": encoded(noisy(), "TIFF"),
    "lzw-tiff": encoded(noisy(), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_cut_files_are_refused_wherever_they_are_cut(data):
    examine(data)
    for length in (len(data) - 12, len(data) - 100, len(data) * 2 // 3, len(data) // 2):
        with pytest.raises(ImageError):
            examine(data[:length])


@pytest.mark.parametrize("name", [name for name in WHOLE if "jpeg" in name])
def test_a_cut_jpeg_with_an_end_marker_is_refused(name):
    data = WHOLE[name]
    for length in (len(data) - 40, len(data) * 3 // 4):
        with pytest.raises(ImageError, match="damaged"):
            examine(data[:length] + b"\xff\xd9")
    with pytest.raises(ImageError, match="damaged"):
        examine(data[: len(data) * 3 // 4] + bytes(len(data) // 4))


@pytest.mark.parametrize("name", ["png", "palette-png", "1-bit-png"])
def test_a_png_with_a_wrong_checksum_is_refused(name):
    data = bytearray(WHOLE[name])
    data[-14] ^= 1  # the checksum of the pixels, before IEND
    with pytest.raises(ImageError, match="wrong checksum of IDAT"):
        examine(bytes(data))
    zeros = WHOLE[name][: len(data) * 2 // 3] + bytes(len(data) // 3)
    with pytest.raises(ImageError, match="damaged"):
        examine(zeros)


def test_whole_photos_are_never_refused(photos_folder):
    exif = Pillow.Exif()
    exif[0x0112] = 6
    photo = Pillow.open(next(iter(sorted(photos_folder.glob("neutral/*.jpg")))))
    files = {
        "trailing": encoded(photo, "JPEG") + b"\xff\xd8 a preview \xff\xd9" + bytes(99),
        "thumbnail": encoded(photo, "JPEG", comment=WHOLE["jpeg"][:9000]),
        "turned": encoded(photo, "JPEG", exif=exif),
        "optimised": encoded(photo, "JPEG", optimize=True, progressive=True, subsampling=0),
        "fill bytes": encoded(photo, "JPEG")[:-2] + b"\xff\xff\xff\xd9",
        "after IEND": encoded(photo) + b"appended",
        "interlaced": interlaced(),
        **WHOLE,
    }
    for name, data in files.items():
        assert examine(data).pixels.size, name
    assert np.array_equal(examine(files["trailing"]).pixels, examine(encoded(photo, "JPEG")).pixels)


def test_values_of_0_to_1_are_refused_where_users_give_images_but_decoded():
    nearly = Pillow.fromarray(np.eye(40, dtype=np.uint8))
    with pytest.raises(ImageError, match=r"black, as 0\.\.1 is in 8 bits; multiply values by 255"):
        examine(encoded(nearly))
    assert decode_image(encoded(nearly)).max() == 1


def test_unusual_images_are_used_and_noted():
    picture = noisy(64)
    clear, opaque = picture.copy(), picture.convert("RGBA")
    clear.putalpha(Pillow.effect_noise((64, 64), 90))
    barred = np.asarray(picture).copy()
    barred[-8:] = 128
    found = {
        "plain": picture,
        "opaque": opaque,
        "clear": clear,
        "oblong": picture.crop((0, 0, 64, 48)),
        "small": picture.crop((0, 0, 31, 31)),
        "blank": Pillow.new("RGB", (64, 64), "grey"),
        "barred": Pillow.fromarray(barred),
        "upside down": Pillow.fromarray(barred[::-1]),
        "dark": Pillow.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 16),
    }
    traits = {name: examine(encoded(image)).traits for name, image in found.items()}
    assert traits == {
        "plain": (),
        "opaque": (),
        "clear": (Trait.TRANSPARENT,),
        "oblong": (Trait.OBLONG,),
        "small": (Trait.SMALL,),
        "blank": (Trait.BLANK,),
        "barred": (Trait.FLAT_EDGE,),
        "upside down": (Trait.FLAT_EDGE,),
        "dark": (Trait.DARK,),
    }
    notes = trait_notes(traits, "source")
    assert "1 of 9 sources, such as clear: partly transparent; blended over white" in notes
    assert len(notes) == len(Trait)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            png(3, 1, 16, 0, b"\0" + struct.pack(">3H", 0, 1000, 65535), struct.pack(">H", 1000)),
            [0, 255, 255],
        ),
        (
            png(
                2,
                1,
                16,
                2,
                b"\0" + struct.pack(">6H", 9000, 2000, 3000, 60000, 0, 0),
                struct.pack(">3H", 9000, 2000, 3000),
            ),
            [255, 234],
        ),
        (png(2, 1, 4, 0, b"\0\x5f", struct.pack(">H", 5)), [255, 255]),
        (png(2, 1, 4, 0, b"\0\x5a", struct.pack(">H", 15)), [85, 170]),
    ],
    ids=["16-bit grey", "16-bit colours", "4-bit grey", "4-bit grey without the colour"],
)
def test_the_transparent_colour_of_a_png_has_the_bits_of_its_pixels(data, expected):
    assert decode_image(data)[0, :, 0].tolist() == expected


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
