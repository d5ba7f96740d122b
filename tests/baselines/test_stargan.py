"""StarGAN: parity with the official network, its parameter counts, its behaviour behind the contract."""

import pytest
import torch

from fesbench.baselines.stargan import FOLDER_ORDER, StarGAN, StarGANNetwork
from fesbench.core.errors import CheckpointError, UnsupportedEdit
from fesbench.generators.discriminator import StarGANDiscriminator
from fesbench.testing.generators import check_generator


@pytest.fixture(scope="module")
def official(reference):
    return reference("stargan_G")


@pytest.fixture(scope="module")
def imported(official):
    return StarGAN.from_official(official.state())


def test_generator_equals_the_official_inference(official, imported):
    with torch.no_grad():
        outputs = imported.network(official.images, official.condition)
    official.check(outputs, "train_stats", "out")


def test_synthesize_takes_labels_and_gives_the_same(official, imported):
    labels = official.condition.argmax(1)
    unknown = torch.full_like(labels, -1)
    official.check(imported.synthesize(official.images, unknown, labels), "train_stats", "out")


def test_discriminator_equals_the_official_one(reference):
    official = reference("stargan_D")
    network = StarGANDiscriminator(128, 7)
    network.load_state_dict(official.state())
    realness, logits = network(official.images)
    official.check(realness, "eval", "src")
    official.check(logits, "eval", "cls")


def test_parameter_counts_are_the_official_ones():
    with torch.device("meta"):
        networks = StarGANNetwork(7), StarGANDiscriminator(128, 7)
    assert [sum(p.numel() for p in network.parameters()) for network in networks] == [8_436_800, 44_778_432]


def test_architecture_is_read_off_the_shapes():
    state = StarGANNetwork(classes=5, width=8, blocks=2).state_dict()
    generator = StarGAN.from_official(state, expressions="abcde", resolution=32)
    assert len(generator.network.main) == len(StarGANNetwork(5, 8, 2).main)
    assert (generator.card.resolution, generator.card.expressions) == (32, tuple("abcde"))
    assert generator.card.parameters == sum(value.numel() for value in state.values())


@pytest.mark.parametrize("classes", [7, 8])
def test_labels_default_to_the_sorted_folder_names(classes):
    generator = StarGAN.from_official(StarGANNetwork(classes, 4, 1).state_dict())
    assert generator.card.expressions == FOLDER_ORDER[classes] == tuple(sorted(FOLDER_ORDER[classes]))


def test_unknown_label_order_is_asked_for():
    with pytest.raises(CheckpointError, match="5 classes and 0 names"):
        StarGAN.from_official(StarGANNetwork(5, 4, 1).state_dict())


def test_a_discriminator_is_not_taken_for_a_generator():
    with pytest.raises(CheckpointError, match=r"missing keys: .*unexpected keys: conv1\.weight"):
        StarGAN.from_official(StarGANDiscriminator(64, 7, 4, 5).state_dict())


def test_keeps_the_contract():
    torch.manual_seed(0)
    generator = StarGAN(StarGANNetwork(7, 8, 2), FOLDER_ORDER[7], 64)
    generator.card = generator.card.__class__(**{**vars(generator.card), "weights": "random"})
    assert all(finding.problem is None for finding in check_generator(generator))


def test_targets_outside_its_labels_are_refused():
    generator = StarGAN(StarGANNetwork(7, 4, 1), FOLDER_ORDER[7], 64)
    with pytest.raises(UnsupportedEdit, match="no label 7"):
        generator.synthesize(torch.zeros(1, 3, 64, 64), torch.tensor([-1]), torch.tensor([7]))
