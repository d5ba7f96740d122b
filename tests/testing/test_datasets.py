"""The data set suite: ours pass it, every kind of broken one is caught."""

from dataclasses import replace

import numpy as np
import pytest

from fesbench.core.contracts import Dataset, Sample
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.rendered.dataset import SPLITS, RenderedDataset
from fesbench.testing.datasets import check_dataset
from fesbench.testing.findings import ConformanceError


@pytest.mark.parametrize("split", SPLITS)
def test_rendered_faces_keep_the_contract(split):
    others = [RenderedDataset(other, subjects=4, size=64) for other in SPLITS if other != split]
    check_dataset(RenderedDataset(split, subjects=4, size=64), *others, images=8)


def test_a_folder_of_photos_keeps_the_contract(photos_folder):
    splits = [load_dataset(photos_folder, split=split) for split in ("test", "train", "val")]
    check_dataset(*splits, images=4)


class Plain(Dataset):
    """Two subjects, two expressions, grey images."""

    name, split, expressions, digest = "plain", "test", ("neutral", "happy"), "a" * 64

    def __init__(self):
        image = np.full((32, 32, 3), 128, np.uint8)
        self._samples = [
            Sample(f"{who}-{expression}", who, expression, "studio", lambda: image)
            for who in ("ann", "bob")
            for expression in self.expressions
        ]

    def samples(self):
        return self._samples

    def change(self, **changes):
        self._samples[0] = replace(self._samples[0], **changes)
        return self


class Unstable(Plain):
    def samples(self):
        self._samples = self._samples[::-1]
        return self._samples


class BadDigest(Plain):
    digest = "today"


class OwnReferences(Plain):
    def references(self):
        return self._samples[:1]


def test_a_good_data_set_passes():
    assert all(finding.problem is None for finding in check_dataset(Plain()))


GREY = np.zeros((32, 32), np.uint8)
MASKED = {"load_mask": lambda: GREY}


@pytest.mark.parametrize(
    ("dataset", "check"),
    [
        (Plain().change(expression="sleepy"), "labels are its expressions"),
        (Plain().change(id="ANN-happy"), "ids are unique and file-safe"),
        (Plain().change(id="../ann"), "ids are unique and file-safe"),
        (Unstable(), "stable order and digest"),
        (BadDigest(), "stable order and digest"),
        (OwnReferences(), "references are other subjects"),
        (Plain().change(load=lambda: GREY), "images load as RGB"),
        (Plain().change(load=lambda: np.zeros((4, 4, 3))), "images load as RGB"),
        (
            Plain().change(load=lambda: np.random.default_rng().integers(0, 255, (9, 9, 3), np.uint8)),
            "images load as RGB",
        ),
        (Plain().change(**MASKED), "images load as RGB"),
    ],
)
def test_broken_data_sets_are_caught(dataset, check):
    with pytest.raises(ConformanceError) as caught:
        check_dataset(dataset)
    assert [finding.check for finding in caught.value.findings if finding.problem] == [check]


def test_splits_that_share_a_subject_are_caught():
    with pytest.raises(ConformanceError, match="shares subjects with test: ann, bob"):
        check_dataset(Plain(), Plain())
