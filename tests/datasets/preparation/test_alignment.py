from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesbench.datasets.preparation.alignment import align, crop_to_photo, eye_targets, share_outside
from fesbench.datasets.preparation.detection import eye_centres


def dots(points: np.ndarray, size: int, sigma: float) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    light = sum(np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in points)
    return np.repeat(np.round(light * 255).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def centroids(image: np.ndarray) -> np.ndarray:
    grey = image[..., 0].astype(float)
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    halves = (x < grey.shape[1] / 2, x >= grey.shape[1] / 2)
    return np.array([[(grey * h * x).sum(), (grey * h * y).sum()] / (grey * h).sum() for h in halves])


def test_the_geometry_is_that_of_the_london_crops():
    np.testing.assert_allclose(eye_targets(256), [[92.16, 102.4], [163.84, 102.4]])


@settings(max_examples=25, deadline=None)
@given(
    angle=st.floats(-1.2, 1.2),
    distance=st.floats(20, 180),
    x=st.floats(170, 230),
    y=st.floats(170, 230),
    size=st.sampled_from([64, 128, 256]),
)
def test_eyes_come_to_lie_at_their_targets(angle, distance, x, y, size):
    step = np.array([np.cos(angle), np.sin(angle)]) * distance / 2
    eyes = np.array([x, y]) + np.outer([-1, 1], step)
    crop = align(dots(eyes, 400, distance / 14), eyes, size)
    assert crop.shape == (size, size, 3)
    np.testing.assert_allclose(centroids(crop), eye_targets(size), atol=0.02 * size * 0.28 + 0.1)


def test_an_aligned_photo_is_left_as_it_is():
    photo = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    assert np.array_equal(align(photo, eye_targets(128), 128), photo)


def test_the_similarity_has_no_shear():
    matrix = crop_to_photo(np.array([[10.0, 20.0], [40.0, 35.0]]), 100)[:, :2]
    np.testing.assert_allclose(matrix.T @ matrix, np.eye(2) * (matrix.T @ matrix)[0, 0], atol=1e-9)


def test_beyond_its_borders_a_photo_goes_on():
    photo = np.full((60, 60, 3), 77, np.uint8)
    eyes = np.array([[1.0, 1.0], [30.0, 1.0]])
    assert (align(photo, eyes, 64) == 77).all()
    assert share_outside(eyes, 64, photo) == pytest.approx(0.72, abs=0.05)
    assert share_outside(eye_targets(60), 60, photo) < 0.05


def test_eye_centres_turn_with_the_face():
    upright = eye_centres(np.array([[0.0, 0.0], [100.0, 0.0]]))
    np.testing.assert_allclose(upright, [[-0.56, -1.55], [100.56, -1.55]])
    quarter = eye_centres(np.array([[0.0, 0.0], [0.0, 100.0]]))
    np.testing.assert_allclose(quarter, [[1.55, -0.56], [1.55, 100.56]], atol=1e-12)
