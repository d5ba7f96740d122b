"""STGAN: parity with the usual PyTorch form, what it needs to know, the objective it shares with AttGAN."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from fesbench.baselines.stgan import STGAN, STGANDiscriminator, STGANNetwork, STGANObjective, _difference
from fesbench.core.errors import CheckpointError, UnsupportedEdit
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.testing.generators import check_generator

NAMES = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")


@pytest.fixture(scope="module")
def official(reference):
    return reference("stgan_bluestyle97_G")


@pytest.fixture(scope="module")
def imported(official):
    return STGAN.from_official(official.state(), NAMES)


def test_generator_equals_the_official_inference(official, imported):
    with torch.no_grad():
        outputs = imported.network(official.images, official.condition)
    official.check(outputs, "eval", "out")
    assert imported.card.parameters == 74_287_440
    exported = [[name, list(value.shape)] for name, value in imported.official_state().items()]
    assert exported == official.description["state_dict"]


def test_synthesize_takes_labels_and_gives_the_same(official, imported):
    source, target = (-official.condition).argmax(1), official.condition.argmax(1)
    official.check(imported.synthesize(official.images, source, target), "eval", "out")


def test_generator_equals_the_official_one_in_training(official, imported):
    network = copy.deepcopy(imported.network).train()
    with torch.no_grad():
        outputs = network(official.images, official.condition)
    official.check(outputs, "train_stats", "out")


@pytest.mark.parametrize("mode", ["eval", "train_stats"])
def test_discriminator_equals_the_official_one(reference, mode):
    official = reference("stgan_bluestyle97_D")
    network = STGANDiscriminator(128, 7).train(mode == "train_stats")
    network.load_state_dict(official.state(), assign=True)
    realness, logits = network(official.images)
    official.check(realness, mode, "adv")
    official.check(logits, mode, "att")
    assert sum(parameter.numel() for parameter in network.parameters()) == 44_714_824


def small(classes=7, **options):
    torch.manual_seed(0)
    network = STGANNetwork(classes, 8, 3, **{"shortcuts": 2, **options})
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)
    return network


@pytest.mark.parametrize("shortcuts", [0, 1, 2])
@pytest.mark.parametrize("one_more_conv", [True, False])
def test_architecture_is_read_off_the_shapes(shortcuts, one_more_conv):
    network = small(5, shortcuts=shortcuts, one_more_conv=one_more_conv)
    generator = STGAN.from_official(network.state_dict(), "abcde", 32)
    images, condition = torch.randn(2, 3, 32, 32), torch.randn(2, 5)
    assert torch.equal(generator.network(images, condition), network.eval()(images, condition))
    assert (generator.card.resolution, generator.card.expressions) == (32, tuple("abcde"))


def test_the_official_file_is_unwrapped(tmp_path):
    state = {f"module.{name}": value for name, value in small().state_dict().items()}
    file = tmp_path / "G_1000000.pth.tar"
    torch.save({"state_dict": state, "optimizer": {"state": {}, "param_groups": [{"lr": 2e-4}]}}, file)
    assert STGAN.from_checkpoint(file, NAMES).card.weights.startswith("G_1000000.pth.tar, sha256 ")


def test_a_file_without_update_counts_is_loaded():
    state = {name: value for name, value in small().state_dict().items() if not name.endswith("tracked")}
    assert STGAN.from_official(state, NAMES).network.encoder[0][1].num_batches_tracked == 0


def test_the_fork_with_other_layers_is_named(reference):
    shapes = reference("stgan_jdelanoy_G").description["state_dict"]
    with pytest.raises(
        CheckpointError, match=r"unexpected keys: encoder\.0\.0\.bias.* looks like .*jdelanoy"
    ):
        STGAN.from_official({name: torch.zeros(shape) for name, shape in shapes}, NAMES)


def test_label_order_must_be_given():
    with pytest.raises(CheckpointError, match="7 classes and 0 names"):
        STGAN.from_official(small().state_dict())


@pytest.mark.parametrize(
    "state",
    [
        STGANDiscriminator(32, 7, 4, 3).state_dict(),
        {"encoder.0.0.weight": torch.zeros(4, 3, 0, 4)},
        {f"encoder.{level}.0.weight": torch.zeros(4, 3, 4, 4) for level in range(500)},
    ],
    ids=["discriminator", "empty", "deep"],
)
def test_foreign_tensors_are_refused(state):
    with pytest.raises(CheckpointError, match="missing keys: "):
        STGAN.from_official(state, NAMES)


def test_keeps_the_contract():
    generator = STGAN(small(), NAMES, 32)
    generator.card = replace(generator.card, weights="random")
    assert all(finding.problem is None for finding in check_generator(generator))


def test_an_unknown_source_is_refused():
    generator = STGAN(small(), NAMES, 32)
    with pytest.raises(UnsupportedEdit, match="source expression"):
        generator.synthesize(torch.zeros(2, 3, 32, 32), torch.tensor([4, -1]), torch.tensor([0, 0]))


class Watched(nn.Module):
    """A generator that remembers what it was asked for."""

    def __init__(self):
        super().__init__()
        self.conditions = []

    def forward(self, images, condition):
        self.conditions.append(condition)
        return images + condition.sum() * 0


def test_training_scales_each_difference_and_reconstructs_from_none():
    watched = Watched()
    critic = STGANDiscriminator(32, 3, 4, 3)
    objective = STGANObjective(
        watched, critic, lambda source, target: _difference(3, source, target), Settings()
    )
    labels = torch.tensor([0, 1, 2, 0])
    batch = Batch(torch.zeros(4, 3, 32, 32), labels, labels, torch.zeros(4, 3, 32, 32), labels == labels)
    terms = objective.generator_terms(batch, Draws(batch, torch.Generator().manual_seed(0)))
    edit, same = watched.conditions
    assert (same == 0).all()
    assert terms["g_reconstruction"] == 0
    assert ((edit.abs() < 1) & (edit.abs() >= 0)).all()
    assert len(edit[edit != 0].unique()) == (edit != 0).sum() > 2


def test_attribute_loss_sums_the_classes():
    objective = STGANObjective(Watched(), Watched(), lambda source, target: target, Settings())
    loss = objective.class_loss(torch.zeros(2, 5), torch.tensor([1, 4]))
    assert loss.item() == pytest.approx(5 * torch.tensor(2.0).log().item())
