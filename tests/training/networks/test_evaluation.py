"""The numbers on the cards of the embedded networks, on features that are known."""

import numpy as np
import pytest
import torch

from fesbench.training.networks import evaluation
from fesbench.training.networks.rendered_faces import Faces

DOMAINS, SUBJECTS, EXPRESSIONS = 2, 4, 7


class Network:
    """Gives the features that a function computes from uint8 images."""

    def __init__(self, function):
        self.features = function


@pytest.fixture(scope="module")
def faces():
    """Faces whose first pixel is the number of the subject, and whose second is the expression."""
    rows = [
        (domain, SUBJECTS * domain + subject, expression)
        for domain in range(DOMAINS)
        for subject in range(SUBJECTS)
        for expression in range(EXPRESSIONS)
    ]
    domain, subject, expression = (np.array(column) for column in zip(*rows, strict=True))
    images = np.random.default_rng(0).integers(0, 256, (len(rows), 3, 16, 16), dtype=np.uint8)
    images[:, :, 0, 0], images[:, :, 0, 1] = subject[:, None], expression[:, None]
    return Faces(images, subject, domain, expression)


def by_subject(images):
    return torch.nn.functional.one_hot(images[:, 0, 0, 0].long(), DOMAINS * SUBJECTS).float()


def by_expression(images):
    return torch.nn.functional.one_hot(images[:, 0, 0, 1].long(), EXPRESSIONS).float()


def brightness_first(images):
    """Three features, the first of which falls with high frequencies."""
    pixels = images.float() / 255
    detail = (pixels[..., 1:] - pixels[..., :-1]).abs().mean((1, 2, 3))
    return torch.stack([detail, pixels.mean((1, 2, 3)), pixels.std((1, 2, 3))], 1)


def test_accuracy_is_that_of_each_domain(faces):
    assert evaluation.accuracy(Network(by_expression), faces) == {0: 1.0, 1: 1.0}

    def never_neutral(images):
        return by_expression(images.clone()) * torch.tensor([0.0] + [1.0] * (EXPRESSIONS - 1)) + torch.tensor(
            [0.0, 0.1] + [0.0] * (EXPRESSIONS - 2)
        )

    share = (EXPRESSIONS - 1) / EXPRESSIONS
    assert evaluation.accuracy(Network(never_neutral), faces) == pytest.approx({0: share, 1: share})


def test_a_network_that_knows_the_subjects_verifies_all(faces):
    expected = {"auc": 1.0, "genuine": 1.0, "impostor": 0.0}
    assert evaluation.identity(Network(by_subject), faces) == {0: expected, 1: expected}


def test_pairs_are_of_one_domain_and_two_expressions(faces):
    genuine, impostor = evaluation.pair_similarity(
        by_subject(torch.from_numpy(faces.images)).numpy(), faces, 1
    )
    expressions = EXPRESSIONS * (EXPRESSIONS - 1)
    assert len(genuine) == SUBJECTS * expressions // 2
    assert len(impostor) == SUBJECTS * (SUBJECTS - 1) // 2 * expressions
    assert set(genuine) == {1.0}
    assert set(impostor) == {0.0}


def test_area_under_the_curve_counts_ties_half():
    values = [np.array(column, np.float32) for column in ([0.9, 0.5], [0.5, 0.1])]
    assert evaluation.area_under_curve(*values) == (2 + 1 + 0.5) / 4


def test_one_in_a_hundred_impostors_passes_the_threshold(faces):
    def embedding(images):
        return torch.nn.functional.normalize(images.float().flatten(1)[:, 10:42] - 127.5, dim=1)

    found = evaluation.verification(Network(embedding), faces)
    vectors = embedding(torch.from_numpy(faces.images)).numpy()
    impostors = np.concatenate([evaluation.pair_similarity(vectors, faces, d)[1] for d in range(DOMAINS)])
    assert (impostors > found["threshold"]).mean() == pytest.approx(0.01, abs=0.005)
    assert found["impostor_cosine"] == pytest.approx(impostors.mean(), abs=1e-6)
    assert "8 rendered validation subjects" in found["origin"]


def test_quality_ladders_begin_with_the_images_as_they_are(faces):
    network = Network(brightness_first)
    ladders = evaluation.quality_ladders(network, faces)
    untouched = float(evaluation.features_of(network, faces)[:, 0].mean())
    assert {len(ladder) for ladder in ladders.values()} == {len(evaluation.LADDER)}
    assert [ladder[0] for ladder in ladders.values()] == pytest.approx([untouched] * len(ladders), rel=1e-5)
    assert ladders["blur"] == sorted(ladders["blur"], reverse=True)


def test_sets_that_are_less_real_are_further_away(faces):
    distances = evaluation.set_distances(Network(brightness_first), faces, neutral=0)
    assert distances.keys() == {0, 1}
    for sets in distances.values():
        assert sets["real"]["fid"] < sets["blurred by 1"]["fid"] < sets["blurred by 2"]["fid"]
        assert sets["real"]["kid"] < sets["blurred by 2"]["kid"]
