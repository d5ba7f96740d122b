"""Misuse that moves scores without a word: file formats, resize filters, value ranges."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from fesbench.datasets.images import decode_image, resize
from fesbench.datasets.rendered import render_face
from fesbench.metrics.networks import embedded
from fesbench.scoring.folders import Request, score_folders
from fesbench.testing.golden_scores import TOLERANCE

SIZE, LARGE = 128, 384


@pytest.fixture(scope="module")
def photo():
    return render_face(7, "happy", "celebrity", size=LARGE).image


@pytest.fixture(scope="module")
def quality():
    network = embedded.load("quality")

    def look(image):
        return network.features(torch.from_numpy(image.transpose(2, 0, 1).copy())[None])[0, 0].item()

    return look


def saved(image, kind, **options):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **options)
    return decode_image(buffer.getvalue())


def test_a_png_keeps_a_score_and_a_jpeg_moves_it(photo, quality):
    image = resize(photo, SIZE)
    before = quality(image)
    assert quality(saved(image, "PNG")) == before
    assert before - quality(saved(image, "JPEG", quality=95)) > 10 * TOLERANCE


def test_a_filter_that_aliases_moves_a_score(photo, quality):
    """PyTorch and OpenCV reduce by reading four pixels, unless told otherwise; the suite never does."""
    pixels = torch.from_numpy(photo.transpose(2, 0, 1).copy())[None].float()
    aliased = functional.interpolate(pixels, size=(SIZE, SIZE), mode="bilinear")[0]
    theirs = aliased.permute(1, 2, 0).round().to(torch.uint8).numpy()
    assert abs(quality(theirs) - quality(resize(photo, SIZE))) > 10 * TOLERANCE


def test_images_saved_in_the_wrong_range_count_as_lost_and_are_told(photo, tmp_path):
    for folder, names in {"sources": ["a", "b"], "images": ["a--happy", "b--happy"]}.items():
        (tmp_path / folder).mkdir()
        for name in names:
            Image.fromarray(resize(photo, SIZE)).save(tmp_path / folder / f"{name}.png")
    dark = (resize(photo, SIZE) / 255).astype(np.uint8)
    Image.fromarray(dark).save(tmp_path / "images" / "b--happy.png")
    found = score_folders(Request(tmp_path / "images", tmp_path / "sources", metrics=("fss",)))
    told = [warning for warning in found.warnings if "b--happy.png: the image is black" in warning]
    assert "255" in told[0]
    verified = found.rows[found.rows["metric"] == "fss.verified@embedded"].set_index("edit")["value"]
    assert verified.to_dict() == {"a--happy": 1.0, "b--happy": 0.0}
