import numpy as np
import pytest

from fesbench.metrics.fidelity import CHANGED_ABOVE, COLUMNS, Fidelity, face_ellipse

SIDE = 32


def plain(level):
    return np.full((SIDE, SIDE, 3), level, np.uint8)


def columns(batch_of, output, source, truth, mask=None):
    batch = batch_of(["happy"], outputs=output[None], sources=source[None], truths=[truth], masks=[mask])
    return {name: values[0] for name, values in Fidelity().score(batch).items()}


def test_constant_error_by_hand(batch_of):
    scores = columns(batch_of, plain(110), plain(100), plain(100))
    assert scores["mae.face"] == 10
    assert scores["psnr.face"] == pytest.approx(10 * np.log10(255**2 / 100))
    assert scores["mae.unchanged"] == 10
    assert np.isnan(scores["mae.changed"])
    assert np.isnan(scores["psnr.changed"])


def test_regions_follow_mask_and_change(batch_of):
    mask = np.zeros((SIDE, SIDE), bool)
    mask[:, :16] = True
    truth, output = plain(100), plain(100)
    truth[:8] = 150
    output[:8, :16] = 146
    output[8:, :16] = 101
    output[:, 16:] = 0
    scores = columns(batch_of, output, plain(100), truth, mask)
    assert scores["mae.changed"] == 4
    assert scores["mae.unchanged"] == 1
    assert scores["mae.face"] == 0.25 * 4 + 0.75 * 1
    assert scores["psnr.changed"] == pytest.approx(10 * np.log10(255**2 / 16))


def test_a_change_at_the_threshold_is_none(batch_of):
    level = 100 + int(CHANGED_ABOVE)
    assert np.isnan(columns(batch_of, plain(level), plain(100), plain(level))["mae.changed"])
    assert columns(batch_of, plain(level + 1), plain(100), plain(level + 1))["mae.changed"] == 0


def test_a_perfect_output_has_a_finite_psnr(batch_of):
    scores = columns(batch_of, plain(90), plain(100), plain(90))
    assert scores["mae.face"] == 0
    assert scores["psnr.face"] == pytest.approx(58.92, abs=0.005)


def test_no_truth_no_score(batch_of, edit):
    scores = columns(batch_of, plain(1), plain(1), None)
    assert set(scores) == set(COLUMNS)
    assert all(np.isnan(value) for value in scores.values())
    assert "true target" in Fidelity().reason(edit("happy", truth=False))
    assert Fidelity().reason(edit("happy")) == ""


def test_the_default_region_holds_eyes_and_mouth_and_no_corner():
    face = face_ellipse(100, 100)
    assert face[40, 36]
    assert face[40, 64]
    assert face[75, 50]
    assert not face[[0, 0, -1, -1], [0, -1, 0, -1]].any()
