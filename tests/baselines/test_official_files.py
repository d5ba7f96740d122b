"""Export to the official files, and telling whose file it is."""

import re

import pytest
import torch

from fesbench.baselines.stargan import FOLDER_ORDER, StarGAN, StarGANNetwork
from fesbench.baselines.stgan import STGAN, STGANNetwork
from fesbench.core.errors import CheckpointError, SpecError, UnknownName
from fesbench.datasets.expressions import CFEE
from fesbench.generators.checkpoints import save_official
from fesbench.generators.registry import GENERATORS, load_model
from fesbench.weights.tensors import RUNNING_STATISTICS, load_exactly, read_tensors, with_statistics

EXPORTED = ["stargan", "usgan", "sargan"]
"""Models by registered name; the reference outputs of each are called NAME_G."""


@pytest.fixture(scope="module", params=EXPORTED)
def model(request):
    return GENERATORS.load(request.param)


@pytest.fixture(scope="module")
def description(reference, model):
    return reference(f"{model.template.name}_G")


@pytest.fixture(scope="module")
def imported(model, description):
    return model.from_official(description.state())


def test_names_and_shapes_are_the_official_ones_in_their_order(imported, description):
    found = [[name, list(value.shape)] for name, value in imported.official_state().items()]
    assert found == description.description["state_dict"]


def test_a_saved_file_loads_again_as_the_same_network(tmp_path, imported, model):
    path = tmp_path / "1000-G.ckpt"
    save_official(imported, path)
    loaded = model.from_checkpoint(path)
    assert loaded.card.expressions == imported.card.expressions
    expected, found = imported.network.state_dict(), loaded.network.state_dict()
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_what_the_import_left_out_is_as_at_the_start(imported):
    used = imported.network.state_dict()
    for name, value in imported.official_state().items():
        if name not in used:
            assert torch.equal(value, torch.full_like(value, name.endswith("running_var"))), name
            assert (value.dtype == torch.int64) == name.endswith("num_batches_tracked")


def test_an_export_shares_no_memory_with_the_network():
    generator = StarGAN(StarGANNetwork(7, 4, 1), FOLDER_ORDER[7], 32)
    generator.official_state()["main.0.weight"].zero_()
    assert generator.network.main[0].weight.any()


def test_the_wrapper_of_the_official_file_is_kept(tmp_path):
    class Wrapped(StarGAN):
        official_wrapper = "G"

    generator = Wrapped(StarGANNetwork(7, 4, 1), FOLDER_ORDER[7], 32)
    save_official(generator, tmp_path / "weights.9.pth")
    assert list(read_tensors(tmp_path / "weights.9.pth")) == ["G"]


def test_an_official_file_is_not_called_safetensors(tmp_path):
    generator = StarGAN(StarGANNetwork(7, 4, 1), FOLDER_ORDER[7], 32)
    with pytest.raises(CheckpointError, match=r"name the file \.ckpt"):
        save_official(generator, tmp_path / "stargan.safetensors")
    assert not list(tmp_path.iterdir())


def test_statistics_are_those_of_a_new_layer():
    layer = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 1), torch.nn.InstanceNorm2d(3, affine=True))
    tracking = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 1), torch.nn.InstanceNorm2d(3, affine=True, track_running_stats=True)
    )
    tracking.load_state_dict(with_statistics(layer.state_dict()))
    fresh = tracking.state_dict()
    assert fresh.keys() - layer.state_dict().keys() == {f"1{ending}" for ending in RUNNING_STATISTICS}
    tracking[1].reset_running_stats()
    assert all(torch.equal(fresh[name], value) for name, value in tracking.state_dict().items())
    assert with_statistics(layer.state_dict(), layers="0").keys() == layer.state_dict().keys()


@pytest.mark.parametrize(
    ("name", "lookalike"),
    [
        ("stargan_G", "'stargan'"),
        ("usgan_G", "'usgan', or 'stargan' with one residual block"),
        ("sargan_G", "'sargan'"),
        ("ganimation_G", "'ganimation'"),
        ("ganmut_linear_G", "'ganmut' (linear)"),
        ("ganmut_gaussian_G", "'ganmut' (gaussian)"),
        ("attgan_G_inject1", "'attgan'"),
        ("stgan_bluestyle97_G", "'stgan'"),
        ("stgan_jdelanoy_G", "STGAN with biases, a fork (jdelanoy) that cannot be loaded"),
        ("relgan_G", "RelGAN, which cannot be loaded"),
        ("stargan_D", "a discriminator of the StarGAN family"),
        ("ganimation_D", "a discriminator of the StarGAN family"),
        ("ganmut_linear_D", "a discriminator of the StarGAN family"),
        ("attgan_D", "a discriminator of AttGAN's or STGAN's"),
        ("stgan_bluestyle97_D", "a discriminator of AttGAN's or STGAN's"),
    ],
)
def test_a_file_that_does_not_fit_is_recognised(reference, name, lookalike):
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in reference(name).description["state_dict"]}
        network = torch.nn.Linear(2, 2)
    with pytest.raises(CheckpointError, match=f"it looks like {re.escape(lookalike)}$"):
        load_exactly(network, state)


def test_a_file_of_nobody_is_said_to_be_so():
    with pytest.raises(CheckpointError, match=r"looks like no model known here$"):
        load_exactly(torch.nn.Linear(2, 2), {"layer1.0.conv1.weight": torch.zeros(2, 2)})


def test_an_exported_file_keeps_its_labels_and_its_size(tmp_path):
    names = ("neutral", "angry", "disgusted", "fearful", "happy", "sad", "surprised")
    save_official(StarGAN(StarGANNetwork(7, 4, 1), names, 64), tmp_path / "stargan-official.ckpt")
    card = StarGAN.from_checkpoint(tmp_path / "stargan-official.ckpt").card
    assert (card.expressions, card.resolution, card.assumed) == (names, 64, ())


def test_what_nothing_states_is_assumed_and_said(tmp_path):
    torch.save(StarGANNetwork(7, 4, 1).state_dict(), tmp_path / "200000-G.ckpt")
    (tmp_path / "200000-G.json").write_text('{"note": "of another program"}')
    card = StarGAN.from_checkpoint(tmp_path / "200000-G.ckpt").card
    assert card.expressions[:2] == ("angry", "disgusted")
    assert "angry, disgusted" in card.assumed[0]
    assert "128 pixels" in card.assumed[1]


@pytest.mark.parametrize("count", [2, 3, 5, 6, 15, 22])
@pytest.mark.parametrize(("name", "network"), [("stargan", StarGANNetwork), ("stgan", STGANNetwork)])
def test_users_name_the_labels_and_the_size(tmp_path, name, network, count):
    path, state = tmp_path / "G.ckpt", network(count, 4, 5).state_dict()
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=f"{count} classes and 0 names .*--labels {name}="):
        load_model(name, path)
    card = load_model(name, path, expressions=CFEE[:count], resolution=256).card
    assert (card.expressions, card.resolution, card.assumed) == (CFEE[:count], 256, ())


def test_labels_may_have_any_spelling_but_no_unknown_name(tmp_path):
    torch.save(StarGANNetwork(3, 4, 1).state_dict(), tmp_path / "G.ckpt")
    found = load_model("stargan", tmp_path / "G.ckpt", expressions=("Neutral", "Happiness", "AFS"))
    assert found.card.expressions == ("neutral", "happy", "fearful")
    with pytest.raises(UnknownName, match="hapy"):
        load_model("stargan", tmp_path / "G.ckpt", expressions=("neutral", "hapy", "sad"))
    with pytest.raises(SpecError, match="--checkpoint"):
        load_model("stargan", expressions=("neutral", "happy", "sad"))


def test_a_size_that_a_model_cannot_take_is_refused_with_those_it_takes(tmp_path):
    torch.save(STGANNetwork(3, 4, 5).state_dict(), tmp_path / "G.ckpt")
    with pytest.raises(CheckpointError, match="100 x 100 pixels; it takes 96 or 128"):
        STGAN.from_checkpoint(tmp_path / "G.ckpt", ("neutral", "happy", "sad"), 100)
