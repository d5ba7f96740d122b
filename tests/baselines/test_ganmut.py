"""GANmut: parity with both official generators and the discriminator, its plane of codes, its objective."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fesbench.baselines.ganmut import (
    AFFECTNET_ORDER,
    GANmut,
    GANmutDiscriminator,
    GaussianNetwork,
    LinearNetwork,
    LinearObjective,
    free_count,
)
from fesbench.baselines.stargan import StarGANNetwork
from fesbench.core.errors import CheckpointError, DatasetError
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.training_data import TrainingImages
from fesbench.testing.generators import check_generator
from fesbench.training.trainer import Trainer

NAMES = ("happy", "neutral", "sad")
SMALL = Settings(resolution=32, width=4, discriminator_width=8, batch_size=6, seed=3)


@pytest.fixture(scope="module")
def linear(reference):
    return reference("ganmut_linear_G")


@pytest.fixture(scope="module")
def gaussian(reference):
    return reference("ganmut_gaussian_G")


@torch.no_grad()
def in_bgr(generator, images, codes):
    """The official network's view of ours."""
    return generator.network(images.flip(1), codes).flip(1)


def training_images(names=NAMES, count=12):
    rows = torch.arange(count)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    return TrainingImages(images, rows % 3, rows // 3, rows, rows < 0, names, ())


def new_trainer():
    torch.manual_seed(SMALL.seed)
    data = training_images()
    return Trainer(GANmut.objective(data, SMALL), data, SMALL)


def test_linear_form_equals_the_official_one_by_label(linear):
    generator = GANmut.from_official(linear.state())
    condition = linear.description["condition"]
    labels = torch.tensor(condition["onehot"]).argmax(1)
    codes = generator.network.codes()[labels] * torch.tensor(condition["strength"])[:, None]
    linear.check(codes, "train_stats", "expr_label")
    linear.check(in_bgr(generator, linear.images, codes), "train_stats", "out_label")


def test_linear_form_equals_the_official_one_by_code(linear):
    generator = GANmut.from_official(linear.state())
    codes = torch.tensor(linear.description["condition"]["manual_expr"])
    linear.check(in_bgr(generator, linear.images, codes), "train_stats", "out_manual")


def test_gaussian_form_equals_the_official_one(gaussian):
    generator = GANmut.from_official(gaussian.state())
    codes = torch.tensor(gaussian.description["condition"]["expr"])
    gaussian.check(in_bgr(generator, gaussian.images, codes), "train_stats", "out")


def test_gaussian_labels_are_the_stored_centres(gaussian):
    state = gaussian.state()
    codes = GANmut.from_official(state).condition(torch.tensor([-1, -1]), torch.tensor([4, 0]))
    assert codes.equal(state["mu.weight"][[4, 0]])


def test_discriminator_equals_the_official_one(reference):
    official = reference("ganmut_linear_D")
    network = GANmutDiscriminator(128, 7)
    network.load_state_dict(official.state())
    for found, output in zip(network(official.images), ("src", "cls", "coord"), strict=True):
        official.check(found, "eval", output)


def test_parameter_counts_are_the_official_ones():
    with torch.device("meta"):
        networks = LinearNetwork(7), GaussianNetwork(7), GANmutDiscriminator(128, 7)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [8_421_138, 8_421_155, 44_794_816]


@pytest.mark.parametrize("form", [LinearNetwork, GaussianNetwork])
def test_form_and_sizes_are_read_off_the_names_and_shapes(form):
    state = form(5, 8, 2).state_dict()
    generator = GANmut.from_official(state, expressions="abcde", resolution=32)
    assert type(generator.network) is form
    assert generator.card.expressions == tuple("abcde")
    assert generator.card.parameters == sum(value.numel() for value in state.values())


def test_a_label_is_a_unit_step_from_the_origin_where_neutral_stays():
    generator = GANmut.from_official(LinearNetwork(7, 4, 1).state_dict())
    assert generator.card.expressions == AFFECTNET_ORDER
    lengths = generator.condition(torch.arange(7), torch.arange(7)).norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([0.0, *[1.0] * 6]))
    images = torch.rand(1, 3, 32, 32) * 2 - 1
    neutral = generator.synthesize(images, torch.tensor([-1]), torch.tensor([0]))
    assert neutral.equal(generator.network(images, torch.zeros(1, 2)))


def test_neutral_is_the_origin_wherever_it_is_among_the_labels():
    state = LinearNetwork(3, 4, 1).state_dict()
    codes = GANmut.from_official(state, NAMES, 32).network.codes()
    assert codes[1].tolist() == [0, 0]
    torch.testing.assert_close(codes[[0, 2]], nn.functional.normalize(state["axes.weight"], dim=1))


def test_unused_bias_of_the_axes_is_kept_but_changes_nothing():
    state = LinearNetwork(7, 4, 1).state_dict()
    moved = GANmut.from_official({**state, "axes.bias": state["axes.bias"] + 1})
    assert moved.network.state_dict()["axes.bias"].equal(state["axes.bias"] + 1)
    assert moved.network.codes().equal(GANmut.from_official(state).network.codes())


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (StarGANNetwork(7, 4, 1).state_dict(), r"does not fit LinearNetwork: missing keys: axes\.bias"),
        (LinearNetwork(5, 4, 1).state_dict(), "5 classes and 0 names"),
    ],
)
def test_foreign_or_nameless_files_are_refused(state, message):
    with pytest.raises(CheckpointError, match=message):
        GANmut.from_official(state)


@pytest.mark.parametrize("form", [LinearNetwork, GaussianNetwork])
def test_keeps_the_contract(form):
    torch.manual_seed(0)
    generator = GANmut(form(7, 8, 2), AFFECTNET_ORDER, 64)
    generator.card = replace(generator.card, weights="random")
    assert all(finding.problem is None for finding in check_generator(generator))


def draws_of(labels):
    images = torch.zeros(len(labels), 3, 32, 32)
    return Draws(Batch(images, labels, labels, images, labels < 0), torch.Generator().manual_seed(0))


def test_codes_in_training_lie_along_the_axes_at_the_drawn_strength():
    objective = new_trainer().objective
    labels = torch.arange(3).repeat(400)
    codes, strength = objective.draw(labels, draws_of(labels))
    free = free_count(len(labels))
    assert free == 375
    torch.testing.assert_close(codes[:free].norm(dim=1), strength[:free])
    angles = torch.atan2(codes[:free, 1], codes[:free, 0])
    assert np.histogram(angles.detach(), 4, (-math.pi, math.pi))[0].min() > 60
    neutral = labels == NAMES.index("neutral")
    assert 0 <= strength[neutral].min() < strength[neutral].max() <= 0.2 <= strength[~neutral].min()
    expected = strength[:, None] * objective.network.codes()[labels]
    noise = (codes - expected)[free:]
    assert noise.std().item() == pytest.approx(0.075, rel=0.1)


def test_strength_and_code_losses_are_the_official_ones():
    """A discriminator that is 60 % sure of class 2 and reads (0, 0) off everything has known losses."""

    class Unmoved(nn.Module):
        def forward(self, images):
            logits = torch.tensor([0.2, 0.2, 0.6]).log().expand(len(images), 3)
            return images.mean((1, 2, 3)).reshape(-1, 1, 1, 1), logits, torch.zeros(len(images), 2)

    torch.manual_seed(0)
    objective = LinearObjective(LinearNetwork(3, 4, 1, neutral=1), Unmoved(), SMALL)
    images, labels = torch.zeros(4, 3, 32, 32), torch.tensor([2, 2, 2, 2])
    batch = Batch(images, labels, labels, images, labels < 0)
    draws = draws_of(labels)
    draws.targets()
    codes, strength = objective.draw(labels, draws)
    terms = objective.generator_terms(batch, Draws(batch, torch.Generator().manual_seed(0)))
    assert terms["g_class"].item() == pytest.approx(-math.log(0.6), rel=1e-5)
    assert terms["g_strength"].item() == pytest.approx((strength - 0.6).square().mean().item(), rel=1e-5)
    assert terms["g_info"].item() == pytest.approx(codes.square().mean().item(), rel=1e-5)


def test_steps_are_finite_and_turn_the_axes():
    trainer = new_trainer()
    before = trainer.objective.network.codes().detach().clone()
    losses = [trainer.advance() for _ in range(2)]
    assert all(math.isfinite(value) for step in losses for value in step.values())
    assert set(losses[0]) >= {"d_info", "g_info", "g_strength", "g_cycle"}
    assert (trainer.objective.network.codes()[[0, 2]] - before[[0, 2]]).abs().min() > 0


def test_training_without_neutral_faces_is_refused():
    with pytest.raises(DatasetError, match="needs neutral images"):
        GANmut.objective(training_images(("happy", "sad", "angry")), SMALL)


@pytest.mark.parametrize("form", ["linear", "gaussian"])
def test_the_exported_file_has_the_official_names_and_shapes(reference, form):
    official = reference(f"ganmut_{form}_G")
    state = GANmut.from_official(official.state()).official_state()
    expected = {name: list(shape) for name, shape in official.description["state_dict"]}
    assert {name: list(value.shape) for name, value in state.items()} == expected


def test_neutral_is_found_in_any_spelling():
    network = LinearNetwork(3, 4, 1)
    generator = GANmut.from_official(network.state_dict(), ("Happiness", "Neutral", "Sadness"), 32)
    assert generator.card.expressions == ("happy", "neutral", "sad")
    assert not generator.network.codes()[1].any()
