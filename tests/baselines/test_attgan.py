"""AttGAN: parity with the official network, its settings file, its objective."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from fesbench.baselines.attgan import AttGAN, AttGANDiscriminator, AttGANNetwork, _attributes
from fesbench.baselines.attribute_objective import AttributeObjective
from fesbench.core.errors import CheckpointError
from fesbench.generators.checkpoints import save_checkpoint
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.testing.generators import check_generator

NAMES = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")


@pytest.mark.parametrize("injections", [0, 1])
def test_generator_equals_the_official_one_in_both_modes(reference, injections):
    official = reference(f"attgan_G_inject{injections}")
    generator = AttGAN.from_official(official.state(), NAMES)
    exported = [[name, list(value.shape)] for name, value in generator.official_state().items()]
    assert exported == official.description["state_dict"]
    unknown, target = torch.full((2,), -1), official.condition.argmax(1)
    official.check(generator.synthesize(official.images, unknown, target), "eval", "out")
    with torch.no_grad():
        outputs = generator.network.train()(official.images, official.condition)
    official.check(outputs, "train_stats", "out")


def test_discriminator_equals_the_official_one(reference):
    official = reference("attgan_D")
    network = AttGANDiscriminator(128, 13)
    network.load_state_dict(official.state(), assign=True)
    realness, logits = network(official.images)
    official.check(realness, "eval", "adv")
    official.check(logits, "eval", "cls")


@pytest.mark.parametrize(
    ("classes", "injections", "count"),
    [(7, 0, 43_254_403), (7, 1, 43_311_747), (13, 0, 43_352_707), (13, 1, 43_459_203)],
)
def test_parameter_counts_are_the_official_ones(classes, injections, count):
    with torch.device("meta"):
        network = AttGANNetwork(classes, injections=injections)
        critic = AttGANDiscriminator(128, 13)
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert sum(parameter.numel() for parameter in critic.parameters()) == 44_718_990


def small(classes=7, **options):
    torch.manual_seed(0)
    network = AttGANNetwork(classes, 8, 3, **options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return network


@pytest.mark.parametrize("shortcuts", [0, 1, 2])
@pytest.mark.parametrize("injections", [0, 1, 2])
def test_architecture_is_read_off_the_shapes(shortcuts, injections):
    network = small(5, shortcuts=shortcuts, injections=injections)
    generator = AttGAN.from_official(network.state_dict(), "abcde", 32)
    images, condition = torch.randn(2, 3, 32, 32), torch.randn(2, 5)
    assert torch.equal(generator.network(images, condition), network.eval()(images, condition))
    assert (generator.card.resolution, generator.card.expressions) == (32, tuple("abcde"))


@pytest.fixture
def official_file(tmp_path):
    """``checkpoint/weights.199.pth`` in an experiment's folder, as the official code lays it out."""
    file = tmp_path / "experiment" / "checkpoint" / "weights.199.pth"
    file.parent.mkdir(parents=True)
    state = {f"module.{name}": value for name, value in small().state_dict().items()}
    torch.save({"G": state, "D": {"step": torch.zeros(1)}}, file)
    return file


def write_settings(file, **entries):
    (file.parent.parent / "setting.txt").write_text(json.dumps({"epochs": 200, **entries}, indent=4))


def test_the_official_file_needs_names(official_file):
    assert AttGAN.from_checkpoint(official_file, NAMES).card.resolution == 128
    with pytest.raises(CheckpointError, match="7 classes and 0 names"):
        AttGAN.from_checkpoint(official_file)


def test_settings_of_the_experiment_give_names_and_resolution(official_file):
    write_settings(official_file, attrs=list(NAMES), img_size=256)
    card = AttGAN.from_checkpoint(official_file).card
    assert (card.expressions, card.resolution) == (NAMES, 256)
    assert AttGAN.from_checkpoint(official_file, "abcdefg").card.expressions == tuple("abcdefg")


@pytest.mark.parametrize(
    ("entries", "message"),
    [({"enc_acti": "relu"}, "enc_acti"), ({"img_size": 10**9}, "img_size"), ({"attrs": 3}, "attrs")],
)
def test_settings_of_another_network_are_refused(official_file, entries, message):
    write_settings(official_file, **entries)
    with pytest.raises(CheckpointError, match=message):
        AttGAN.from_checkpoint(official_file, NAMES)


def test_settings_that_are_too_long_are_refused_for_their_length(official_file):
    write_settings(official_file, attrs=list(NAMES), notes="x" * (1 << 20))
    with pytest.raises(CheckpointError, match=r"setting\.txt.* is too long: it has 1048\d+ bytes"):
        AttGAN.from_checkpoint(official_file)


def test_foreign_tensors_are_refused():
    with pytest.raises(CheckpointError, match=r"missing keys: .*unexpected keys: conv\.0"):
        AttGAN.from_official(AttGANDiscriminator(32, 7, 4, 3).state_dict(), NAMES)


def test_running_statistics_survive_half_precision(tmp_path):
    network = small()
    statistics = network.enc_layers[0].layers[1]
    statistics.num_batches_tracked.fill_(100_000)
    statistics.running_var.fill_(1e6)
    save_checkpoint(AttGAN(network, NAMES, 32), tmp_path / "attgan.safetensors", half=True)
    loaded = AttGAN.from_checkpoint(tmp_path / "attgan.safetensors").network.enc_layers[0].layers[1]
    assert (loaded.num_batches_tracked.item(), loaded.running_var[0].item()) == (100_000, 1e6)


def test_keeps_the_contract():
    generator = AttGAN(small(), NAMES, 32)
    generator.card = replace(generator.card, weights="random")
    assert all(finding.problem is None for finding in check_generator(generator))


def test_losses_are_the_official_sums():
    """A generator that paints the wanted label and a critic that reads the mean have known losses."""

    class Painter(nn.Module):
        def forward(self, images, condition):
            assert sorted(condition[0].tolist()) == [-0.5, -0.5, 0.5]
            return torch.zeros_like(images) + condition.argmax(1).float()[:, None, None, None]

    class Reader(nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3))[:, None], torch.zeros(len(images), 3) + images.mean() * 0

    objective = AttributeObjective(Painter(), Reader(), _attributes(3), Settings())
    images, labels = torch.full((4, 3, 2, 2), 0.5), torch.tensor([2, 2, 2, 2])
    batch = Batch(images, labels, labels, images, labels > 0)
    draws = Draws(batch, torch.Generator().manual_seed(0))
    terms = objective.weighted(
        objective.discriminator_terms(batch, draws) | objective.generator_terms(batch, draws)
    )
    chance = torch.tensor(2.0).log().item()
    expected = {
        "d_real": -0.5,
        "d_fake": 2.0,
        "d_class": chance,
        "d_penalty": 10 * (1 / 12**0.5 - 1) ** 2,
        "g_fake": -2.0,
        "g_class": 10 * chance,
        "g_reconstruction": 100 * 1.5,
    }
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected, rel=1e-5)
