"""Models trained in folds, and the list that a run takes as their checkpoint."""

import json
from dataclasses import replace

import pytest
import torch

from fesbench.baselines.stargan import StarGAN, StarGANNetwork
from fesbench.core.errors import BenchError, CheckpointError
from fesbench.generators.checkpoints import save_checkpoint
from fesbench.generators.cross_trained import read_folds, write_folds
from fesbench.generators.registry import load_model


@pytest.fixture
def listed(tmp_path):
    """Two checkpoints, and the list that names them."""
    checkpoints = {}
    for number in range(2):
        torch.manual_seed(number)
        generator = StarGAN(StarGANNetwork(2, 2, 1), ("neutral", "happy"), 16)
        checkpoints[f"digest {number}"] = tmp_path / f"fold-{number}" / "stargan.safetensors"
        checkpoints[f"digest {number}"].parent.mkdir()
        generator.card = replace(generator.card, trained_on=f"faces (all but fold {number} of 2, studio)")
        save_checkpoint(generator, checkpoints[f"digest {number}"])
    path = tmp_path / "stargan.folds.json"
    write_folds(path, "faces", checkpoints)
    return path


class Part:
    name, split = "faces", "all"

    def __init__(self, digest):
        self.digest = digest


def test_each_part_of_the_data_finds_the_generator_that_learned_from_it(listed):
    model = load_model("stargan", listed)
    assert model.card.trained_on == "faces, 2 subject-disjoint folds"
    for number in range(2):
        found = model.trained_on(Part(f"digest {number}"))
        assert found.card.trained_on.startswith(f"faces (all but fold {number}")
    with pytest.raises(BenchError, match="none of them is"):
        model.trained_on(Part("other people"))


def test_two_networks_that_saw_the_same_people_are_refused(listed):
    with pytest.raises(CheckpointError, match="saw the same people"):
        read_folds(changed(listed, data_digest="digest 1"), StarGAN)


def changed(path, **fields):
    content = json.loads(path.read_text())
    content["folds"][0] |= fields
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"checkpoint": "../elsewhere.safetensors"}, "outside its folder"),
        ({"checkpoint": "fold-9/stargan.safetensors"}, "missing or not the file"),
        ({"sha256": "0"}, "missing or not the file"),
        ({"sha256": None}, "no list of folds"),
    ],
)
def test_a_list_names_its_own_files_and_no_others(listed, fields, message):
    with pytest.raises(CheckpointError, match=message):
        read_folds(changed(listed, **fields), StarGAN.from_checkpoint)


def test_a_list_without_folds_is_refused(tmp_path):
    path = tmp_path / "stargan.folds.json"
    path.write_text('{"data": "faces", "folds": []}')
    with pytest.raises(CheckpointError, match="lists no folds"):
        read_folds(path, StarGAN.from_checkpoint)
