from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.datasets.folders.layouts import LAYOUTS, Labels, Unmatched, guess_layout, labeller


@pytest.mark.parametrize(
    ("layout", "path", "labels"),
    [
        ("expression-folders", "happy/001.jpg", Labels("001", "happy")),
        ("expression-folders", "Test/Surprise/a/7.png", Labels("a/7", "surprised", "test")),
        ("expression-folders", "neutral/AF01NES.JPG", Labels("AF01NES", "neutral")),
        ("stargan", "AFS/1.png", Labels("1", "fearful")),
        ("stargan", "train/NES/AM02NES.jpg", Labels("AM02NES", "neutral", "train")),
        ("kdef", "AF01/AF01HAS.JPG", Labels("F01", "happy")),
        ("kdef", "bm35sas.jpg", Labels("M35", "sad")),
        ("rafd", "Rafd090_01_Caucasian_female_angry_frontal.jpg", Labels("01", "angry")),
        ("rafd", "x/Rafd090_64_Moroccan_male_contemptuous_frontal.jpg", Labels("64", "contemptuous")),
        ("cfee", "Images/s12_happily_surprised.jpg", Labels("s12", "happily-surprised")),
        ("cfee", "0007_Awe.jpg", Labels("0007", "awed")),
        ("flat", "celebrity/einstein.webp", Labels("celebrity/einstein", None)),
    ],
)
def test_paths_to_labels(layout, path, labels):
    assert labeller(layout)(PurePosixPath(path)) == labels


@pytest.mark.parametrize(
    ("layout", "path", "reason"),
    [
        ("expression-folders", "001.jpg", "no folder"),
        ("expression-folders", "hapy/001.jpg", "Did you mean happy"),
        ("stargan", "happy/1.png", "none of the folders"),
        ("kdef", "AF01HAFL.JPG", "not a frontal view"),
        ("kdef", "IMG_001.jpg", "not of the form"),
        ("rafd", "Rafd180_01_Caucasian_female_angry_frontal.jpg", "not a frontal view"),
        ("rafd", "Rafd090_01_Caucasian_female_angry_left.jpg", "gaze"),
        ("cfee", "happy.jpg", "--pattern"),
    ],
)
def test_other_paths_say_what_is_wrong(layout, path, reason):
    with pytest.raises(Unmatched, match=reason):
        labeller(layout)(PurePosixPath(path))


@pytest.mark.parametrize(
    ("pattern", "path", "labels"),
    [
        ("*/{expression}-{subject}", "set.1/Sadly Angry-S001.png", Labels("S001", "sadly-angry")),
        ("{expression}/*_{subject}", "hatred/img_042.jpg", Labels("042", "hatred")),
        ("s{subject}({expression})", "a/b/s9(fear).jpg", Labels("9", "fearful")),
        ("{subject}_{expression}", "a_happily_disgusted.jpg", Labels("a", "happily-disgusted")),
    ],
)
def test_own_patterns(pattern, path, labels):
    assert labeller("cfee", pattern)(PurePosixPath(path)) == labels


@pytest.mark.parametrize(
    "pattern", ["{subject}", "{subject}_{expression}_{subject}", "{subject}_{emotion}", "x"]
)
def test_malformed_patterns(pattern):
    with pytest.raises(DatasetError, match="once each"):
        labeller("cfee", pattern)


def test_patterns_belong_to_cfee():
    with pytest.raises(DatasetError, match="--layout cfee"):
        labeller("kdef", "{subject}_{expression}")


def test_unknown_layout():
    with pytest.raises(UnknownName, match="Did you mean stargan"):
        labeller("star-gan")


@pytest.mark.parametrize(
    ("images", "layout"),
    [
        (["happy/1.jpg", "neutral/1.jpg"], "expression-folders"),
        (["train/AFS/1.jpg", "test/NES/1.jpg"], "stargan"),
        (["AF01HAS.JPG", "AF01NES.JPG"], "kdef"),
        (["Rafd090_01_Caucasian_female_angry_frontal.jpg"], "rafd"),
        (["mona lisa.jpg", "bust.png"], "flat"),
    ],
)
def test_layouts_are_guessed_when_they_fit_everything(images, layout):
    assert guess_layout(images, has_manifest=False) == layout
    assert guess_layout(images, has_manifest=True) == "manifest"


@pytest.mark.parametrize(
    "images", [["happy/1.jpg", "unknown/1.jpg"], ["001_happy.jpg", "002.jpg"], ["sad-p1.jpg"], []]
)
def test_doubt_is_an_error_that_lists_the_layouts(images):
    with pytest.raises(DatasetError) as raised:
        guess_layout(images, has_manifest=False)
    assert all(name in str(raised.value) for name in LAYOUTS)
