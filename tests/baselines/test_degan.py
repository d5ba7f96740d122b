"""DE-GAN: labels and exemplars drive one decoder, class codes are means, its objective knows people."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from fesbench.baselines.degan import CODE, DEGAN, DEGANDiscriminator, DEGANNetwork, DEGANObjective
from fesbench.baselines.stargan import StarGANNetwork
from fesbench.core.errors import CheckpointError
from fesbench.generators.checkpoints import save_checkpoint
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.training_data import TrainingImages
from fesbench.testing.generators import check_generator
from fesbench.training.trainer import Trainer

NAMES = ("neutral", "happy", "sad")
SMALL = Settings(resolution=32, width=4, discriminator_width=8, batch_size=4, seed=3)


@pytest.fixture
def generator():
    torch.manual_seed(0)
    network = DEGANNetwork(32, len(NAMES), 4, 2)
    network.codes.uniform_(-1, 1)
    generator = DEGAN(network, NAMES, 32)
    generator.card = replace(generator.card, weights="random")
    return generator


@pytest.fixture
def faces():
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(1)) * 2 - 1


def training_images(count=12):
    rows = torch.arange(count)
    images = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    return TrainingImages(images, rows % 3, rows // 3, rows - rows % 3, rows % 3 > 0, NAMES, ())


def new_trainer():
    torch.manual_seed(SMALL.seed)
    data = training_images()
    return Trainer(DEGAN.objective(data, SMALL), data, SMALL)


def test_keeps_the_contract(generator):
    assert all(finding.problem is None for finding in check_generator(generator))


def test_a_label_stands_for_the_mean_code_of_its_class(generator, faces):
    codes = generator.network.expression(faces)
    generator.network.codes.copy_(codes)
    labels = torch.arange(3)
    by_label = generator.synthesize(faces, torch.full_like(labels, -1), labels)
    torch.testing.assert_close(by_label, generator.network(faces, codes).clamp(-1, 1))


def test_the_code_of_an_exemplar_decides_the_output(generator, faces):
    codes = generator.network.expression(faces)
    assert codes.shape == (3, CODE)
    assert codes.abs().max() < 1
    first, second = (generator.network(faces, codes.roll(shift, 0)) for shift in (0, 1))
    assert (first - second).abs().max() > 1e-3


def test_class_codes_become_the_mean_of_what_was_seen():
    network = DEGANNetwork(32, 3, 4, 1)
    codes = torch.rand(6, CODE, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    for _ in range(300):
        network.remember(codes, labels)
    expected = torch.stack([codes[:3].mean(0), codes[3:].mean(0), torch.zeros(CODE)])
    torch.testing.assert_close(network.codes, expected, atol=1e-4, rtol=0)


def test_objective_of_an_editor_that_changes_nothing_is_known(faces):
    """It is told the source's people, the wanted expressions, and that every image stayed as it was."""

    class Idle(nn.Module):
        codes = torch.zeros(3, CODE)

        def forward(self, images, code):
            return images

        def expression(self, images):
            return torch.zeros(len(images), CODE)

        def remember(self, codes, labels):
            pass

        def recognition(self, codes):
            return torch.zeros(len(codes), 3)

    class Knowing(nn.Module):
        def forward(self, images):
            sure = 50 * torch.eye(3)
            return images.mean((1, 2, 3)).reshape(-1, 1, 1, 1), torch.zeros(len(images), 3), sure

    objective = DEGANObjective(Idle(), Knowing(), replace(SMALL, weights={"g_class": 2.0}))
    rows = torch.arange(3)
    batch = Batch(faces, rows, rows, faces, rows > 0)
    draws = Draws(batch, torch.Generator().manual_seed(0))
    terms = objective.weighted(objective.generator_terms(batch, draws))
    expected = {"g_fake": -faces.mean().item(), "g_class": 2 * math.log(3), "g_code": math.log(3)}
    expected |= {"g_identity": 0.0, "g_same": 0.0, "g_cycle": 0.0}
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected, abs=1e-5)


def test_discriminator_knows_as_many_people_as_there_are():
    objective = DEGAN.objective(training_images(), SMALL)
    realness, expressions, people = objective.discriminator(torch.zeros(2, 3, 32, 32))
    assert realness.shape == (2, 1, 2, 2)
    assert (expressions.shape, people.shape) == ((2, 3), (2, 4))
    assert isinstance(objective.discriminator, DEGANDiscriminator)


def test_steps_are_finite_and_move_every_weight_and_code():
    trainer = new_trainer()
    before = {name: value.clone() for name, value in trainer.average.state_dict().items()}
    losses = [trainer.advance() for _ in range(2)]
    assert all(math.isfinite(value) for step in losses for value in step.values())
    assert set(losses[0]) >= {"d_identity", "g_identity", "g_same", "g_cycle"}
    unmoved = [name for name, value in trainer.average.state_dict().items() if value.equal(before[name])]
    assert unmoved == []


def test_a_training_goes_on_exactly_from_its_state():
    first, second = new_trainer(), new_trainer()
    first.advance()
    second.restore(copy.deepcopy(first.state()))
    assert first.advance() == second.advance()
    assert first.average.codes.equal(second.average.codes)


def test_saved_and_loaded_is_the_same_model(generator, faces, tmp_path):
    save_checkpoint(generator, tmp_path / "degan.safetensors")
    loaded = DEGAN.from_checkpoint(tmp_path / "degan.safetensors")
    assert loaded.card == generator.card
    labels = torch.arange(3)
    torch.testing.assert_close(
        loaded.synthesize(faces, labels, labels), generator.synthesize(faces, labels, labels)
    )


def test_the_shipped_form_is_small():
    with torch.device("meta"):
        network = DEGANNetwork(64, 7, 16)
    assert 2 * sum(value.numel() for value in network.state_dict().values()) < 3e6


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (
            StarGANNetwork(7, 4, 1).state_dict(),
            r"does not fit DEGANNetwork.*unexpected keys: main\.0\.weight",
        ),
        (DEGANNetwork(128, 5, 4, 1).state_dict(), "5 classes and 0 names"),
    ],
)
def test_foreign_or_nameless_files_are_refused(state, message):
    with pytest.raises(CheckpointError, match=message):
        DEGAN.from_official(state)
