import numpy as np
import pytest

from fesbench.metrics.fidelity import CHANGED_ABOVE, Fidelity, face_ellipse, structural_similarity

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


def test_structural_similarity_is_the_formula_of_the_paper():
    random = np.random.default_rng(0)
    first, second = random.integers(0, 256, (2, SIDE, SIDE, 3), dtype=np.uint8)
    found = structural_similarity(first, second)
    x, y = (image @ np.array([0.299, 0.587, 0.114]) for image in (first, second))
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    for row, column in ((5, 5), (13, 20), (26, 26)):
        here = np.s_[row - 5 : row + 6, column - 5 : column + 6]
        mean_x, mean_y = (window * x[here]).sum(), (window * y[here]).sum()
        variances = (window * (x[here] - mean_x) ** 2).sum() + (window * (y[here] - mean_y) ** 2).sum()
        both = (window * (x[here] - mean_x) * (y[here] - mean_y)).sum()
        expected = (2 * mean_x * mean_y + 6.5025) * (2 * both + 58.5225)
        expected /= (mean_x**2 + mean_y**2 + 6.5025) * (variances + 58.5225)
        assert found[row, column] == pytest.approx(expected, abs=1e-9)


def test_structural_similarity_is_1_for_the_truth_and_falls_with_noise(batch_of):
    truth = np.random.default_rng(1).integers(80, 180, (SIDE, SIDE, 3), dtype=np.uint8)
    noise = np.random.default_rng(2).integers(-9, 10, truth.shape)
    values = [
        columns(batch_of, (truth + k * noise).astype(np.uint8), truth, truth)["ssim.face"] for k in (0, 1, 3)
    ]
    assert values[0] == pytest.approx(1)
    assert 1 > values[1] > values[2]


def test_no_truth_no_score(batch_of, edit):
    scores = columns(batch_of, plain(1), plain(1), None)
    assert set(scores) == set(Fidelity.card.column_names)
    assert all(np.isnan(value) for value in scores.values())
    assert "true target" in Fidelity().reason(edit("happy", truth=False), "mae.face")
    assert Fidelity().reason(edit("happy"), "mae.face") == ""


def test_the_default_region_holds_eyes_and_mouth_and_no_corner():
    face = face_ellipse(100, 100)
    assert face[40, 36]
    assert face[40, 64]
    assert face[75, 50]
    assert not face[[0, 0, -1, -1], [0, -1, 0, -1]].any()
