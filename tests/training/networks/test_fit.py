"""Training of the embedded networks on noise: batches, seeds, saved files."""

import numpy as np
import pytest
import torch

from fesbench.metrics.networks import embedded
from fesbench.training.networks import fit
from fesbench.training.networks.rendered_faces import Faces

DOMAINS, SUBJECTS, PHOTOS = 5, 20, 3


@pytest.fixture(scope="module")
def faces():
    """Noise in the place of faces, numbered as rendered ones are: no subject is in two domains."""
    place = [(d, 1000 * d + s) for d in range(DOMAINS) for s in range(SUBJECTS) for _ in range(PHOTOS)]
    random = np.random.default_rng(0)
    return Faces(
        random.integers(0, 256, (len(place), 3, 64, 64), dtype=np.uint8),
        np.array([subject for _, subject in place]),
        np.array([domain for domain, _ in place]),
        random.integers(0, 7, len(place)),
    )


def test_progress_is_reported_ten_times(faces):
    lines = []
    fit.train("judge1", fit.RECIPES["judge1"]._replace(steps=10), faces, 0, lines.append)
    assert len(lines) == 10
    assert lines[-1].startswith("judge1: step 10 of 10, loss ")


def test_a_judge_sees_the_last_domain_twice_as_often(faces):
    weights = fit._weights(faces)
    last = faces.domain == DOMAINS - 1
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights[last], 2 * weights[~last][0])


def test_a_share_of_the_subjects_is_one_of_every_domain(faces):
    part = faces.share(0.25, 0.75)
    assert np.bincount(part.domain).tolist() == [SUBJECTS * PHOTOS // 2] * DOMAINS
    assert not set(part.subject) & set(faces.share(0.75, 1.0).subject)


def test_identity_batches_hold_every_chosen_subject_in_full(faces):
    rows = fit._shots(faces, 3, np.random.default_rng(0), subjects=16, shots=PHOTOS)
    assert set(faces.domain[rows]) == {3}
    assert sorted(np.unique(faces.subject[rows], return_counts=True)[1]) == [PHOTOS] * 16


@pytest.mark.parametrize("name", ["judge2", "identity", "quality"])
def test_the_same_seed_gives_the_same_network(name, faces):
    recipe = fit.RECIPES[name]._replace(steps=2)
    first, second = (fit.train(name, recipe, faces, 7, str) for _ in range(2))
    other = fit.train(name, recipe, faces, 8, str)
    for key, value in first.state_dict().items():
        assert torch.equal(value, second.state_dict()[key])
    assert any(not torch.equal(value, other.state_dict()[key]) for key, value in first.state_dict().items())


def test_a_saved_network_comes_back_in_half_precision(tmp_path, faces):
    module = fit.train("judge1", fit.RECIPES["judge1"]._replace(steps=1), faces, 0, str)
    learned_from = {"split": "judge", "domains": ["studio"], "subjects_per_domain": [0, 1]}
    described = {"dimension": 7, "labels": list("abcdefg"), "data": learned_from, "reached": {}}
    embedded.save("judge1", module, described, tmp_path)
    images = torch.from_numpy(faces.images[:4].copy())
    found = embedded.load("judge1", tmp_path).features(images)
    scaled = embedded.area(images, 64)
    with torch.inference_mode():
        expected = (module(scaled).softmax(1) + module(scaled.flip(3)).softmax(1)) / 2
    torch.testing.assert_close(found, expected, rtol=0, atol=5e-3)
