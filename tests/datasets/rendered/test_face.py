import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesbench.core.errors import UnknownName
from fesbench.datasets.rendered import (
    AU_NUMBERS,
    DOMAINS,
    EXPRESSIONS,
    LANDMARKS,
    ActionUnits,
    Shot,
    action_units_of,
    another_shot,
    make_identity,
    make_scene,
    render,
    render_face,
    render_shot,
)
from fesbench.datasets.rendered.view import EYE_LINE, EYE_SPAN, view

SEEDS = st.integers(0, 2**40)


def landmark(face, name):
    return face.landmarks[LANDMARKS.index(name)]


def with_units(**intensities):
    return ActionUnits(tuple(intensities.get(f"au{number}", 0.0) for number in AU_NUMBERS))


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("size", [64, 97, 128, 200, 512])
def test_any_size(domain, size):
    face = render_face(3, "happy", domain, 4, size=size)
    assert face.image.shape == (size, size, 3)
    assert face.image.dtype == np.uint8
    assert face.image.flags.c_contiguous
    assert face.mask.shape == (size, size)
    assert face.mask.dtype == np.bool_
    assert face.landmarks.shape == (len(LANDMARKS), 2)
    assert face.landmarks.dtype == np.float32


@settings(max_examples=40, deadline=None)
@given(subject=SEEDS, scene=SEEDS, domain=st.sampled_from(DOMAINS), expression=st.sampled_from(EXPRESSIONS))
def test_every_face_is_whole(subject, scene, domain, expression):
    face = render_face(subject, expression, domain, scene, size=64)
    assert 0.12 < face.mask.mean() < 0.70
    assert face.image.std() > 10
    for name in ("eye_left", "eye_right", "nose_tip", "mouth_left", "mouth_right", "lip_lower_outer"):
        x, y = np.rint(landmark(face, name)).astype(int)
        assert face.mask[y, x], name
    inside = (face.landmarks > 0) & (face.landmarks < 63)
    assert inside.all()


@settings(max_examples=25, deadline=None)
@given(subject=SEEDS, scene=SEEDS, domain=st.sampled_from(DOMAINS))
def test_every_plane_stays_in_single_precision(subject, scene, domain):
    seen = view(make_identity(subject), make_scene(domain, scene), 64)
    assert seen.x.dtype == seen.y.dtype == np.float32


def test_eyes_are_where_the_london_crops_have_them():
    faces = [render_face(seed, "neutral", "studio", seed, size=64) for seed in range(120)]
    left, right = (np.array([landmark(face, name) for face in faces]) for name in ("eye_left", "eye_right"))
    span = np.linalg.norm(right - left, axis=1).mean() / 64
    height = ((left + right)[:, 1] / 2 + 0.5).mean() / 64
    assert span == pytest.approx(EYE_SPAN, rel=0.01)
    assert height == pytest.approx(EYE_LINE, rel=0.01)
    assert ((left + right)[:, 0] / 2 + 0.5).mean() / 64 == pytest.approx(0.5, rel=0.01)


def test_view_maps_pixels_and_landmarks_to_each_other():
    seen = view(make_identity(8), make_scene("celebrity", 8), 128)
    rows, columns = np.array([40, 64, 90]), np.array([50, 64, 80])
    points = np.stack([seen.x[rows, columns], seen.y[rows, columns]], axis=1)
    np.testing.assert_allclose(seen.pixels(points), np.stack([columns, rows], axis=1), atol=0.5)


@pytest.mark.parametrize("domain", [name for name in DOMAINS if name != "statue"])
def test_pupils_are_dark_where_the_landmarks_say(domain):
    face = render_face(11, "surprised", domain, 11, intensity=1.0, size=256)
    for name in ("eye_left", "eye_right"):
        x, y = np.rint(landmark(face, name)).astype(int)
        centre = face.image[y + 2 : y + 5, x - 2 : x + 3].mean()
        assert centre < 0.75 * face.image[y + 2 : y + 5, x - 22 : x + 23].max()


@pytest.mark.parametrize(
    ("units", "name", "axis", "sign"),
    [
        ({"au12": 1.0}, "mouth_left", 1, -1),
        ({"au15": 1.0}, "mouth_left", 1, 1),
        ({"au12": 1.0}, "mouth_right", 0, 1),
        ({"au1": 1.0}, "brow_left_inner", 1, -1),
        ({"au2": 1.0}, "brow_right_outer", 1, -1),
        ({"au4": 1.0}, "brow_left_inner", 1, 1),
        ({"au5": 1.0}, "lid_left_upper", 1, -1),
        ({"au45": 1.0}, "lid_left_upper", 1, 1),
        ({"au7": 1.0}, "lid_right_lower", 1, -1),
        ({"au9": 1.0}, "nose_left", 1, -1),
        ({"au20": 1.0}, "mouth_left", 0, -1),
        ({"au23": 1.0}, "mouth_left", 0, 1),
        ({"au25": 1.0}, "lip_lower_inner", 1, 1),
        ({"au26": 1.0}, "chin", 1, 1),
    ],
)
def test_action_units_move_what_they_should(units, name, axis, sign):
    person, scene = make_identity(4), make_scene("studio", 4)
    relaxed, moved = (render(person, with_units(**intensities), scene, 128) for intensities in ({}, units))
    assert sign * (landmark(moved, name) - landmark(relaxed, name))[axis] > 0.4


@pytest.mark.parametrize("number", AU_NUMBERS)
@pytest.mark.parametrize("domain", DOMAINS)
def test_every_action_unit_shows(domain, number):
    person, scene = make_identity(4), make_scene(domain, 4)
    relaxed = render(person, with_units(), scene, 128).image.astype(int)
    moved = render(person, with_units(**{f"au{number}": 1.0}), scene, 128).image.astype(int)
    assert (np.abs(moved - relaxed).max(axis=2) > 12).sum() >= 20


def test_neutral_moves_nothing():
    assert not action_units_of(12, "neutral").vector().any()


def test_intensity_scales_the_units_of_one_person():
    half, full = (action_units_of(12, "sad", intensity).vector() for intensity in (0.5, 1.0))
    shown = (full > 0) & (full < 1)
    np.testing.assert_allclose(half[shown], full[shown] / 2, rtol=1e-6)
    assert ((half > 0) == (full > 0)).all()


def test_people_show_an_expression_differently():
    vectors = {action_units_of(seed, "angry").values for seed in range(20)}
    assert len(vectors) == 20


@given(subject=SEEDS, expression=st.sampled_from(EXPRESSIONS))
def test_units_stay_in_range(subject, expression):
    vector = action_units_of(subject, expression).vector()
    assert vector.shape == (17,)
    assert vector.min() >= 0
    assert vector.max() <= 1


def test_another_shot_is_the_same_sitting_slightly_off():
    first = make_scene("celebrity", 5)
    second = another_shot(first, 1)
    assert second != first
    assert (second.texture, second.backdrop, second.cloth) == (first.texture, first.backdrop, first.cloth)
    assert abs(second.shift_x - first.shift_x) <= 1 / 128
    assert abs(second.shift_y - first.shift_y) <= 1 / 128
    assert another_shot(first, 1) == second


def test_shot_renders_as_its_seeds_say():
    shot = Shot(7, "happy", "avatar", scene_seed=9, size=64)
    assert (render_shot(shot).image == render_face(7, "happy", "avatar", 9, size=64).image).all()


def test_unknown_names_are_refused():
    with pytest.raises(UnknownName, match=r"expression 'hapy'\. Did you mean happy"):
        render_face(1, "hapy")
    with pytest.raises(UnknownName, match=r"domain 'statues'\. Did you mean statue"):
        render_face(1, "happy", "statues")
