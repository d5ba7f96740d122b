import numpy as np
import pytest

from fesbench.core.contracts import Edit, Sample
from fesbench.datasets.perturbations import Perturbation, perturbed_edit
from fesbench.datasets.registration.frame import eye_centres
from fesbench.datasets.rendered import (
    DOMAINS,
    LANDMARKS,
    RenderedDataset,
    Shot,
    ibug_landmarks_of,
    landmarks_of,
    render_shot,
)

SHARED = {
    "eye_left_outer": 36,
    "eye_left_inner": 39,
    "eye_right_inner": 42,
    "eye_right_outer": 45,
    "brow_left_outer": 17,
    "brow_left_middle": 19,
    "brow_right_inner": 22,
    "mouth_left": 48,
    "mouth_right": 54,
    "lip_upper_outer": 51,
    "lip_lower_outer": 57,
    "lip_upper_inner": 62,
    "lip_lower_inner": 66,
    "nose_left": 31,
    "nose_tip": 30,
    "chin": 8,
}


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("expression", ["neutral", "happy", "surprised"])
def test_points_that_both_sets_name_are_the_same(domain, expression):
    shot = Shot(3, expression, domain, 3, 128)
    known, points = landmarks_of(shot), ibug_landmarks_of(shot)
    assert points.shape == (68, 2)
    assert points.dtype == np.float32
    for name, index in SHARED.items():
        np.testing.assert_allclose(points[index], known[LANDMARKS.index(name)], atol=2e-3, err_msg=name)


@pytest.mark.parametrize("domain", ["studio", "celebrity"])
def test_the_jaw_follows_the_outline_of_the_head(domain):
    """A little inside the points the mask of the head is set, a little outside it is not."""
    shot = Shot(4, "happy", domain, 4, 256)
    mask, points = render_shot(shot).mask, ibug_landmarks_of(shot) * 256 - 0.5
    nose = points[30]
    for point in points[5:12]:
        step = 5 * (nose - point) / np.linalg.norm(nose - point)
        inside, outside = (np.round(p).astype(int) for p in (point + step, point - step))
        assert mask[inside[1], inside[0]]
        assert not mask[outside[1], outside[0]]


@pytest.mark.parametrize(("kind", "amount"), [("turn", 10.0), ("scale", 1.1), ("shift", 4.0)])
def test_landmarks_are_perturbed_with_their_image(kind, amount):
    dot = np.zeros((64, 64, 3), np.uint8)
    dot[20, 42] = 255
    known = np.tile(np.float32([42.5 / 64, 20.5 / 64]), (68, 1))
    source = Sample("a", "a", "neutral", "studio", lambda: dot, load_landmarks=lambda: known)
    changed = perturbed_edit(Edit(source, "happy"), Perturbation(kind, amount), 64).source
    light = changed.load()[..., 0].astype(float)
    rows, columns = np.mgrid[:64, :64]
    seen = np.array([(columns * light).sum(), (rows * light).sum()]) / light.sum()
    assert changed.load_landmarks().dtype == np.float32
    np.testing.assert_allclose(changed.load_landmarks()[0] * 64 - 0.5, seen, atol=0.3)


def test_samples_and_targets_of_pairs_tell_their_landmarks():
    data = RenderedDataset("train", subjects=1, size=64)
    for sample in (*data.samples(), *(target for _, target in data.pairs())):
        eyes = eye_centres(sample.load_landmarks())
        assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(0.28, abs=0.04)
