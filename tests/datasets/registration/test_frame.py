import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from fesbench.core.errors import LandmarkError
from fesbench.datasets.registration import Frame, normalised_shapes
from fesbench.datasets.registration.frame import (
    COUNT,
    FARTHEST,
    RING,
    SMALLEST,
    doubled_areas,
    eye_centres,
    pose_between,
)


@pytest.fixture(scope="module")
def faces(london_landmarks):
    return np.stack([face for (_, expression), face in london_landmarks.items() if expression == "neutral"])


@pytest.fixture(scope="module")
def frame(london_landmarks):
    return Frame(np.mean([face for (_, name), face in london_landmarks.items() if name == "happy"], axis=0))


def turned(points, degrees, scale, shift):
    angle = np.radians(degrees)
    matrix = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return points @ matrix.T + shift


@settings(max_examples=25, deadline=None)
@given(degrees=st.floats(-180, 180), scale=st.floats(0.1, 5), x=st.floats(-2, 2), y=st.floats(-2, 2))
def test_a_pose_is_the_similarity_that_was_applied(degrees, scale, x, y):
    shape = np.random.default_rng(0).random((8, 2))
    pose = pose_between(shape, turned(shape, degrees, scale, (x, y)))
    np.testing.assert_allclose(pose.place(shape), turned(shape, degrees, scale, (x, y)), atol=1e-9)
    np.testing.assert_allclose(pose.normalise(pose.place(shape)), shape, atol=1e-9)


def test_normalised_faces_do_not_depend_on_size_place_and_angle(faces):
    moved = np.stack([turned(face, 7 * i, 0.5 + 0.1 * i, (0.3, -0.2)) for i, face in enumerate(faces)])
    np.testing.assert_allclose(normalised_shapes(moved), normalised_shapes(faces), atol=1e-9)
    eyes = eye_centres(normalised_shapes(faces).mean(axis=0))
    np.testing.assert_allclose(eyes, [[0.36, 0.4], [0.64, 0.4]], atol=0.01)


def test_all_triangles_of_every_face_turn_the_same_way(frame, london_landmarks):
    repaired = 0
    for face in london_landmarks.values():
        shape = frame.pose(face).normalise(face)
        mesh = frame.mesh(shape)
        assert doubled_areas(mesh, frame.triangles).min() >= SMALLEST
        assert np.abs(mesh[:COUNT] - shape).max() < 1 / 128
        repaired += not np.array_equal(mesh[:COUNT], shape)
    assert repaired > 0


def test_lips_that_cross_a_little_are_parted(frame):
    crossed = frame.shape.copy()
    crossed[[61, 62, 63], 1] = crossed[[67, 66, 65], 1] + 0.002
    assert (doubled_areas(np.concatenate([crossed, frame.vertices[COUNT:]]), frame.triangles) < 0).any()
    parted = frame.mesh(crossed)
    assert doubled_areas(parted, frame.triangles).min() >= SMALLEST
    assert 0.0005 < np.abs(parted[:COUNT] - crossed).max() < FARTHEST


def test_brows_and_chin_move_and_the_ring_around_the_face_stays(frame, faces):
    for face in faces:
        shape = frame.pose(face).normalise(face)
        surprised = shape.copy()
        surprised[17:27, 1] -= 0.03
        surprised[6:11, 1] += 0.04
        np.testing.assert_array_equal(frame.mesh(surprised, shape)[COUNT:], frame.mesh(shape)[COUNT:])
        assert not set(ConvexHull(frame.mesh(surprised, shape)[: COUNT + RING]).vertices) & set(range(COUNT))


def test_a_face_that_folds_is_refused(frame):
    folded = frame.shape.copy()
    folded[[48, 54]] = folded[[54, 48]]
    with pytest.raises(LandmarkError, match="cross each other"):
        frame.mesh(folded)


@pytest.mark.parametrize(
    "landmarks", [np.full((68, 2), np.nan), np.full((68, 2), 0.5), np.zeros((5, 2))], ids=str
)
def test_landmarks_of_no_face_are_refused(frame, landmarks):
    with pytest.raises(LandmarkError, match="landmarks"):
        frame.pose(landmarks)


def test_faces_in_one_place_make_no_frame():
    with pytest.raises(LandmarkError, match="one place"):
        _ = Frame(np.full((68, 2), 0.5)).triangles


def test_the_mask_covers_the_face_and_fades_out(frame):
    mask = frame.mask(128)
    assert mask.dtype == np.float32
    x, y = np.round(frame.shape[30] * 128).astype(int)
    assert mask[y, x] == 1
    assert mask[0].max() == mask[-1].max() == 0
    brows = np.floor(frame.shape[19:25] * 128).astype(int)
    assert mask[brows[:, 1], brows[:, 0]].min() > 0.9
    assert np.abs(np.diff(mask, axis=0)).max() < 0.25
