"""US-GAN: parity with the official network, importer, objective, behaviour behind the contract."""

from dataclasses import replace

import pytest
import torch

from fesbench.baselines.stargan import StarGANNetwork
from fesbench.baselines.usgan import KDEF_ORDER, USGAN, USGANNetwork
from fesbench.core.errors import CheckpointError
from fesbench.generators.discriminator import StarGANDiscriminator
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.objectives import LabelObjective
from fesbench.generators.registry import load_generator
from fesbench.generators.training_data import TrainingImages
from fesbench.testing.generators import check_generator
from fesbench.training.trainer import Trainer

KDEF_CODES = {
    "AFS": "fearful",
    "ANS": "angry",
    "DIS": "disgusted",
    "HAS": "happy",
    "NES": "neutral",
    "SAS": "sad",
    "SUS": "surprised",
}


@pytest.fixture(scope="module")
def official(reference):
    return reference("usgan_G")


@pytest.fixture(scope="module")
def imported(official):
    return USGAN.from_official(official.state())


def test_generator_equals_the_official_inference(official, imported):
    with torch.no_grad():
        outputs = imported.network(official.images, official.condition)
    assert outputs.abs().max() > 1
    official.check(outputs, "train_stats", "out")


def test_synthesize_clamps_what_the_network_gives(official, imported):
    labels = official.condition.argmax(1)
    with torch.no_grad():
        expected = imported.network(official.images, official.condition).clamp(-1, 1)
    found = imported.synthesize(official.images, torch.full_like(labels, -1), labels)
    torch.testing.assert_close(found, expected)


def test_parameter_count_is_the_official_one():
    with torch.device("meta"):
        assert sum(p.numel() for p in USGANNetwork(7).parameters()) == 2_533_440


def test_labels_default_to_the_order_of_the_kdef_codes(imported):
    assert imported.card.expressions == tuple(KDEF_CODES[code] for code in sorted(KDEF_CODES))


def test_sizes_are_read_off_the_shapes():
    generator = USGAN.from_official(USGANNetwork(3, 8).state_dict(), expressions="abc", resolution=32)
    assert generator.network.main[0].weight.shape == (8, 6, 7, 7)
    assert (generator.card.resolution, generator.card.expressions) == (32, tuple("abc"))


def test_unknown_label_order_is_asked_for():
    with pytest.raises(CheckpointError, match="3 classes and 0 names"):
        USGAN.from_official(USGANNetwork(3, 4).state_dict())


@pytest.mark.parametrize(
    ("network", "lookalike"),
    [
        (StarGANNetwork(7, 4, 6), "looks like 'stargan'"),
        (StarGANDiscriminator(64, 7, 4, 5), "discriminator of the StarGAN family"),
    ],
)
def test_its_relatives_are_refused(network, lookalike):
    with pytest.raises(CheckpointError, match=lookalike):
        USGAN.from_official(network.state_dict())


def test_keeps_the_contract():
    torch.manual_seed(0)
    generator = USGAN(USGANNetwork(7, 8), KDEF_ORDER, 64)
    generator.card = replace(generator.card, weights="random")
    assert all(finding.problem is None for finding in check_generator(generator))


def test_is_registered(tmp_path):
    path = tmp_path / "usgan_87_G.ckpt"
    torch.save(USGANNetwork(7, 4).state_dict(), path)
    assert load_generator("usgan", path).card.name == "usgan"


def noise(size=32, count=8):
    labels = torch.arange(count) % 2
    images = torch.randint(256, (count, 3, size, size), generator=torch.Generator().manual_seed(0))
    rows = torch.arange(count)
    return TrainingImages(
        images.byte(), labels, rows // 2, rows - labels, rows >= 0, ("neutral", "happy"), ()
    )


def test_the_way_back_weighs_a_tenth_of_stargans():
    objective = USGAN.objective(noise(), Settings(resolution=32, width=4, discriminator_width=4))
    assert objective.weights == {**LabelObjective.official_weights, "g_cycle": 1.0}


def test_the_discriminator_halves_down_to_two_by_two():
    objective = USGAN.objective(noise(), Settings(resolution=64, width=4, discriminator_width=4))
    realness, logits = objective.discriminator(torch.zeros(3, 3, 64, 64))
    assert (realness.shape, logits.shape) == ((3, 1, 2, 2), (3, 2))


def test_trains():
    settings = Settings(resolution=32, width=4, discriminator_width=4, batch_size=4)
    data = noise()
    torch.manual_seed(0)
    objective = USGAN.objective(data, settings)
    before = [p.clone() for p in objective.parameters()]
    trainer = Trainer(objective, data, settings)
    losses = [trainer.advance() for _ in range(2)]
    assert all(torch.isfinite(torch.tensor(list(step.values()))).all() for step in losses)
    assert losses[0].keys() == {"d_real", "d_fake", "d_class", "d_penalty", "g_fake", "g_class", "g_cycle"}
    assert all(not torch.equal(old, new) for old, new in zip(before, objective.parameters(), strict=True))
