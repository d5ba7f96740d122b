"""Image sizes of a training are limited by the model alone."""

import pytest

import fesbench
from fesbench.core.errors import SpecError
from fesbench.generators.hyperparameters import Settings
from fesbench.generators.registry import GENERATORS
from fesbench.training.sizes import check_training_size


@pytest.mark.parametrize(
    ("name", "size", "nearest"),
    [
        ("stargan", 50, "48 or 52"),
        ("degan", 47, "44 or 48"),
        ("stgan", 60, "56 or 64"),
        ("attgan", 100, "96 or 112"),
        ("reggan", 50, "48 or 52"),
    ],
)
def test_a_size_that_a_model_cannot_take_is_refused_with_the_nearest(name, size, nearest):
    with pytest.raises(SpecError, match=f"{name} cannot be trained on .* {size} x {size} .*; take {nearest}"):
        check_training_size(GENERATORS.load(name), Settings(resolution=size))


@pytest.mark.parametrize(("name", "size"), [("stargan", 48), ("stgan", 48), ("reggan", 40)])
def test_a_size_that_is_no_power_of_two_trains(faces, tmp_path, name, size):
    settings = {"width": 4, "discriminator_width": 4, "batch_size": 2, "precision": "float32"}
    found = fesbench.train(name, str(faces), config=settings, steps=1, resolution=size, out=tmp_path / "out")
    card = fesbench.load_generator(name, found.trainings[0].checkpoint).card
    assert card.resolution in (size, None)
