from types import SimpleNamespace

import numpy as np
import pytest

from fesbench.core.contracts import Sample
from fesbench.core.errors import LandmarkError
from fesbench.core.paths import cache_folder
from fesbench.datasets.images import load_image, resize
from fesbench.datasets.registration import find_landmarks, finding, landmarks_of
from fesbench.datasets.registration.finding import LandmarkFinder

FACE = np.random.default_rng(0).uniform(150, 350, (68, 2))


class Box(SimpleNamespace):
    def __init__(self, left, top, right, bottom):
        super().__init__(edges=(left, top, right, bottom))

    def __getattr__(self, name):
        return lambda: self.edges[("left", "top", "right", "bottom").index(name)]

    def area(self):
        return (self.edges[2] - self.edges[0]) * (self.edges[3] - self.edges[1])


def finder(smallest=0, apart=0.0):
    """A finder that sees ``FACE`` in images of at least ``smallest`` pixels; counts what it looks at."""
    looked = []

    def detect(image, upsampling):
        looked.append(len(image))
        return [Box(0, 0, len(image) // 2 - 1, len(image) // 2 - 1)] if len(image) >= smallest else []

    def eyes(image, box):
        assert box.edges == (0, 0, 255, 255)
        centres = np.stack([FACE[36:42].mean(axis=0), FACE[42:48].mean(axis=0)])
        return centres + apart * np.linalg.norm(centres[1] - centres[0])

    def predict(image, box):
        return SimpleNamespace(part=lambda i: SimpleNamespace(x=FACE[i, 0], y=FACE[i, 1]))

    found = LandmarkFinder(SimpleNamespace(detector=detect, eyes=eyes), predict, "0" * 64)
    return found, looked


def test_landmarks_are_shares_of_the_centre_square():
    found, _ = finder()
    points = found.find(np.zeros((60, 100, 3), np.uint8))
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, (FACE + 0.5) / 512, atol=1e-6)


def test_small_faces_are_looked_for_in_larger_images():
    found, looked = finder(smallest=384)
    found.find(np.zeros((64, 64, 3), np.uint8))
    assert looked == [192, 384]


def test_a_picture_without_a_face_is_reported():
    found, looked = finder(smallest=10_000)
    with pytest.raises(LandmarkError, match="no face was found"):
        found.find(np.zeros((64, 64, 3), np.uint8))
    assert looked == list(finding.SIDES)


def test_predictors_that_disagree_are_reported():
    finder(apart=0.1)[0].find(np.zeros((64, 64, 3), np.uint8))
    with pytest.raises(LandmarkError, match=r"0\.2. eye distances apart"):
        finder(apart=0.2)[0].find(np.zeros((64, 64, 3), np.uint8))


@pytest.fixture
def counted(monkeypatch, tmp_path):
    """Make ``find_landmarks`` use a finder; return the list of what it looked at."""
    monkeypatch.setenv("FESBENCH_HOME", str(tmp_path))

    def use(**settings):
        found, looked = finder(**settings)
        monkeypatch.setattr(finding, "_finder", lambda folder: found)
        return looked

    return use


def test_an_image_is_looked_at_once(counted):
    looked, image = counted(), np.zeros((64, 64, 3), np.uint8)
    first = find_landmarks(image)
    np.testing.assert_array_equal(find_landmarks(image), first)
    assert len(looked) == 1
    find_landmarks(image + 1)
    assert len(looked) == 2


def test_a_failure_is_remembered_with_its_reason(counted):
    looked = counted(smallest=10_000)
    for _ in range(2):
        with pytest.raises(LandmarkError, match="no face was found"):
            find_landmarks(np.zeros((64, 64, 3), np.uint8))
    assert len(looked) == len(finding.SIDES)


@pytest.mark.parametrize("content", ["", "[]", "[[1, 2]]", "{}", "[" * 9000, '[["x", "y"]]', "[1, 2, null]"])
def test_a_damaged_memory_is_made_anew(counted, content):
    counted()
    image = np.zeros((64, 64, 3), np.uint8)
    expected = find_landmarks(image)
    (file,) = cache_folder().rglob("*.json")
    file.write_text(content)
    np.testing.assert_array_equal(find_landmarks(image), expected)


def test_known_landmarks_are_not_looked_for(counted):
    looked, known = counted(), np.zeros((68, 2), np.float32)
    sample = Sample("a", "a", None, "studio", lambda: np.zeros((8, 8, 3), np.uint8))
    told = Sample("b", "b", None, "studio", sample.load, load_landmarks=lambda: known)
    assert landmarks_of(told) is known
    assert not looked
    landmarks_of(sample)
    assert looked


def test_the_fetched_predictor_finds_the_landmarks_of_photos(
    weights_folder, monkeypatch, photos_folder, london_landmarks
):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights_folder))
    for name in sorted({name for name, _ in london_landmarks})[:3]:
        photo = resize(load_image(photos_folder / "neutral" / f"{name}.jpg"), 128)
        distances = np.linalg.norm(find_landmarks(photo) - london_landmarks[name, "neutral"], axis=1)
        assert distances.mean() < 0.015
        assert distances.max() < 0.06
