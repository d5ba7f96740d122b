from collections import Counter
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from fesbench.core.contracts import Dataset, Edit, Failure, Sample
from fesbench.core.errors import BenchError, CheckpointError, DatasetError, LandmarkError, UnsupportedEdit
from fesbench.datasets.images import load_image, resize
from fesbench.datasets.rendered import RenderedDataset
from fesbench.generators.registration import Registration, pictured, stacked
from fesbench.generators.synthesis import GeneratorSynthesizer, image_to_input
from fesbench.reggan import LocalRidge
from fesbench.reggan.calibration import folds_of, strength
from fesbench.reggan.registered import RegisteredRegression
from fesbench.reggan.shape_regression import Moves, ShapeRegression
from fesbench.testing.generators import check_generator

SIZE = 64


class Photos(Dataset):
    """Photos of the twelve people with their landmarks, but for the ids in ``unknown``."""

    name, split, digest = "photos", "train", "none"
    expressions = ("neutral", "happy")

    def __init__(self, folder, landmarks, unknown=()):
        self.shots = [
            Sample(
                f"{name}-{expression}",
                name,
                expression,
                "studio",
                partial(self.photo, folder / expression / f"{name}.jpg"),
                load_landmarks=partial(self.landmarks, face, f"{name}-{expression}" in unknown),
            )
            for (name, expression), face in landmarks.items()
        ]

    def samples(self):
        return self.shots

    @staticmethod
    def photo(path):
        return resize(load_image(path), SIZE)

    @staticmethod
    def landmarks(face, unknown):
        if unknown:
            raise LandmarkError("no face was found")
        return face.astype(np.float32)


@pytest.fixture(scope="module")
def photos(photos_folder, london_landmarks):
    return Photos(photos_folder, london_landmarks)


@pytest.fixture(scope="module")
def model(photos):
    return fitted(photos)


@pytest.fixture(scope="module")
def rendered():
    model = RegisteredRegression()
    model.fit(RenderedDataset("train", subjects=12, size=SIZE), None, 0)
    return model


def fitted(photos, **settings):
    model = RegisteredRegression(**settings)
    model.fit(photos, None, 0)
    return model


def inputs(samples):
    images = torch.stack([image_to_input(sample.load()) for sample in samples])
    return images, torch.from_numpy(np.stack([sample.load_landmarks() for sample in samples]))


def synthesize(model, images, landmarks, label=0):
    targets = torch.full((len(images),), label)
    return model.synthesize(images, torch.full_like(targets, -1), targets, landmarks)


def test_it_is_the_local_ridge_and_the_landmark_ridge_of_registered_faces(photos, model, london_landmarks):
    """A re-computation of all steps without the batches and the subtraction of folds."""
    names = sorted({name for name, _ in london_landmarks})
    before, after = (
        np.stack([london_landmarks[n, e] for n in names]).astype(np.float32) for e in photos.expressions
    )
    before, after = before.astype(np.float64), after.astype(np.float64)
    folds = np.array([folds_of(names)[name] for name in names])
    shapes = ShapeRegression.fit(before, [Moves(before, after, folds)])
    registration = Registration(shapes.frame, SIZE)
    by_id = {sample.id: sample for sample in photos.samples()}
    sources, targets = (
        (
            registration.to_frame(
                torch.stack([image_to_input(by_id[f"{n}-{e}"].load()) for n in names]),
                stacked([pictured(shapes.frame, face) for face in faces]),
            )
            + 1
        )
        / 2
        for e, faces in zip(photos.expressions, (before, after), strict=True)
    )
    ridge = LocalRidge(3, 0.4, residual=True).fit(sources, targets)
    pose = shapes.frame.pose(before[0])
    mesh = shapes.frame.mesh(pose.normalise(before[0]))
    goal = pose.place(shapes.frame.mesh(shapes.moved(mesh[:68], 0, 1.0), mesh[:68]))
    predicted = torch.empty_like(sources)
    for fold in range(5):
        held = torch.from_numpy(folds == fold)
        others = LocalRidge(3, 0.4, residual=True).fit(sources[~held], targets[~held])
        predicted[held] = others.predict(sources[held])
    changes = [registration.mask * (images - sources) for images in (targets, predicted)]
    true, made = (change.flatten(1).double().numpy() for change in changes)
    strong = 2 * strength(true, made)
    change = strong * registration.mask * (ridge.predict(sources[:1]) - sources[:1])
    image, landmarks = inputs([by_id[f"{names[0]}-neutral"]])
    expected = registration.move(image, stacked([pose.place(mesh)]), stacked([goal]), change).clamp(-1, 1)
    torch.testing.assert_close(synthesize(model, image, landmarks), expected, atol=1e-3, rtol=0)


def test_the_corners_of_the_mouth_go_apart_in_a_smile_and_nothing_moves_without_one(london_landmarks):
    names = sorted({name for name, _ in london_landmarks})
    before, after = (np.stack([london_landmarks[n, e] for n in names]) for e in ("neutral", "happy"))
    folds = np.arange(len(names))
    shapes = ShapeRegression.fit(before, [Moves(before, after, folds), Moves(before, before, folds)])
    assert np.abs(shapes.moved(before[0], 1, 1.0) - before[0]).max() < 1e-12
    corners = shapes.moved(before[0], 0, 1.0)[[48, 54]] - before[0][[48, 54]]
    assert corners[0, 0] < -0.01
    assert corners[1, 0] > 0.01
    full, half = (shapes.moved(before[0], 0, intensity) - before[0] for intensity in (1.0, 0.5))
    np.testing.assert_allclose(half, full / 2, atol=1e-12)


def people_who(move):
    """Landmarks of 40 people who differ along one direction, and where ``move`` takes those of each."""
    rng = np.random.default_rng(0)
    face = np.stack([np.linspace(0.3, 0.7, 68), 0.5 + 0.2 * np.sin(np.arange(68))], axis=1)
    kind = np.zeros((68, 2))
    kind[:17] = rng.normal(0, 0.02, (17, 2))
    differing = rng.normal(0, 1, (40, 1, 1))
    before = face + differing * kind + rng.normal(0, 0.001, (40, 68, 2))
    return Moves(before, before + move(differing), np.arange(40) % 5)


def smile():
    moved = np.zeros((68, 2))
    moved[48:] = np.random.default_rng(1).normal(0, 0.02, (20, 2))
    return moved


def test_a_calibrated_displacement_is_as_strong_as_people_show_it():
    """Strengths 0.4 and 1.6 have the mean 1 and the root mean square √((0.16 + 2.56) / 2)."""
    moves = people_who(lambda _: np.resize([0.4, 1.6], 40)[:, None, None] * smile())
    plain, calibrated = (ShapeRegression.fit(moves.before, [moves], c).displacements for c in (False, True))
    expected = np.sqrt((0.4**2 + 1.6**2) / 2)
    np.testing.assert_allclose(calibrated, plain * np.linalg.norm(calibrated) / np.linalg.norm(plain))
    assert np.linalg.norm(calibrated) / np.linalg.norm(plain) == pytest.approx(expected, abs=0.03)


def test_the_penalty_of_the_shape_is_the_best_on_people_held_out():
    """A smile that depends on the face is learned as such, the same smiles of other faces are not."""
    shuffled = np.random.default_rng(2).permutation(40)
    own = people_who(lambda differing: (1 + 0.5 * differing) * smile())
    foreign = people_who(lambda differing: (1 + 0.5 * differing[shuffled]) * smile())
    related, unrelated = map(variation, (own, foreign))
    assert related > 3 * unrelated


def variation(moves):
    """How much the fitted displacements of the people of a fit differ."""
    fit = ShapeRegression.fit(moves.before, [moves], calibrate=False)
    shapes = [fit.frame.pose(face).normalise(face) for face in moves.before]
    return np.std([fit.moved(shape, 0, 1.0) - shape for shape in shapes], axis=0).mean()


def test_strength_is_the_energy_along_the_prediction():
    predicted = np.array([[2.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    true = np.array([[3.0, 9.0], [-1.0, 5.0], [7.0, 7.0]])
    assert strength(true, predicted) == pytest.approx(np.sqrt((9 + 1) / (4 + 1)))
    assert strength(10 * true, predicted) == 1.5
    assert strength(true, 0 * predicted) == 1


def test_without_other_people_nothing_is_calibrated(photos_folder, london_landmarks):
    name = next(iter(london_landmarks))[0]
    alone = {key: face for key, face in london_landmarks.items() if key[0] == name}
    fits = [fitted(Photos(photos_folder, alone), calibrate=calibrate) for calibrate in (True, False)]
    np.testing.assert_array_equal(*(model.state()["texture"] for model in fits))


def test_outputs_smile_as_the_people_do(photos, model):
    """Nearer to the true smile than the neutral photo is, in a patch around the mouth of most people."""
    pairs = photos.pairs()
    images, landmarks = inputs([source for source, _ in pairs])
    truths, _ = inputs([target for _, target in pairs])
    outputs = synthesize(model, images, landmarks)
    mouth = (..., slice(40, 54), slice(18, 46))
    gained = [
        (i - t)[mouth].abs().mean() > (o - t)[mouth].abs().mean()
        for i, o, t in zip(images, outputs, truths, strict=True)
    ]
    assert sum(gained) >= 10


def test_intensity_scales_the_change_and_none_of_it_gives_the_photo(photos, model):
    image, landmarks = inputs(photos.samples()[:1])
    restored = RegisteredRegression(intensity=0.0)
    restored.load_state(model.state())
    torch.testing.assert_close(synthesize(restored, image, landmarks), image, atol=2e-3, rtol=0)
    strong = RegisteredRegression(intensity=1.5)
    strong.load_state(model.state())
    changes = [(synthesize(m, image, landmarks) - image).abs().mean() for m in (model, strong)]
    assert changes[1] > 1.2 * changes[0]


def test_the_pose_of_the_face_does_not_matter(photos, model):
    """The output for a smaller face elsewhere in a larger picture is the smaller output."""
    sample = photos.samples()[0]
    small = resize(sample.load(), SIZE)
    wide = np.pad(small, ((20, 12), (26, 6), (0, 0)), mode="edge")
    landmarks = (sample.load_landmarks() * SIZE + (26, 20)) / 96
    image = image_to_input(wide)[None]
    output = synthesize(model, image, torch.from_numpy(landmarks.astype(np.float32))[None])
    plain = synthesize(model, *inputs([sample]))
    inner = output[..., 20 : 20 + SIZE, 26 : 26 + SIZE]
    assert (inner - plain)[..., 20:60, 10:54].abs().mean() < 0.02


@pytest.mark.parametrize("size", [64, 200, 512])
def test_one_fit_serves_pictures_of_any_size(photos_folder, london_landmarks, model, size):
    name, _ = next(iter(london_landmarks))
    image = image_to_input(resize(load_image(photos_folder / "neutral" / f"{name}.jpg"), size))[None]
    landmarks = torch.from_numpy(london_landmarks[name, "neutral"]).float()[None]
    output = synthesize(model, image, landmarks)
    assert output.shape == image.shape
    corners = (london_landmarks[name, "neutral"][48] * size).astype(int)
    assert (output - image)[
        ..., corners[1] - 2 : corners[1] + 2, corners[0] - 2 : corners[0] + 2
    ].abs().max() > 0.05


def test_conforms_to_the_contract(rendered):
    check_generator(rendered)


def test_every_expression_of_rendered_faces_changes_what_it_should(rendered):
    """The change of an output points where the change of the truth does."""
    assert len(rendered.card.expressions) == 6
    data = RenderedDataset(subjects=4, domains=["studio"], size=SIZE)
    edits = data.edits()
    answers = GeneratorSynthesizer(rendered, data.expressions, SIZE).answer(edits)
    similar = Counter()
    for edit, answer in zip(edits, answers, strict=True):
        truth, source = (sample.load().astype(float) for sample in (edit.truth, edit.source))
        made, wanted = answer - source, truth - source
        similar[edit.target] += (made * wanted).sum() / np.linalg.norm(made) / np.linalg.norm(wanted) / 4
    assert min(similar.values()) > 0.2, similar


def test_pairs_without_landmarks_are_left_out_and_counted(photos_folder, london_landmarks, photos):
    first = photos.samples()[0].subject
    card = fitted(Photos(photos_folder, london_landmarks, unknown={f"{first}-happy"})).card
    assert card.trained_on == "photos train, 11 subjects, 1 pair without landmarks left out"
    everyone = {sample.id for sample in photos.samples()}
    with pytest.raises(DatasetError, match="landmarks"):
        fitted(Photos(photos_folder, london_landmarks, unknown=everyone))


def broken(edit, landmarks):
    return Edit(replace(edit.source, load_landmarks=landmarks), edit.target, edit.truth)


def test_a_face_without_landmarks_fails_alone_and_says_why(photos, model):
    edits = photos.edits()[:4]

    def missing():
        raise LandmarkError("no face was found")

    upside_down = (1 - edits[1].source.load_landmarks())[::-1].copy()
    asked = [broken(edits[0], missing), broken(edits[1], lambda: upside_down), *edits[2:]]
    answers = GeneratorSynthesizer(model, photos.expressions, SIZE).answer(asked)
    assert answers[0] == Failure("no face was found")
    assert "not those of a face" in answers[1].reason
    assert [answer.shape for answer in answers[2:]] == [(SIZE, SIZE, 3)] * 2


def test_a_fallback_answers_where_nobody_knows_the_landmarks(photos, model):
    edits = photos.edits()[:2]

    def missing():
        raise LandmarkError("no face was found")

    both = fitted(photos, fallback=True)
    restored = RegisteredRegression(fallback=True)
    restored.load_state(both.state())
    asked = [broken(edits[0], missing), edits[1]]
    known = GeneratorSynthesizer(model, photos.expressions, SIZE).answer(edits)
    for candidate in (both, restored):
        answers = GeneratorSynthesizer(candidate, photos.expressions, SIZE).answer(asked)
        assert not np.array_equal(answers[0], known[0])
        np.testing.assert_array_equal(answers[1], known[1])


def test_state_goes_through_a_file(model, photos, tmp_path):
    restored = RegisteredRegression()
    save_file({name: np.ascontiguousarray(array) for name, array in model.state().items()}, tmp_path / "m")
    restored.load_state(load_file(tmp_path / "m"))
    assert restored.card == model.card
    image, landmarks = inputs(photos.samples()[:2])
    assert torch.equal(synthesize(restored, image, landmarks), synthesize(model, image, landmarks))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: {},
        lambda state: state | {"texture": state["texture"][:, :5]},
        lambda state: state | {"maps": state["maps"][:, :, :5]},
        lambda state: state | {"frame": np.full((68, 2), np.nan)},
        lambda state: state | {"about": np.frombuffer(b"[1, 2]", np.uint8)},
        lambda state: state | {"about": np.frombuffer(b'[["happy", "sad"], ""]', np.uint8)},
    ],
)
def test_a_state_of_something_else_is_refused(model, change):
    with pytest.raises(CheckpointError, match="fit it again"):
        RegisteredRegression().load_state(change(dict(model.state())))


def test_wrong_use_is_told_what_is_wrong(model):
    image, landmarks = torch.zeros(1, 3, SIZE, SIZE), torch.zeros(1, 68, 2)
    with pytest.raises(BenchError, match="not fitted"):
        synthesize(RegisteredRegression(), image, landmarks)
    with pytest.raises(UnsupportedEdit, match="not 1"):
        synthesize(model, image, landmarks, label=1)
    with pytest.raises(BenchError, match="must be"):
        synthesize(model, image[..., 1:], landmarks)
    with pytest.raises(LandmarkError, match="one place"):
        synthesize(model, image, landmarks)
    with pytest.raises(BenchError, match="intensity"):
        RegisteredRegression(intensity=2.0)
    with pytest.raises(BenchError, match="odd"):
        RegisteredRegression(receptive_field=2)
