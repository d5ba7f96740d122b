"""SARGAN: parity with the official networks, importer, objective, behaviour behind the contract."""

from dataclasses import replace

import pytest
import torch

from fesbench.baselines.sargan import SARGAN, UNUSED, Attention, SARGANNetwork
from fesbench.baselines.usgan import KDEF_ORDER, USGANNetwork
from fesbench.core.errors import CheckpointError
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.registry import load_generator
from fesbench.generators.training_data import TrainingImages
from fesbench.testing.generators import check_generator
from fesbench.training.trainer import Trainer


@pytest.fixture(scope="module")
def official(reference):
    return reference("sargan_G")


@pytest.fixture(scope="module")
def imported(official):
    return SARGAN.from_official(official.state())


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


def test_discriminator_is_stargans(reference):
    official, stargans = reference("sargan_D").description, reference("stargan_D").description
    assert official["state_dict"] == stargans["state_dict"]
    assert official["outputs"] == stargans["outputs"]


def test_parameter_counts_are_the_official_ones():
    with torch.device("meta"):
        network, unused = SARGANNetwork(7), Attention(3)
    used, dead = (sum(p.numel() for p in part.parameters()) for part in (network, unused))
    assert (used, dead, used + dead) == (3_014_145, 189_249, 3_203_394)


def test_unused_weights_may_be_missing_or_anything(official, imported):
    state = official.state()
    without = {name: value for name, value in state.items() if not name.startswith(UNUSED)}
    assert len(without) < len(state)
    strange = {**without, f"{UNUSED}b1_2.conv2d.weight": torch.zeros(2, 2)}
    for given in (without, strange):
        found = SARGAN.from_official(given).network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in imported.network.state_dict().items())


def test_labels_default_to_the_order_of_the_kdef_codes(imported):
    assert imported.card.expressions == KDEF_ORDER


def test_sizes_are_read_off_the_shapes():
    state = SARGANNetwork(3, 8, attention=5).state_dict()
    generator = SARGAN.from_official(state, expressions="abc", resolution=32)
    assert generator.network.main[0].weight.shape == (8, 6, 7, 7)
    assert generator.network.attention == 5
    assert (generator.card.resolution, generator.card.expressions) == (32, tuple("abc"))


def test_a_usgan_file_is_refused():
    with pytest.raises(CheckpointError, match=r"missing keys: main\.9\.att_func.*looks like 'usgan'"):
        SARGAN.from_official(USGANNetwork(7, 4).state_dict())


def test_attention_scales_all_channels_of_a_place_by_one_number():
    torch.manual_seed(0)
    features = torch.rand(2, 6, 8, 8) + 0.5
    with torch.no_grad():
        scale = Attention(6, 4)(features) / features
    torch.testing.assert_close(scale, scale[:, :1].expand_as(scale))
    assert 0 < scale.min() < scale.max() < 1


@pytest.mark.parametrize("resolution", [20, 36, 60, 64])
def test_any_multiple_of_four_from_twenty_on_will_do(resolution):
    images = torch.zeros(1, 3, resolution, resolution)
    assert SARGANNetwork(2, 4, 4)(images, torch.eye(2)[:1]).shape == images.shape


def test_keeps_the_contract():
    torch.manual_seed(0)
    generator = SARGAN(SARGANNetwork(7, 8, 8), KDEF_ORDER, 64)
    generator.card = replace(generator.card, weights="random")
    assert all(finding.problem is None for finding in check_generator(generator))


def test_is_registered(tmp_path):
    path = tmp_path / "sargan_G.ckpt"
    torch.save(SARGANNetwork(7, 4, 4).state_dict(), path)
    assert load_generator("sargan", path).card.name == "sargan"


def test_trains():
    settings = Settings(resolution=32, width=4, discriminator_width=4, batch_size=4)
    images = torch.randint(256, (8, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()
    rows = torch.arange(8)
    data = TrainingImages(images, rows % 2, rows // 2, rows - rows % 2, rows >= 0, ("neutral", "happy"), ())
    torch.manual_seed(0)
    objective = SARGAN.objective(data, settings)
    assert objective.weights["g_cycle"] == 1.0
    attention = objective.generator.main[9].att_func.out_block[0].conv2d.weight
    before = attention.clone()
    trainer = Trainer(objective, data, settings)
    losses = [trainer.advance() for _ in range(2)]
    assert all(torch.isfinite(torch.tensor(list(step.values()))).all() for step in losses)
    assert not torch.equal(before, attention)
