from dataclasses import replace

import numpy as np
import pytest
import torch

import fesbench
from fesbench.core.errors import CheckpointError, SpecError
from fesbench.datasets.rendered import RenderedDataset
from fesbench.generators.checkpoints import save_checkpoint
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.registration import Registration
from fesbench.generators.synthesis import image_to_input
from fesbench.generators.training_data import load_images, located_preview
from fesbench.reggan import LocalRidge
from fesbench.reggan.calibration import folds_of
from fesbench.reggan.registered import RegisteredRegression
from fesbench.reggan.registered_editing import LocatedPairs
from fesbench.reggan.registered_refinement import RegisteredRegGAN, box_of
from fesbench.reggan.texture_regression import TextureFit, held_out_edits
from fesbench.testing.generators import check_generator
from fesbench.training.loop import Limit, TrainingRun
from fesbench.training.sizes import check_training_size
from fesbench.training.trainer import Trainer
from fesbench.weights.tensors import read_checkpoint

SIZE = 48
SMALL = Settings(resolution=SIZE, width=4, discriminator_width=4, batch_size=4, steps=2)


@pytest.fixture(scope="module")
def train():
    return RenderedDataset("train", subjects=5, size=64)


@pytest.fixture(scope="module")
def prepared(train):
    return RegisteredRegGAN.prepared(train, load_images(train, SIZE, workers=1))


@pytest.fixture(scope="module")
def faces():
    """Images and landmarks of two people outside the training."""
    samples = [x for x in RenderedDataset("val", subjects=2, size=64).samples() if x.expression == "neutral"]
    images = torch.stack([image_to_input(sample.load()) for sample in samples])
    return images, torch.from_numpy(np.stack([sample.load_landmarks() for sample in samples]))


@pytest.fixture
def generator(prepared):
    """An untrained one, with a refinement that paints at random."""
    torch.manual_seed(0)
    objective = RegisteredRegGAN.objective(prepared, SMALL)
    torch.nn.init.normal_(objective.generator.refinement.head.weight)
    return RegisteredRegGAN.trained(objective.generator, prepared, SIZE)


def labels(*values):
    return torch.tensor(values)


def test_a_model_that_was_not_refined_is_the_first_stage(train, faces, generator):
    """With 'neutral' among its labels, which the regression alone does not name."""
    images, landmarks = faces[0] / 2, faces[1]
    regression = RegisteredRegression(resolution=SIZE)
    regression.fit(train, None, 0)
    generator.network.refinement = None
    names = generator.card.expressions
    chosen = torch.tensor([names.index(name) for name in regression.card.expressions[1:3]])
    ours = generator.synthesize(images, chosen, chosen, landmarks)
    expected = regression.synthesize(images, chosen, labels(1, 2), landmarks)
    assert set(names) == {"neutral", *regression.card.expressions}
    torch.testing.assert_close(ours, expected, atol=1e-3, rtol=0)
    neutral = torch.full((2,), names.index("neutral"))
    kept = generator.synthesize(images, neutral, neutral, landmarks)
    assert (kept - images).abs().mean() < 0.01


def test_the_refinement_changes_nothing_outside_the_mask_of_the_frame(generator):
    frames = torch.rand(1, 3, SIZE, SIZE)
    edited = generator.network(frames, torch.eye(7)[1:2])
    outside = generator.network.inside == 0
    changed = (edited - frames).abs().amax(dim=(0, 1))
    assert changed[outside].max() == 0
    assert changed[~outside].max() > 0.01


def test_it_learns_from_what_fits_without_a_person_make_of_him(train):
    known = LocatedPairs.of(train).in_memory(SIZE)
    registration = Registration(known.shapes(True).frame, SIZE)
    whole = TextureFit(LocalRidge(3, 0.4, residual=True), known.faces, registration, calibrate=False)
    edits = list(held_out_edits(whole.groups(known.pairs, known.expressions)))
    assert len(edits) == len(known.pairs)
    subject = known.pairs[0][0].subject
    folds = folds_of(source.subject for source, _ in known.pairs)
    others = [pair for pair in known.pairs if folds[pair[0].subject] != folds[subject]]
    alone = LocalRidge(3, 0.4, residual=True)
    chosen = [edit for edit in edits if edit.pair in others and edit.pair[1].expression == "happy"]
    alone.fit(torch.stack([x.source for x in chosen]), torch.stack([x.truth for x in chosen]))
    own = next(x for x in edits if x.pair[0].subject == subject and x.pair[1].expression == "happy")
    torch.testing.assert_close(own.predicted, alone.predict(own.source[None])[0], atol=1e-4, rtol=0)


def test_targets_are_the_source_outside_the_mask(prepared):
    box = box_of(prepared.first_stage.state["inside"])
    outside = prepared.first_stage.state["inside"][box] == 0
    neutral = prepared.images[prepared.neutrals]
    assert outside.any()
    assert (prepared.images - neutral)[..., outside].max() == 0
    assert prepared.images.shape == prepared.first_stage.intermediates.shape
    own = prepared.neutrals == torch.arange(len(prepared.labels))
    assert prepared.labels[own].unique().tolist() == [prepared.expressions.index("neutral")]
    assert torch.equal(prepared.first_stage.intermediates[own], prepared.images[own])


@pytest.mark.parametrize(
    ("rows", "columns", "expected"),
    [
        ((20, 40), (30, 40), (slice(18, 42), slice(23, 47))),
        ((0, 3), (60, 63), (slice(0, 8), slice(56, 64))),
        ((0, 63), (5, 8), (slice(0, 64), slice(0, 64))),
    ],
)
def test_the_box_holds_the_mask_and_lies_in_the_frame(rows, columns, expected):
    mask = torch.zeros(64, 64)
    mask[rows[0] : rows[1] + 1, columns[0] : columns[1] + 1] = 1
    assert box_of(mask) == expected
    assert box_of(mask, expected[0].stop - expected[0].start) == expected


def test_outputs_of_the_first_stage_are_mirrored_and_shifted_with_their_sources(prepared):
    settings = Settings(resolution=SIZE, width=4, discriminator_width=4, jitter=2, jitter_apart=1)
    alike = prepared.first_stage._replace(intermediates=prepared.images[prepared.neutrals])
    data = prepared._replace(first_stage=alike)
    trainer = Trainer(RegisteredRegGAN.objective(data, settings), data, settings)
    batch = trainer._batch(torch.arange(8), torch.Generator().manual_seed(3))
    assert torch.equal(batch.intermediates, batch.neutrals)


def test_a_training_writes_a_checkpoint_that_a_run_can_use(train, faces, tmp_path):
    unseen = RenderedDataset("val", subjects=2, size=64)
    preview, landmarks = located_preview(unseen, SIZE)
    run = TrainingRun(RegisteredRegGAN, train, preview, SMALL, tmp_path, save_every=1, landmarks=landmarks)
    before = run.trainer.objective.generator.regression.coef.clone()
    run.train(Limit(steps=2), lambda step, fraction: None)
    assert len(list((tmp_path / "samples").iterdir())) == 2
    assert torch.equal(run.trainer.objective.generator.regression.coef, before)
    loaded, images = RegisteredRegGAN.from_checkpoint(run.checkpoint), faces[0]
    assert loaded.card.resolution is None
    assert loaded.card.registered
    assert not loaded.card.learned_registered
    arguments = images, labels(0, 0), labels(1, 2), faces[1]
    expected = run.generator().synthesize(*arguments)
    torch.testing.assert_close(loaded.synthesize(*arguments), expected, atol=0.01, rtol=0)
    larger = torch.nn.functional.interpolate(images, scale_factor=2.0)
    assert loaded.synthesize(larger, *arguments[1:]).shape == larger.shape


def test_it_keeps_the_contract_of_a_generator(generator):
    generator.card = replace(generator.card, weights="not trained", trained_on="nothing")
    check_generator(generator)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: state.pop("inside"), "mask of the frame"),
        (lambda state: state.pop("shapes.maps"), "missing keys: shapes.maps"),
        (lambda state: state.update({"shapes.maps": state["shapes.maps"][1:]}), "first stage"),
        (lambda state: state.update({"shapes.frame": state["shapes.frame"] * 0}), "first stage"),
        (lambda state: state.update(inside=torch.zeros(SIZE, SIZE)), "first stage"),
        (lambda state: state.update(inside=torch.ones(8, 8)), "first stage"),
    ],
)
def test_a_damaged_first_stage_is_refused(generator, tmp_path, change, reason):
    path = tmp_path / "reggan-registered-refined.safetensors"
    save_checkpoint(generator, path)
    content = read_checkpoint(path)
    change(content.state)
    with pytest.raises(CheckpointError, match=reason):
        RegisteredRegGAN.from_official(content.state, generator.card.expressions)


def test_sizes_that_the_refinement_cannot_halve_are_refused_before_training():
    check_training_size(RegisteredRegGAN, SMALL)
    with pytest.raises(SpecError, match="48 or 52"):
        check_training_size(RegisteredRegGAN, Settings(resolution=50))


def test_it_takes_no_faces_that_are_registered_already(tmp_path):
    with pytest.raises(SpecError, match="leave --registered out"):
        fesbench.train("reggan-registered-refined", steps=1, registered=True, out=tmp_path / "out")
