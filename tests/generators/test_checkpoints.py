"""Checkpoint files: official ones in every wrapping, ours, and everything that must be refused."""

import json
import os
import pickle
import zipfile
from importlib.resources import files
from pathlib import Path

import pytest
import torch

from fesbench.baselines.stargan import FOLDER_ORDER, StarGAN, StarGANNetwork
from fesbench.core.errors import CheckpointError
from fesbench.generators.checkpoints import save_checkpoint
from fesbench.weights import tensors as checkpoints
from fesbench.weights.tensors import read_checkpoint


@pytest.fixture
def generator():
    torch.manual_seed(0)
    return StarGAN(StarGANNetwork(7, 4, 2), FOLDER_ORDER[7], 32)


@pytest.fixture
def official(generator):
    """The state_dict as the official code saves it: with running statistics."""
    state = dict(generator.network.state_dict())
    for name in [name for name in state if name.endswith("bias")]:
        layer = name.removesuffix("bias")
        state[f"{layer}running_mean"] = torch.randn_like(state[name])
        state[f"{layer}running_var"] = torch.rand_like(state[name])
        state[f"{layer}num_batches_tracked"] = torch.tensor(7)
    return state


def outputs(generator):
    images = torch.linspace(-1, 1, 3 * 32 * 32).reshape(1, 3, 32, 32)
    return generator.synthesize(images, torch.tensor([-1]), torch.tensor([3]))


@pytest.mark.parametrize("suffix", [".ckpt", ".pth", ".pth.tar"])
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"G": state, "D": {"unused": torch.zeros(1)}},
        lambda state: {"state_dict": state, "optimizer": {"lr": 1e-4}},
        lambda state: {f"module.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"module.{name}": value for name, value in state.items()}},
    ],
    ids=["bare", "G", "state_dict", "module", "both"],
)
def test_official_files_load_however_wrapped(tmp_path, generator, official, wrap, suffix):
    path = tmp_path / f"200000-G{suffix}"
    torch.save(wrap(official), path)
    loaded = StarGAN.from_checkpoint(path)
    assert torch.equal(outputs(loaded), outputs(generator))
    assert path.name in loaded.card.weights


def test_old_file_format_loads(tmp_path, generator, official):
    path = tmp_path / "old.ckpt"
    torch.save(official, path, _use_new_zipfile_serialization=False)
    assert torch.equal(outputs(StarGAN.from_checkpoint(path)), outputs(generator))


def test_half_precision_official_file_becomes_float32(tmp_path, official):
    path = tmp_path / "half.pth"
    torch.save({name: value.half() for name, value in official.items()}, path)
    assert outputs(StarGAN.from_checkpoint(path)).dtype == torch.float32


@pytest.mark.parametrize(("half", "tolerance"), [(False, 0.0), (True, 0.01)])
def test_ours_round_trips_with_its_card(tmp_path, generator, half, tolerance):
    path = tmp_path / "stargan.safetensors"
    save_checkpoint(generator, path, {"steps": 12}, half)
    loaded = StarGAN.from_checkpoint(path)
    assert (outputs(loaded) - outputs(generator)).abs().max() <= tolerance
    assert loaded.card == generator.card
    assert read_checkpoint(path).training == {"steps": 12}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["stargan.json", "stargan.safetensors"]


def test_a_pickle_that_wants_to_run_code_is_refused_and_does_not_run(tmp_path):
    proof = tmp_path / "ran"

    class Harmless:
        def __reduce__(self):
            return os.mkdir, (str(proof),)

    plain, zipped = tmp_path / "plain.ckpt", tmp_path / "zipped.ckpt"
    plain.write_bytes(pickle.dumps({"main.0.weight": Harmless()}))
    torch.save({"main.0.weight": Harmless()}, zipped)
    for path in (plain, zipped):
        with pytest.raises(CheckpointError, match="run code while loading"):
            read_checkpoint(path)
    assert not proof.exists()


def test_foreign_keys_and_shapes_are_listed(tmp_path, official):
    official["attention.weight"] = official.pop("main.17.weight")  # the last layer of this two-block network
    official["main.1.bias"] = torch.zeros(9)
    path = tmp_path / "foreign.ckpt"
    torch.save(official, path)
    with pytest.raises(CheckpointError) as caught:
        StarGAN.from_checkpoint(path)
    message = str(caught.value)
    assert "missing keys: main.17.weight;" in message
    assert "unexpected keys: attention.weight;" in message
    assert "wrong shapes: main.1.bias is (9,), not (4,)" in message


def _garbage(path):
    path.write_bytes(b"\x80\x02garbage" * 100)


def _empty(path):
    path.write_bytes(b"")


def _text(path):
    path.write_text("<html>404</html>")


def _truncated(path):
    torch.save({"main.0.weight": torch.randn(500)}, path)
    path.write_bytes(path.read_bytes()[:900])


def _zip_of_something(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def _list(path):
    torch.save([torch.zeros(3)], path)


def _numbers(path):
    torch.save({"step": 3, "main.0.weight": torch.zeros(3)}, path)


def _nan(path):
    torch.save({"main.0.weight": torch.tensor([1.0, float("nan")])}, path)


def _expanded(path):
    torch.save({"main.0.weight": torch.zeros(1).expand(1 << 40)}, path)


@pytest.mark.parametrize(
    "write",
    [_garbage, _empty, _text, _truncated, _zip_of_something, _list, _numbers, _nan, _expanded],
    ids=lambda write: write.__name__,
)
@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_anything_else_is_refused(tmp_path, write, suffix):
    path = tmp_path / f"file{suffix}"
    write(path)
    with pytest.raises(CheckpointError, match="file"):
        read_checkpoint(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    for path in (tmp_path / "none.ckpt", tmp_path):
        with pytest.raises(CheckpointError, match="no checkpoint file"):
            read_checkpoint(path)


def test_too_large_files_and_zip_bombs_are_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "MAX_BYTES", 1 << 20)
    large, bomb = tmp_path / "large.ckpt", tmp_path / "bomb.ckpt"
    large.write_bytes(bytes(2 << 20))
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(64 << 20))
    assert bomb.stat().st_size < 1 << 20
    for path in (large, bomb):
        with pytest.raises(CheckpointError, match="at most 1 MiB"):
            read_checkpoint(path)


def test_card_of_another_file_or_of_nothing_is_refused(tmp_path, generator):
    path, card = tmp_path / "a.safetensors", tmp_path / "a.json"
    save_checkpoint(generator, path)
    record = json.loads(card.read_text())
    card.write_text(json.dumps(record | {"sha256": "0" * 64}))
    with pytest.raises(CheckpointError, match="not the file that"):
        read_checkpoint(path)
    card.write_text(json.dumps(record | {"card": {"name": 3}}))
    with pytest.raises(CheckpointError, match="no card"):
        read_checkpoint(path)
    card.unlink()
    with pytest.raises(CheckpointError, match="needs its card"):
        read_checkpoint(path)


def test_another_models_checkpoint_is_refused(tmp_path, generator):
    path = tmp_path / "other.safetensors"
    save_checkpoint(generator, path)
    card = path.with_suffix(".json")
    card.write_text(card.read_text().replace('"name": "stargan"', '"name": "sargan"'))
    with pytest.raises(CheckpointError, match="holds 'sargan', not 'stargan'"):
        StarGAN.from_checkpoint(path)


def test_shipped_model_loads_and_is_small():
    generator = StarGAN.default()
    file = Path(str(files("fesbench.baselines"))) / "shipped" / "stargan.safetensors"
    assert file.stat().st_size <= 3_000_000
    assert generator.card.supervision == "unpaired"
    assert set(generator.card.expressions) == set(FOLDER_ORDER[7])
