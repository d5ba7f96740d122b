"""Sequences of CK+ and Oulu-CASIA: first frame neutral, last frame at the peak."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fesbench.core.errors import DatasetError
from fesbench.datasets.folders.folder import FolderDataset, FolderSpec, folder_dataset


@pytest.fixture
def frames(tmp_path):
    def write(*paths):
        for number, path in enumerate(paths):
            file = tmp_path / path
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 255, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(file)
        return tmp_path

    return write


def labels(dataset):
    return sorted((sample.subject, sample.expression) for sample in dataset.samples())


def test_ck_plus_is_known_by_its_names_and_its_emotion_files(frames):
    root = frames(
        *(f"cohn-kanade-images/S005/001/S005_001_{n:08}.png" for n in (1, 2, 11)),
        *(f"cohn-kanade-images/S005/002/S005_002_{n:08}.png" for n in (1, 9)),
        *(f"cohn-kanade-images/S010/004/S010_004_{n:08}.png" for n in (1, 17)),
    )
    for name, text in {"S005_001_00000011": "   3.0000000e+00\n", "S010_004_00000017": "7"}.items():
        (root / f"{name}_emotion.txt").write_text(text)
    dataset = folder_dataset(root, "all")
    assert dataset.layout == "ck-plus"
    assert labels(dataset) == [
        ("S005", "disgusted"),
        ("S005", "neutral"),
        ("S005", "neutral"),
        ("S010", "neutral"),
        ("S010", "surprised"),
    ]
    assert [(problem.path[-21:], problem.reason.split(",")[0]) for problem in dataset.problems] == [
        ("S005_001_00000002.png", "a frame between the neutral one and the peak"),
        ("S005_002_00000009.png", "the peak of a sequence without a file …_emotion.txt"),
    ]


def test_oulu_casia_is_known_by_its_folders_whatever_the_light(frames):
    root = frames(
        *(f"VL/{light}/P001/Anger/{n:03}.jpeg" for light in ("Strong", "Dark") for n in (0, 1, 5)),
        "VL/Strong/P002/Happiness/000.jpeg",
        "VL/Strong/P002/Happiness/009.jpeg",
    )
    dataset = folder_dataset(root, "all")
    assert dataset.layout == "oulu-casia"
    assert labels(dataset) == [
        *[("P001", "angry")] * 2,
        *[("P001", "neutral")] * 2,
        ("P002", "happy"),
        ("P002", "neutral"),
    ]
    assert len(dataset.problems) == 2


@pytest.mark.parametrize("text", ["1e999", "nan", "-1", "3.5", "happy", ""])
def test_an_emotion_file_that_holds_no_code_leaves_its_sequence_unlabelled(frames, text):
    root = frames(*(f"S005/001/S005_001_{n:08}.png" for n in (1, 11)), "S006/001/S006_001_00000001.png")
    (root / "S005_001_00000011_emotion.txt").write_text(text)
    assert labels(folder_dataset(root, "all")) == [("S005", "neutral"), ("S006", "neutral")]


def test_two_copies_of_a_sequence_both_count(frames):
    root = frames(*(f"{copy}/S005_001_{n:08}.png" for copy in ("whole", "cropped") for n in (1, 2, 11)))
    (root / "S005_001_00000011_emotion.txt").write_text("5")
    dataset = folder_dataset(root, "all")
    assert labels(dataset) == [("S005", "happy")] * 2 + [("S005", "neutral")] * 2
    assert len(dataset.problems) == 2


def test_a_pattern_or_codes_that_sequences_do_not_take_are_refused(frames):
    root = frames("VL/Strong/P001/Anger/000.jpeg", "VL/Strong/P001/Anger/005.jpeg")
    for stated in ({"pattern": "{subject}/{expression}"}, {"labels": {"1": "happy"}}):
        with pytest.raises(DatasetError, match="layout oulu-casia has no"):
            FolderDataset(FolderSpec("set", root, layout="oulu-casia", **stated))
