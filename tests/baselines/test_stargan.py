"""StarGAN: parity with the official network, its parameter counts, its behaviour behind the contract."""

import json
import zlib

import numpy as np
import pytest
import torch

from fesbench.baselines.stargan import FOLDER_ORDER, StarGAN, StarGANDiscriminator, StarGANNetwork
from fesbench.errors import CheckpointError, UnsupportedEdit
from fesbench.testing import check_generator

PARITY = 1e-4


def splitmix(key, count):
    """The values in [-1, 1) of rule splitmix-v2 for one tensor."""
    seed = np.uint64(zlib.crc32(key.encode()) << 32)
    with np.errstate(over="ignore"):
        z = seed + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)) / 2**23 - 1


def filled(description):
    """The official state_dict, filled by rule splitmix-v2."""
    state = {}
    for key, shape in description["state_dict"]:
        values = splitmix(key, int(np.prod(shape))).reshape(shape)
        if len(shape) > 1:
            fan_in = values.size / shape[1 if key in description["transposed_conv_keys"] else 0]
            values = values * np.sqrt(6 / fan_in)
        elif key.endswith("running_var"):
            values = 1 + 0.5 * abs(values)
        elif key.endswith(".weight"):
            values = 1 + 0.1 * values
        else:
            values = 0.05 * values
        state[key] = torch.from_numpy(np.asarray(values, np.float32))
    return state


def reference_images():
    i, j, c = np.arange(128)[:, None], np.arange(128), np.arange(3)[:, None, None]
    waves = [np.sin(0.05 * i + 0.07 * j + c), np.cos(0.06 * i - 0.03 * j + 0.5 * c)]
    return torch.from_numpy(np.stack(waves).astype(np.float32))


@pytest.fixture(scope="module")
def official(shared):
    """Descriptions of the official networks, and StarGAN built from the filled generator."""
    folder = shared / "parity"
    texts = {name: (folder / f"stargan_{name}.v2.json").read_text() for name in ("G", "D")}
    return {name: json.loads(text) for name, text in texts.items()}


@pytest.fixture(scope="module")
def imported(official):
    return StarGAN.from_official(filled(official["G"]))


def test_generator_equals_the_official_inference(official, imported, shared):
    with torch.no_grad():
        outputs = imported.network(reference_images(), torch.tensor(official["G"]["condition"])).numpy()
    expected = official["G"]["outputs"]["train_stats"]["out"]
    sampled = outputs.ravel()[expected["sample_index_flat"]]
    np.testing.assert_allclose(sampled, expected["sample_value"], atol=PARITY, rtol=0)
    assert outputs.mean() == pytest.approx(expected["mean"], abs=PARITY)
    whole = np.load(shared / "parity" / "stargan_G.v2.train_stats.npz")["train_stats__out"]
    np.testing.assert_allclose(outputs, whole, atol=1e-3, rtol=0)


def test_synthesize_takes_labels_and_gives_the_same(official, imported):
    labels = torch.tensor(official["G"]["condition"]).argmax(1)
    unknown = torch.full_like(labels, -1)
    outputs = imported.synthesize(reference_images(), unknown, labels).numpy()
    expected = official["G"]["outputs"]["train_stats"]["out"]
    sampled = outputs.ravel()[expected["sample_index_flat"]]
    np.testing.assert_allclose(sampled, expected["sample_value"], atol=PARITY, rtol=0)


def test_discriminator_equals_the_official_one(official, shared):
    network = StarGANDiscriminator(128, 7)
    network.load_state_dict(filled(official["D"]))
    with torch.no_grad():
        realness, logits = network(reference_images())
    whole = np.load(shared / "parity" / "stargan_D.v2.npz")
    np.testing.assert_allclose(realness, whole["eval__src"], atol=PARITY, rtol=0)
    np.testing.assert_allclose(logits, whole["eval__cls"], atol=PARITY, rtol=0)


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
