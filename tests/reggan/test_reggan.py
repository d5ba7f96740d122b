"""RegGAN whole: composition, training, checkpoints, the generator contract."""

from dataclasses import replace

import pytest
import torch

from fesbench.baselines.stargan import StarGANNetwork
from fesbench.core.errors import CheckpointError, SpecError
from fesbench.generators.checkpoints import save_checkpoint
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.registry import GENERATORS
from fesbench.reggan.layer import RegressionLayer, RegressionOptions
from fesbench.reggan.model import Options, RegGAN
from fesbench.reggan.network import RegGANNetwork
from fesbench.reggan.refinement import Correction, Refinement, RefinementOptions
from fesbench.testing.generators import check_generator
from fesbench.training.trainer import Trainer

SIZE = 16
SETTINGS = Settings(resolution=SIZE, width=4, discriminator_width=4, batch_size=4)
SMALL = Options(RegressionOptions(3), RefinementOptions(blocks=1))


class SmallRegGAN(RegGAN):
    options = SMALL


class Fixed(torch.nn.Module):
    """Always the same correction."""

    def __init__(self, colour, mask):
        super().__init__()
        self.correction = Correction(torch.full((1, 3, SIZE, SIZE), colour), mask)

    def forward(self, images, intermediate, condition):
        return self.correction


def random_network(options=SMALL, expressions=2):
    torch.manual_seed(0)
    layer = RegressionLayer(0.1 * torch.randn(10, expressions, 3, SIZE, SIZE)) if options.regression else None
    refinement = Refinement(expressions, 4, options.refinement) if options.refinement else None
    if refinement:
        torch.nn.init.normal_(refinement.head.weight, std=0.1)
    return RegGANNetwork(layer, refinement)


def random_generator(options=SMALL):
    generator = RegGAN(random_network(options), ("neutral", "happy"), SIZE)
    generator.card = replace(generator.card, weights="random")
    return generator


def variant(**changes):
    return type("Variant", (RegGAN,), {"options": replace(SMALL, **changes)})


def trained(kind, data, steps=2, **changes):
    torch.manual_seed(0)
    settings = replace(SETTINGS, **changes)
    trainer = Trainer(kind.objective(data, settings), data, settings)
    return trainer, [trainer.advance() for _ in range(steps)]


def test_the_mask_decides_between_the_photo_and_the_corrected_regression():
    layer = RegressionLayer(torch.zeros(2, 1, 3, SIZE, SIZE))
    with torch.no_grad():
        layer.coef[-1] = 0.25
    left = torch.zeros(1, 1, SIZE, SIZE)
    left[..., : SIZE // 2] = 1
    photo = torch.rand(1, 3, SIZE, SIZE) / 2
    outputs = RegGANNetwork(layer, Fixed(0.125, left))(photo, torch.ones(1, 1))
    torch.testing.assert_close(outputs[..., : SIZE // 2], photo[..., : SIZE // 2] + 0.375)
    assert torch.equal(outputs[..., SIZE // 2 :], photo[..., SIZE // 2 :])


def test_a_photo_of_the_trained_size_is_edited_as_it_is():
    network, photo = random_network(), torch.rand(1, 3, SIZE, SIZE) * 2 - 1
    condition = torch.eye(2)[1:]
    assert torch.equal(network(photo, condition), network.edit(photo, condition).outputs)
    assert random_generator().card.resolution == SIZE
    assert random_generator(replace(SMALL, regression=None)).card.resolution == SIZE


def test_keeps_the_contract():
    assert all(finding.problem is None for finding in check_generator(random_generator()))


@pytest.mark.parametrize(
    "options",
    [
        SMALL,
        replace(SMALL, regression=None),
        replace(SMALL, refinement=None),
        replace(SMALL, refinement=RefinementOptions(("spatial",), 1, 3, "sum")),
    ],
)
def test_a_checkpoint_says_what_it_holds(tmp_path, options):
    generator = random_generator(options)
    save_checkpoint(generator, tmp_path / "reggan.safetensors")
    loaded = RegGAN.from_checkpoint(tmp_path / "reggan.safetensors")
    assert loaded.card == generator.card
    images, labels = torch.rand(3, 3, SIZE, SIZE) * 2 - 1, torch.tensor([1, 0, 1])
    expected = generator.synthesize(images, labels, labels)
    assert torch.equal(loaded.synthesize(images, labels, labels), expected)


def test_half_precision_costs_less_than_a_grey_level(tmp_path):
    generator = random_generator()
    save_checkpoint(generator, tmp_path / "reggan.safetensors", half=True)
    loaded = RegGAN.from_checkpoint(tmp_path / "reggan.safetensors")
    images, labels = torch.rand(3, 3, SIZE, SIZE) * 2 - 1, torch.tensor([1, 0, 1])
    moved = loaded.synthesize(images, labels, labels) - generator.synthesize(images, labels, labels)
    assert moved.abs().max() < 2 / 255


def test_foreign_checkpoints_are_refused():
    with pytest.raises(CheckpointError, match=r"unexpected keys: main\.0\.weight"):
        RegGAN.from_official(StarGANNetwork(7, 4, 1).state_dict())
    state = random_network().state_dict()
    with pytest.raises(CheckpointError, match="2 classes and 0 names"):
        RegGAN.from_official(state)
    with pytest.raises(CheckpointError, match="2 classes and 3 names"):
        RegGAN.from_official(state, ("neutral", "happy", "sad"))
    bad = state | {"regression.coef": torch.zeros(5, 2, 3, SIZE, SIZE)}
    with pytest.raises(CheckpointError, match="regression weights"):
        RegGAN.from_official(bad, ("neutral", "happy"))


def test_only_the_refinement_is_trained(pairs):
    fitted = SmallRegGAN.objective(pairs(), SETTINGS).generator.regression.coef.clone()
    trainer, losses = trained(SmallRegGAN, pairs())
    assert torch.equal(trainer.average.regression.coef, fitted)
    assert trainer.objective.generator.refinement.head.weight.any()
    assert losses[0].keys() >= {"d_penalty", "g_fake", "g_class", "g_truth", "g_mask", "g_smooth"}


def test_jointly_the_regression_learns_from_the_same_losses(pairs):
    trainer, _ = trained(variant(joint=True), pairs(), steps=1)
    coef = trainer.objective.generator.regression.coef
    assert coef[:, 1].any()
    assert not SmallRegGAN.options.joint


@pytest.mark.parametrize(
    "kind", [variant(regression=None), variant(refinement=RefinementOptions((), 1, 0, "sum"))]
)
def test_variants_train(pairs, kind):
    _, losses = trained(kind, pairs())
    assert all(abs(value) < 1e4 for step in losses for value in step.values())


def test_training_brings_the_answer_closer_to_the_truth(pairs):
    data = pairs(change=lambda neutral: neutral // 2)
    only_truth = {"g_fake": 0.0, "g_class": 0.0}
    settings = {"learning_rate": 2e-2, "batch_size": 24, "weights": only_truth}
    _, losses = trained(variant(regression=None), data, steps=30, **settings)
    assert losses[-1]["g_truth"] < 0.8 * losses[0]["g_truth"]


def test_truth_counts_only_where_there_is_a_pair(pairs):
    data = pairs()
    lonely = data._replace(paired=data.paired & (torch.arange(len(data.labels)) >= 12))
    objective = variant(regression=None).objective(lonely, replace(SETTINGS, batch_size=24, flip=False))
    trainer = Trainer(objective, lonely, replace(SETTINGS, batch_size=24, flip=False))
    draws = trainer._draws(torch.Generator().manual_seed(0), 0)
    batch = draws.batch
    found = objective.generator_terms(batch, draws)["g_truth"]
    outputs = objective.edit_neutrals(batch).outputs
    expected = (outputs[batch.paired] - batch.images[batch.paired]).abs().mean()
    torch.testing.assert_close(found, expected)


def test_losses_have_names_that_can_be_weighted(pairs):
    with pytest.raises(SpecError, match="g_cycle"):
        SmallRegGAN.objective(pairs(), replace(SETTINGS, weights={"g_cycle": 1.0}))


def test_bfloat16_leaves_the_regression_exact(pairs):
    objective = SmallRegGAN.objective(pairs(), replace(SETTINGS, precision="bfloat16"))
    images, condition = torch.rand(2, 3, SIZE, SIZE), torch.eye(2)
    exact = objective.generator.intermediate(images, condition)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(objective.generator.intermediate(images, condition), exact)


def test_it_is_the_first_model():
    assert GENERATORS.names()[0] == "reggan"
    assert GENERATORS.load("reggan") is RegGAN
