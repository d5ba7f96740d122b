import json
from dataclasses import replace

import numpy as np
import pytest

import fesbench
from fesbench.core.contracts import Edit, Failure, GeneratorCard, Sample, Synthesizer
from fesbench.core.errors import BenchError, LandmarkError
from fesbench.datasets.loading import ImageLoader
from fesbench.datasets.rendered import RenderedDataset
from fesbench.generators.registered_inputs import RegisteredInputs, RegisteredPairs, mean_frame
from fesbench.generators.registration import Registration
from fesbench.generators.registry import load_model
from fesbench.runs.fitting import PairLoader
from fesbench.runs.models import make_cell
from fesbench.runs.plan import make_plan
from fesbench.runs.spec import RunSpec
from fesbench.training import splits

SIZE = 128
CORNER = 48
"""The landmark at a corner of the mouth."""


class Painter(Synthesizer):
    """Brightens a spot of the picture that it is given, (column, row) in shares of its side."""

    card = GeneratorCard(name="painter", title="Painter")

    def __init__(self, spot=None) -> None:
        self.spot = spot

    def answer(self, edits):
        return [self._painted(edit.source.load()) for edit in edits]

    def _painted(self, image):
        return image if self.spot is None else brightened(image, self.spot)


def brightened(image, spot, amount=100):
    rows, columns = np.mgrid[: len(image), : len(image)] + 0.5
    distance = (columns - spot[0] * len(image)) ** 2 + (rows - spot[1] * len(image)) ** 2
    return np.clip(image + amount * np.exp(-distance / 8)[..., None], 0, 255).astype(np.uint8)


def brightest(image):
    """Where the centre of brightness lies: (column, row) in shares of the side."""
    grey = image.astype(float).sum(axis=2)
    rows, columns = np.mgrid[: len(grey), : len(grey)] + 0.5
    return np.array([(columns * grey).sum(), (rows * grey).sum()]) / grey.sum() / len(grey)


def dark(name, expression, face, spot=None):
    image = np.zeros((SIZE, SIZE, 3), np.uint8)
    image = image if spot is None else brightened(image, spot)
    return Sample(
        f"{name}-{expression}", name, expression, "studio", lambda: image, load_landmarks=lambda: face
    )


class People(RenderedDataset):
    """Black pictures of people in pairs, with a bright spot at a corner of the mouth."""

    def __init__(self, landmarks) -> None:
        super().__init__("train", subjects=1)
        self.faces = landmarks

    def pairs(self):
        shown = {key: dark(*key, face, face[CORNER]) for key, face in self.faces.items()}
        names = sorted({name for name, _ in self.faces})
        return [(shown[name, "neutral"], shown[name, "happy"]) for name in names]


@pytest.fixture(scope="module")
def people(london_landmarks):
    return People(london_landmarks)


@pytest.fixture(scope="module")
def registration(people):
    return Registration(mean_frame(people), SIZE)


def test_a_change_in_the_frame_arrives_at_the_same_place_of_every_face(people, registration):
    edits = [
        Edit(dark(*key, face), "happy") for key, face in list(people.faces.items())[:6] if key[1] == "neutral"
    ]
    painter = RegisteredInputs(Painter(registration.frame.shape[CORNER]), registration)
    assert painter.card.registered
    for edit, answer in zip(edits, painter.answer(edits), strict=True):
        corner = edit.source.load_landmarks()[CORNER]
        assert np.abs(brightest(answer) - corner).max() < 1 / SIZE


def test_what_a_model_does_not_change_keeps_every_pixel_of_the_photo():
    data = RenderedDataset("val", domains=("studio",), subjects=2)
    edits, identity = data.edits()[:2], RegisteredInputs(Painter(), Registration(mean_frame(data), SIZE))
    for edit, answer in zip(edits, identity.answer(edits), strict=True):
        np.testing.assert_array_equal(answer, edit.source.load())


def test_pairs_are_registered_but_for_what_the_expression_moves(people, registration):
    frame, pairs = registration.frame, RegisteredPairs(people, registration)
    assert len(pairs.pairs()) == len(people.pairs())
    smiles = []
    for source, target in pairs.pairs():
        assert np.abs(brightest(source.load()) - frame.shape[CORNER]).max() < 1 / SIZE
        smiles.append(brightest(target.load()) - frame.shape[CORNER])
    assert np.mean(smiles, axis=0)[0] < -1.5 / SIZE  # the left corner moves outwards, and is not warped back
    other = RegisteredPairs(people, Registration(frame, 64))
    assert len({people.digest, pairs.digest, other.digest}) == 3


def test_an_unknown_face_fails_alone(people, registration):
    def unknown():
        raise LandmarkError("no face was found")

    (key, face), *_ = people.faces.items()
    known = dark(*key, face)
    edits = [Edit(replace(known, id="x", load_landmarks=unknown), "happy"), Edit(known, "happy")]
    first, second = RegisteredInputs(Painter(), registration).answer(edits)
    assert first == Failure("no face was found")
    assert second.shape == (SIZE, SIZE, 3)


def cell_of(name, **fields):
    """A model prepared for rendered faces after a fit on three people."""
    spec = RunSpec(models=(name,), resolution=64, limit=1, **fields)
    (plan,) = make_plan(spec).datasets
    plan = replace(plan, train=RenderedDataset("train", subjects=3, size=64))
    pairs = PairLoader(ImageLoader(0), spec.resolution)
    return make_cell(load_model(name), name, plan, spec, pairs, "cpu")


@pytest.mark.parametrize(
    ("name", "registered", "block"),
    [
        ("reggan-regression", True, "registered"),
        ("reggan-regression", False, "main"),
        ("reggan-registered", False, "registered"),
        ("copy", True, "control"),
    ],
)
def test_models_that_see_registered_faces_are_ranked_apart(name, registered, block):
    cell = cell_of(name, registered=registered)
    assert (cell.block, cell.card.registered) == (block, block == "registered")
    assert isinstance(cell.synthesizer, RegisteredInputs) == (registered and block != "control")
    (answer,) = cell.synthesizer.answer(cell.dataset.edits[:1])
    assert answer.shape[2] == 3


def test_a_network_that_learned_from_registered_faces_sees_such_faces(tmp_path, monkeypatch):
    monkeypatch.setattr(splits, "load_dataset", lambda _, split: RenderedDataset(split, subjects=3, size=64))
    settings = {"width": 4, "discriminator_width": 4, "precision": "float32"}
    fixed = {"config": settings, "resolution": 16, "steps": 1, "registered": True, "out": tmp_path / "out"}
    (training,) = fesbench.train("usgan", **fixed).trainings
    card = json.loads(training.checkpoint.with_suffix(".json").read_text())
    assert card["card"]["learned_registered"]
    assert card["training"]["data_digest"] == RenderedDataset("train", subjects=3, size=64).digest
    with pytest.raises(BenchError, match="registered was"):
        fesbench.train("usgan", **fixed | {"registered": False, "resume": True})
    spec = RunSpec(models=("usgan",), resolution=64, limit=1)
    (plan,) = make_plan(spec).datasets
    plan = replace(plan, train=RenderedDataset("train", subjects=3, size=64))
    model = load_model("usgan", training.checkpoint)
    cell = make_cell(model, "usgan", plan, spec, PairLoader(ImageLoader(0), 64), "cpu")
    assert isinstance(cell.synthesizer, RegisteredInputs)
    assert cell.block == "registered"


def test_judges_of_photos_choose_among_no_registered_weights():
    with pytest.raises(BenchError, match="no --judge"):
        fesbench.train("usgan", registered=True, judge="ecs@embedded-judge1")


def test_finished_images_cannot_be_registered(tmp_path):
    spec = RunSpec(models=(f"outputs:{tmp_path}",), registered=True)
    (plan,) = make_plan(RunSpec(limit=1)).datasets
    with pytest.raises(BenchError, match="without --registered"):
        make_cell(load_model("copy"), spec.models[0], plan, spec, PairLoader(ImageLoader(0), 64), "cpu")
