"""GANimation: parity with the official networks, both kinds of condition, its losses in closed form."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from fesbench.baselines.ganimation import UNITS_ASSUMED, GANimation, GANimationNetwork, GANimationObjective
from fesbench.core.errors import CheckpointError, DatasetError
from fesbench.datasets.action_units import COLUMNS, prototypes, write_prototypes
from fesbench.datasets.expressions import CFEE
from fesbench.generators.checkpoints import save_checkpoint, save_official
from fesbench.generators.discriminator import StarGANDiscriminator
from fesbench.generators.draws import Batch, Draws
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.training_data import TrainingImages, with_units
from fesbench.testing.generators import check_generator
from fesbench.training.trainer import Trainer

SMALL = Settings(resolution=32, width=4, discriminator_width=8, batch_size=4, seed=3)
BASIC = tuple(prototypes())


@pytest.fixture(params=["ganimation_G", "ganimation_G_c7"], ids=["units", "classes"])
def official(request, reference):
    return reference(request.param)


@pytest.fixture
def small():
    torch.manual_seed(0)
    return GANimationNetwork(width=4, blocks=1)


def training_images(expressions=("neutral", "happy"), units=None, people=4):
    count = people * len(expressions)
    labels = torch.arange(count) % len(expressions)
    pixels = torch.randint(0, 256, (count, 3, 32, 32), generator=torch.Generator().manual_seed(1))
    rows = torch.arange(count)
    subjects = rows // len(expressions)
    return TrainingImages(pixels.byte(), labels, subjects, rows, labels == 0, expressions, (), units)


def test_generator_equals_the_official_one(official):
    network = GANimation.from_official(official.state(), BASIC).network
    with torch.no_grad():
        colour, attention = network.colour_and_attention(official.images, official.condition)
        composed = network(official.images, official.condition)
    official.check(colour, "eval", "img")
    official.check(attention, "eval", "attention")
    official.check(composed, "eval", "composed")


def test_discriminator_equals_the_official_one(reference):
    official = reference("ganimation_D")
    network = StarGANDiscriminator(128, 17)
    network.load_state_dict(official.state())
    realness, units = network(official.images)
    official.check(realness.squeeze(1), "eval", "src")
    official.check(units, "eval", "cond")


def test_parameter_counts_are_the_official_ones():
    with torch.device("meta"):
        networks = GANimationNetwork(17), GANimationNetwork(7), StarGANDiscriminator(128, 17)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [8_471_296, 8_439_936, 44_860_352]


def test_discriminator_keeps_the_batch_axis_of_a_single_image():
    realness, units = StarGANDiscriminator(32, 17, 4, 4)(torch.zeros(1, 3, 32, 32))
    assert (realness.shape, units.shape) == ((1, 1, 2, 2), (1, 17))


def test_attention_of_one_keeps_the_input_and_of_zero_takes_the_colour(small):
    class Bias(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, features):
            return torch.full_like(features[:, :1], self.value).sigmoid()

    images, condition = torch.rand(2, 3, 16, 16) * 2 - 1, torch.rand(2, 17)
    colour, _ = small.colour_and_attention(images, condition)
    for value, expected in [(200.0, images), (-200.0, colour)]:
        small.attetion_reg = Bias(value)
        torch.testing.assert_close(small(images, condition), expected)


def test_architecture_is_read_off_the_shapes():
    state = GANimationNetwork(5, width=8, blocks=2).state_dict()
    generator = GANimation.from_official(state, expressions="abcde", resolution=32)
    assert (generator.card.resolution, generator.card.expressions) == (32, tuple("abcde"))
    assert generator.card.parameters == sum(value.numel() for value in state.values())
    assert torch.equal(generator.condition(torch.tensor([-1]), torch.tensor([3])), torch.eye(5)[3:4])


def test_action_units_are_the_default_and_expressions_their_prototypes(small):
    generator = GANimation.from_official(small.state_dict())
    assert generator.card.expressions == BASIC
    happy = generator.condition(torch.tensor([-1]), torch.tensor([BASIC.index("happy")]))[0].numpy()
    strongest = [COLUMNS[i] for i in np.argsort(-happy)[:3]]
    assert set(strongest) == {"AU12_r", "AU06_r", "AU25_r"}
    assert not generator.condition(torch.tensor([-1]), torch.tensor([0])).any()


def test_expressions_that_cannot_be_known_are_asked_for(small):
    with pytest.raises(CheckpointError, match="7 classes and 0 names"):
        GANimation.from_official(GANimationNetwork(7, 4, 1).state_dict())
    with pytest.raises(CheckpointError, match=r"none are known for hatred.*action_units\.csv"):
        GANimation.from_official(small.state_dict(), ("happy", "hatred"))


def test_files_of_torch_0_3_with_running_statistics_and_module_prefixes_load(tmp_path, small):
    state = dict(small.state_dict())
    for name in [name for name in state if name.endswith("bias")]:
        layer = name.removesuffix("bias")
        state[f"{layer}running_mean"] = torch.full_like(state[name], 3.0)
        state[f"{layer}running_var"] = torch.full_like(state[name], 9.0)
    path = tmp_path / "net_epoch_30_id_G.pth"
    torch.save({f"module.{name}": value for name, value in state.items()}, path)
    loaded = GANimation.from_checkpoint(path).network.state_dict()
    assert loaded.keys() == small.state_dict().keys()
    assert all(torch.equal(loaded[name], state[name]) for name in loaded)


@pytest.mark.parametrize("name", ["ganimation_G", "ganimation_G_c7"])
def test_the_official_state_has_the_official_names_and_shapes(reference, name):
    description = reference(name).description
    state = GANimation.from_official(reference(name).state(), BASIC).official_state()
    assert [[key, list(value.shape)] for key, value in state.items()] == description["state_dict"]


def test_half_a_batch_on_each_of_two_devices_has_the_same_losses():
    def losses(count):
        objective = GANimationObjective(Painter(), Reader(), torch.zeros(1, 1, 17), SMALL)
        images, labels = torch.full((count, 3, 8, 8), 0.5), torch.zeros(count, dtype=torch.int64)
        batch = Batch(images, labels, labels, images, labels > 0)
        draws = Draws(batch, torch.Generator().manual_seed(0))
        terms = objective.discriminator_terms(batch, draws) | objective.generator_terms(batch, draws)
        return [terms[name].item() for name in ("d_condition", "g_roughness")]

    assert losses(2) == pytest.approx(losses(4))


def test_a_stargan_discriminator_is_refused():
    with pytest.raises(CheckpointError, match="missing keys: attetion_reg"):
        GANimation.from_official(StarGANDiscriminator(64, 7, 4, 5).state_dict())


@pytest.mark.parametrize("name", ["net_epoch_30_id_G.pth", "ganimation.safetensors"])
def test_units_beside_a_checkpoint_replace_the_prototypes(tmp_path, small, name):
    path = tmp_path / name
    if path.suffix == ".pth":
        torch.save(small.state_dict(), path)
    else:
        save_checkpoint(GANimation(small, BASIC, 32), path)
    units = {"happy": np.full(17, 0.25, np.float32), "hatred": np.linspace(0, 1, 17, dtype=np.float32)}
    write_prototypes(units, path.with_suffix(".action_units.csv"))
    generator = GANimation.from_checkpoint(path)
    assert generator.card.expressions == ("happy", "hatred")
    found = generator.condition(torch.tensor([-1, -1]), torch.tensor([0, 1])).numpy()
    np.testing.assert_allclose(found, np.stack(list(units.values())), atol=2e-4)
    assert path.with_suffix(".action_units.csv").name in generator.card.choices[-1]


def test_units_cannot_drive_a_network_of_classes(tmp_path):
    path = tmp_path / "ganimation.safetensors"
    save_checkpoint(GANimation(GANimationNetwork(7, 4, 1), BASIC, 32), path)
    write_prototypes(prototypes(), path.with_suffix(".action_units.csv"))
    with pytest.raises(CheckpointError, match="7 expressions, not action units"):
        GANimation.from_checkpoint(path)


@pytest.mark.parametrize("units", [17, 7])
def test_keeps_the_contract(units):
    torch.manual_seed(0)
    generator = GANimation(GANimationNetwork(units, 8, 2), BASIC, 64)
    generator.card = replace(generator.card, weights="random")
    assert all(finding.problem is None for finding in check_generator(generator))


class Painter(nn.Module):
    """Paints a grey of -0.5 behind a mask that is 0.25 on the left half and 0.75 on the right one."""

    def colour_and_attention(self, images, condition):
        attention = torch.full_like(images[:, :1], 0.25)
        attention[..., images.shape[3] // 2 :] = 0.75
        return torch.full_like(images, -0.5), attention


class Reader(nn.Module):
    """Realness is the mean; the condition it sees is always a half."""

    def forward(self, images):
        mean = images.mean((1, 2, 3))
        return mean.reshape(-1, 1, 1, 1), torch.full((len(images), 17), 0.5) + 0 * mean[:, None]


def test_losses_are_the_official_ones():
    conditions = torch.zeros(1, 2, 17)
    objective = GANimationObjective(Painter(), Reader(), conditions, SMALL)
    images, labels = torch.full((4, 3, 8, 8), 0.5), torch.zeros(4, dtype=torch.int64)
    batch = Batch(images, labels, labels, images, labels > 0)
    draws = Draws(batch, torch.Generator().manual_seed(0))
    found = objective.weighted(
        objective.discriminator_terms(batch, draws) | objective.generator_terms(batch, draws)
    )
    assert 160 * 0.4**2 < found.pop("g_condition").item() < 160 * 0.6**2
    # Composed: -0.25 on the left, 0.25 on the right; the way back: -0.4375 and 0.0625.
    expected = {
        "d_real": -0.5,
        "d_fake": 0.0,
        "d_condition": 4000 / 25 * 0.25,
        "d_penalty": 10 * (1 / np.sqrt(3 * 8 * 8) - 1) ** 2,
        "g_fake": 0.0,
        "g_cycle": 10 * (0.9375 + 0.4375) / 2,
        "g_attention": 0.1 * 2 * 0.5,
        "g_roughness": 1e-5 * 25 * 2 * 8 * 0.5,
    }
    assert {name: value.item() for name, value in found.items()} == pytest.approx(expected, abs=1e-4)


def test_wanted_conditions_are_those_of_others_a_little_off():
    conditions = torch.rand(8, 2, 17, generator=torch.Generator().manual_seed(5))
    objective = GANimationObjective(Painter(), Reader(), conditions, SMALL)
    people, labels = torch.arange(8), torch.arange(8) % 2
    batch = Batch(torch.zeros(8, 3, 4, 4), labels, people, torch.zeros(8, 3, 4, 4), labels > 0)
    shown, wanted = objective._conditions(batch, Draws(batch, torch.Generator().manual_seed(0)))
    assert torch.equal(shown, conditions[people, labels])
    off = torch.cdist(wanted, shown, p=float("inf"))
    nearest, whose = off.min(dim=1)
    assert sorted(whose.tolist()) == list(range(8))
    assert whose.tolist() != list(range(8))
    assert 0.05 < nearest.max() <= 0.1


def test_people_are_shown_with_their_own_units_and_with_the_prototype_where_unknown():
    rows = torch.rand(8, 17, generator=torch.Generator().manual_seed(2))
    data = training_images(units=rows)
    data = data._replace(labels=torch.tensor([0, 1, 0, 1, 0, 1, 1, 1]))
    conditions = GANimation.objective(data, SMALL).conditions
    assert torch.equal(conditions[1, 1], rows[3])
    torch.testing.assert_close(conditions[3, 1], (rows[6] + rows[7]) / 2)
    assert torch.equal(conditions[3, 0], torch.from_numpy(prototypes()["neutral"]))


def test_expressions_without_prototypes_are_learned_as_classes():
    objective = GANimation.objective(training_images(("neutral", "happy", "awed")), SMALL)
    assert torch.equal(objective.conditions[0], torch.eye(3))


@pytest.mark.parametrize("expressions", [("neutral", "happy"), ("neutral", "happy", "awed")])
@pytest.mark.parametrize("batch_size", [4, 1])
def test_trains(expressions, batch_size):
    data, settings = training_images(expressions), replace(SMALL, batch_size=batch_size)
    torch.manual_seed(0)
    trainer = Trainer(GANimation.objective(data, settings), data, settings)
    before = [parameter.clone() for parameter in trainer.objective.parameters()]
    losses = [trainer.advance() for _ in range(2)]
    assert all(np.isfinite(value) for step in losses for value in step.values())
    assert not any(map(torch.equal, before, trainer.objective.parameters()))
    generator = GANimation(trainer.average, expressions, 32)
    labels = torch.arange(len(expressions))
    outputs = generator.synthesize(torch.zeros(len(labels), 3, 32, 32), torch.full_like(labels, -1), labels)
    assert len(torch.unique(outputs, dim=0)) == len(expressions)


def test_cards_say_what_drives_the_network(tmp_path, small):
    labels = [f"c{i}" for i in range(17)]
    assert GANimation.from_official(small.state_dict()).card.driven_by == "action units"
    by_labels = GANimation.from_official(small.state_dict(), labels)
    assert by_labels.card.driven_by == "labels"
    assert torch.equal(by_labels.condition(torch.tensor([-1]), torch.tensor([4])), torch.eye(17)[4:5])
    save_checkpoint(by_labels, tmp_path / "ganimation.safetensors")
    assert GANimation.from_checkpoint(tmp_path / "ganimation.safetensors").card.driven_by == "labels"
    write_prototypes(prototypes(), tmp_path / "ganimation.action_units.csv")
    with pytest.raises(CheckpointError, match="17 expressions, not action units"):
        GANimation.from_checkpoint(tmp_path / "ganimation.safetensors")
    torch.save(small.state_dict(), tmp_path / "net_epoch_30_id_G.pth")
    assert UNITS_ASSUMED in GANimation.from_checkpoint(tmp_path / "net_epoch_30_id_G.pth").card.assumed


def test_seventeen_expressions_with_measured_units_stay_driven_by_units(tmp_path):
    names = CFEE[:17]
    measured = {f"{i}": np.full(17, i / 40, np.float32) for i in range(34)}
    data = training_images(names, people=2)._replace(ids=tuple(measured))
    data = with_units(data, measured)
    generator = GANimation.trained(GANimation.objective(data, SMALL).generator, data, 32)
    for save, name in [(save_checkpoint, "g.safetensors"), (save_official, "g.ckpt")]:
        save(generator, tmp_path / name)
        loaded = GANimation.from_checkpoint(tmp_path / name)
        assert (loaded.card.driven_by, loaded.card.expressions) == ("action units", names)
        assert torch.allclose(loaded.conditions, generator.conditions, atol=2e-4)
    (tmp_path / "g.action_units.csv").unlink()
    with pytest.raises(CheckpointError, match=r"their table g\.action_units\.csv is missing"):
        GANimation.from_checkpoint(tmp_path / "g.ckpt")


def test_measured_units_reach_the_training_and_the_rest_learns_from_means():
    measured = {f"{i}": np.full(17, i / 10, np.float32) for i in (0, 1, 2, 3)}
    data = with_units(training_images(people=3)._replace(ids=tuple("012345")), measured)
    objective = GANimation.objective(data, SMALL)
    conditions = objective.conditions[:, :, 0]
    assert "OpenFace measured" in GANimation.supervision_of(data)
    torch.testing.assert_close(conditions, torch.tensor([[0.0, 0.1], [0.2, 0.3], [0.1, 0.2]]))
    with pytest.raises(DatasetError, match="no action units were measured on images of happy"):
        with_units(data, {"0": measured["0"]})


@pytest.mark.parametrize(
    ("expressions", "units", "words", "driven_by"),
    [
        (("neutral", "happy"), torch.zeros(8, 17), "the action units that the data set", "action units"),
        (("neutral", "happy"), None, "the labels of the images, each as the action units", "action units"),
        (("neutral", "awed"), None, "the labels of the images: one condition value", "labels"),
    ],
)
def test_cards_say_in_words_what_was_learned_from(expressions, units, words, driven_by):
    data = training_images(expressions, units)
    card = GANimation.trained(GANimation.objective(data, SMALL).generator, data, 32).card
    assert GANimation.supervision_of(data).startswith(words)
    assert card.driven_by == driven_by
