from __future__ import annotations

import pytest

from fesbench.core.errors import DatasetError, UnknownName
from fesbench.datasets.folders.layouts import (
    LAYOUTS,
    Labels,
    Unmatched,
    doubts_of_flat,
    guess_layout,
    labeller,
)


@pytest.mark.parametrize(
    ("layout", "path", "labels"),
    [
        ("expression-folders", "happy/001.jpg", Labels("001", "happy")),
        ("expression-folders", "Test/Surprise/a/7.png", Labels("a/7", "surprised", "test")),
        ("expression-folders", "neutral/AF01NES.JPG", Labels("AF01NES", "neutral")),
        ("expression-folders", "happy/dr.no/1.2.png", Labels("dr.no/1.2", "happy")),
        ("stargan", "AFS/1.png", Labels("1", "fearful")),
        ("stargan", "train/NES/AM02NES.jpg", Labels("AM02NES", "neutral", "train")),
        ("kdef", "AF01/AF01HAS.JPG", Labels("F01", "happy")),
        ("kdef", "bm35sas.jpg", Labels("M35", "sad")),
        ("rafd", "Rafd090_01_Caucasian_female_angry_frontal.jpg", Labels("01", "angry")),
        ("rafd", "x/Rafd090_64_Moroccan_male_contemptuous_frontal.jpg", Labels("64", "contemptuous")),
        ("cfee", "01-04/Images1/01_126_3963.jpg", Labels("126", "neutral")),
        ("cfee", "CFEE_Database_230/09-12/Images3/09_111_2539.JPG", Labels("111", "happily-surprised")),
        ("cfee", "21-26/Images6/04_221.jpg", Labels("221", "sad")),
        ("cfee", "21-26/Images6/260_26.png.jpg", Labels("260", "sadly-disgusted")),
        ("london", "neutral_front/001_03.jpg", Labels("001", "neutral")),
        ("london", "smiling_front/172_08.jpg", Labels("172", "happy")),
        ("flat", "celebrity/einstein.webp", Labels("celebrity/einstein", None)),
    ],
)
def test_paths_to_labels(layout, path, labels):
    assert labeller(layout)(path) == labels


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
        ("cfee", "happy.jpg", "not of the form"),
        ("cfee", "13-16/Images4/13_114_2633.jpg", "class 13 has no name(.|\n)*--label 13=EXPRESSION"),
        ("london", "001_05.jpg", "from the front"),
        ("expression-folders", "1/a.jpg", "--label CODE=EXPRESSION"),
    ],
)
def test_other_paths_say_what_is_wrong(layout, path, reason):
    with pytest.raises(Unmatched, match=reason):
        labeller(layout)(path)


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
    assert labeller("pattern", pattern)(path) == labels


@pytest.mark.parametrize(
    "pattern", ["{subject}", "{subject}_{expression}_{subject}", "{subject}_{emotion}", "x"]
)
def test_malformed_patterns(pattern):
    with pytest.raises(DatasetError, match="once each"):
        labeller("pattern", pattern)


def test_other_layouts_have_no_pattern_and_few_have_codes():
    with pytest.raises(DatasetError, match="leave --layout out"):
        labeller("kdef", "{subject}_{expression}")
    with pytest.raises(DatasetError, match="needs --pattern"):
        labeller("pattern")
    with pytest.raises(DatasetError, match="has no codes"):
        labeller("kdef", None, {"1": "happy"})


@pytest.mark.parametrize(
    ("layout", "pattern", "path", "labels"),
    [
        ("expression-folders", None, "train/01/a.jpg", Labels("a", "surprised", "train")),
        ("expression-folders", None, "happy/a.jpg", Labels("a", "happy")),
        ("cfee", None, "13-16/Images4/13_114_2633.jpg", Labels("114", "sadly-fearful")),
        ("pattern", "{expression}/{subject}_*", "1/a_2.jpg", Labels("a", "surprised")),
        ("pattern", "{expression}_{subject}_*", "x/13_114_2633.jpg", Labels("114", "sadly-fearful")),
        ("pattern", "{subject}-*{expression}", "p1-0013.jpg", Labels("p1", "sadly-fearful")),
        ("pattern", "{subject}.{expression}", "KA.HAP.jpg", Labels("KA", "happy")),
        ("pattern", "{expression}/{subject}", "test/1/a.jpg", Labels("a", "surprised", "test")),
    ],
)
def test_codes_mean_what_the_user_says(layout, pattern, path, labels):
    meanings = {"1": "surprised", "13": "sadly-fearful", "hap": "happy"}
    assert labeller(layout, pattern, meanings)(path) == labels


def test_a_code_without_a_meaning_is_asked_about():
    with pytest.raises(Unmatched, match="'2' is none; say what it means with --label 2=EXPRESSION"):
        labeller("pattern", "{expression}/{subject}_*", {"1": "sad"})("2/a_3.jpg")


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
        (["01-04/Images1/01_126_3963.jpg", "21-26/Images6/260_19.png.jpg"], "cfee"),
        (["neutral_front/001_03.jpg", "smiling_front/001_08.jpg"], "london"),
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


def test_numbered_classes_are_asked_about_not_guessed():
    images = ["train/1/train_00001_aligned.jpg", "test/7/test_0001_aligned.jpg"]
    with pytest.raises(
        DatasetError, match=r"numbered classes \(1, 7\)(.|\n)*RAF-DB: 1=surprised(.|\n)*AffectNet: 0=neutral"
    ):
        guess_layout(images, has_manifest=False)
    meanings = {"1": "surprised", "7": "neutral"}
    assert guess_layout(images, False, meanings) == "expression-folders"


WORDS = [f"{folder}/{name}.jpg" for folder in ("joie", "neutre") for name in ("anna", "bob", "carl")]


@pytest.mark.parametrize("root", ["", "train/", "Joie/"])
def test_folders_of_unknown_words_with_the_same_people_are_asked_about(root):
    with pytest.raises(DatasetError) as raised:
        guess_layout([f"{root}{path}" for path in WORDS], has_manifest=False)
    message = str(raised.value)
    assert "--label joie=EXPRESSION --label neutre=EXPRESSION" in message
    assert f"{root}joie/anna.jpg and {root}neutre/anna.jpg" in message
    assert "--layout flat" in message
    assert ("FOLDER/Joie " in message) == (root == "Joie/")


@pytest.mark.parametrize(
    "images", [[*WORDS, "cover.jpg"], [*WORDS, *(f"neutre/{i}_eve.jpg" for i in range(9))]]
)
def test_folders_that_differ_in_part_are_asked_about_too(images):
    with pytest.raises(DatasetError, match="folders joie, neutre hold images of the same names"):
        guess_layout(images, has_manifest=False)


def test_only_folders_without_a_meaning_are_asked_about():
    with pytest.raises(DatasetError, match=r"the folders joie hold(.|\n)*--label joie=EXPRESSION") as raised:
        guess_layout(WORDS, False, {"neutre": "neutral"})
    assert "--label neutre" not in str(raised.value)
    assert guess_layout(WORDS, False, {"neutre": "neutral", "joie": "happy"}) == "expression-folders"


@pytest.mark.parametrize(
    ("images", "doubted"),
    [
        (["celebrity/einstein.jpg", "celebrity/curie.jpg", "statue/nero.jpg", "statue/einstein.jpg"], False),
        (["anna/holiday.jpg", "anna/work.jpg", "bob/garden.jpg", "bob/sea.jpg"], False),
        (["anna/IMG_0001.jpg", "anna/IMG_0002.jpg", "bob/IMG_0001.jpg", "bob/IMG_0002.jpg"], True),
        (["statue/001.jpg", "statue/002.jpg", "avatar/001.jpg"], True),
        (["statue/a/001.jpg", "statue/b/002.jpg"], False),
        (["anna/portrait.jpg", "bob/portrait.jpg"], True),
        (["a.jpg", "b/a.jpg"], False),
        (["train/ann.jpg", "test/ann.jpg"], False),
    ],
)
def test_flat_folders_stay_flat_and_shared_counters_are_noted(images, doubted):
    assert guess_layout(images, has_manifest=False) == "flat"
    assert bool(doubts_of_flat(images)) == doubted
