import numpy as np
import pytest

from fesbench.core.contracts import Edit, Sample
from fesbench.datasets.perturbations import (
    ALIGNED,
    PERTURBATIONS,
    Perturbation,
    Transform,
    perturbation_of,
    perturbed_edit,
    transform_of,
    transformed,
)

SIDE = 64


@pytest.fixture
def picture():
    """A soft blob, off the centre, whose mass shows where it is."""
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    blob = 220 * np.exp(-((x - 40) ** 2 + (y - 28) ** 2) / 50) + 10
    return np.repeat(blob[..., None], 3, axis=2).round().astype(np.uint8)


def middle(image):
    """(x, y) of the centre of mass above the ground."""
    weight = image[..., 0].astype(float) - 10
    y, x = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def test_a_shift_moves_by_its_share(picture):
    shift = Transform(right=4 / SIDE, down=-2 / SIDE)
    assert middle(transformed(picture, shift)) == pytest.approx((44, 26), abs=0.1)


def test_a_scale_leaves_the_centre_and_stretches_the_rest(picture):
    centre = SIDE / 2
    expected = centre + 1.1 * (middle(picture) - centre)
    assert middle(transformed(picture, Transform(factor=1.1))) == pytest.approx(expected, abs=0.2)


def test_a_turn_goes_clockwise(picture):
    x, y = middle(picture) - SIDE / 2
    expected = (SIDE / 2 - y, SIDE / 2 + x)
    assert middle(transformed(picture, Transform(degrees=90))) == pytest.approx(expected, abs=0.2)


def test_the_aligned_image_keeps_every_pixel(picture):
    assert transformed(picture, transform_of(ALIGNED, "anybody", SIDE)) is picture


def test_a_subject_goes_one_way_and_exactly_so_far():
    steps = [transform_of(Perturbation("shift", pixels), "s1", 128) for pixels in (1.0, 8.0)]
    lengths = [128 * np.hypot(step.right, step.down) for step in steps]
    assert lengths == pytest.approx([1, 8])
    assert steps[1].right == pytest.approx(8 * steps[0].right)


def test_perturbed_edits_change_source_truth_and_mask_alike_and_name_their_perturbation(picture):
    def sample(expression):
        return Sample(
            f"s1-{expression}", "s1", expression, "studio", lambda: picture, lambda: picture[..., 0] > 99
        )

    edit = Edit(sample("neutral"), "happy", sample("happy"))
    edits = [perturbed_edit(edit, one, SIDE) for one in PERTURBATIONS]
    assert [perturbation_of(edit.id) for edit in edits] == list(PERTURBATIONS)
    assert len({edit.id for edit in edits}) == len(PERTURBATIONS)
    far = edits[PERTURBATIONS.index(Perturbation("shift", 8.0))]
    np.testing.assert_array_equal(far.source.load(), far.truth.load())
    assert np.linalg.norm(middle(far.source.load()) - middle(picture)) == pytest.approx(8, abs=0.2)
    inside = far.source.load()[..., 0] > 99
    assert (far.source.load_mask() == inside).mean() > 0.99
