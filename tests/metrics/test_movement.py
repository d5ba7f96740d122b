import numpy as np
import pytest
import torch

from fesbench.core.contracts import Annotation, Batch, Edit, Sample
from fesbench.datasets.rendered import RenderedDataset, landmarks_of, render_shot
from fesbench.datasets.rendered.dataset import Shot, subject_seed
from fesbench.datasets.rendered.view import EYE_SPAN
from fesbench.metrics.movement import UNKNOWN
from fesbench.metrics.networks.movement import movement, point_errors, unit_errors
from fesbench.metrics.registry import load_metric

LANDMARKS, UNITS = "landmarks@embedded", "action-units@embedded"
SIZE = 128


@pytest.fixture(scope="module")
def metric():
    return load_metric("movement@embedded")


@pytest.fixture(scope="module")
def edits():
    """One face of each domain to three expressions; subjects that no network has seen."""
    dataset = RenderedDataset("reference", subjects=1, size=SIZE)
    return [edit for edit in dataset.edits() if edit.target in ("happy", "sad", "surprised")]


def scores(metric, edits, outputs):
    network = metric.networks[0]
    stacks = {"output": np.stack(outputs), "source": np.stack([edit.source.load() for edit in edits])}
    features = {
        role: network.features(torch.from_numpy(stack.transpose(0, 3, 1, 2).copy())).numpy()
        for role, stack in stacks.items()
    }
    nothing = [None] * len(edits)
    batch = Batch(edits, stacks["output"], stacks["source"], nothing, nothing, {network.card.name: features})
    return metric.score(batch)


def test_truth_is_near_and_the_input_far_in_every_domain(metric, edits):
    near = scores(metric, edits, [edit.truth.load() for edit in edits])
    far = scores(metric, edits, [edit.source.load() for edit in edits])
    for column in (LANDMARKS, UNITS):
        for domain in {edit.source.domain for edit in edits}:
            here = np.array([edit.source.domain == domain for edit in edits])
            assert near[column][here].mean() < 0.6 * far[column][here].mean(), (column, domain)


def test_the_error_falls_as_the_expression_comes(metric):
    dataset = RenderedDataset("reference", domains=["studio"], subjects=1, size=SIZE)
    edit = next(edit for edit in dataset.edits() if edit.target == "happy")
    person = subject_seed("reference", "studio", 0)
    steps = [
        render_shot(Shot(person, "happy", "studio", person, SIZE, intensity)).image.copy()
        for intensity in (0.0, 0.2, 0.4, 0.6)
    ]
    found = scores(metric, [edit] * len(steps), steps)
    assert all(np.diff(found[LANDMARKS]) < 0)
    assert all(np.diff(found[UNITS]) < 0)


def test_the_input_s_error_is_what_moved(metric, edits):
    found = scores(metric, edits, [edit.source.load() for edit in edits])
    true = np.stack([movement(edit.source.annotate(), edit.truth.annotate()) for edit in edits])
    assert found[LANDMARKS] == pytest.approx(point_errors(true), rel=1e-5)
    assert found[UNITS] == pytest.approx(unit_errors(true), rel=1e-5)


def test_errors_by_hand():
    before = Annotation(np.zeros((26, 2), np.float32), np.zeros(17, np.float32))
    points = np.zeros((26, 2), np.float32)
    points[0] = EYE_SPAN * 0.3, EYE_SPAN * 0.4
    after = Annotation(points, np.eye(17, dtype=np.float32)[3])
    moved = movement(before, after)[None]
    assert point_errors(moved) == pytest.approx([50 / 26])
    assert unit_errors(moved) == pytest.approx([np.sqrt(1 / 17)])


def test_landmarks_without_rendering_are_those_of_the_rendered_face():
    shot = Shot(7, "sad", "avatar", 7, SIZE)
    np.testing.assert_allclose(landmarks_of(shot) * SIZE - 0.5, render_shot(shot).landmarks, atol=1e-4)


def test_faces_of_which_nobody_knows_more_have_no_score(metric, edits):
    def plain(sample):
        return Sample(sample.id, sample.subject, sample.expression, sample.domain, sample.load)

    unknown = [Edit(plain(edit.source), edit.target, plain(edit.truth)) for edit in edits[:2]]
    found = scores(metric, unknown, [edit.truth.load() for edit in unknown])
    assert all(np.isnan(values).all() for values in found.values())
    assert metric.reason(unknown[0], LANDMARKS) == UNKNOWN
    assert metric.reason(edits[0], LANDMARKS) == ""
