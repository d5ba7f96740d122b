"""``bench train-classifier`` in the same process, on colours in the place of expressions."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fesbench.cli import cli
from fesbench.core.errors import DatasetError
from fesbench.datasets.registry import load_dataset
from fesbench.training.networks.classifier import Recipe, load_labelled, train, train_classifier

pytest.importorskip("torchvision", reason="needs the extra 'paper'")
COLOURS = {"happy": (200, 170, 60), "neutral": (40, 90, 160)}


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Twenty subjects whose expression decides the colour."""
    folder = tmp_path_factory.mktemp("coloured")
    for expression, colour in COLOURS.items():
        (folder / expression).mkdir()
        for subject in range(20):
            pixels = np.full((32, 32, 3), colour, np.uint8) + np.uint8(subject)
            Image.fromarray(pixels).save(folder / expression / f"s{subject:02}.png")
    return folder


def test_the_command_writes_a_classifier_and_shows_its_errors(coloured, tmp_path):
    arguments = [
        "--data",
        str(coloured),
        "--steps",
        "4",
        "--side",
        "32",
        "--name",
        "mine",
        "--out",
        str(tmp_path),
    ]
    result = CliRunner().invoke(cli, ["train-classifier", *arguments])
    assert result.exit_code == 0, result.output
    card = json.loads((tmp_path / "mine.json").read_text())
    assert (tmp_path / "mine.safetensors").is_file()
    assert card["labels"] == ["neutral", "happy"]
    assert card["training"]["steps"] == 4
    assert "as a metric: ecs@mine" in result.stderr
    assert f"{len(card['data']['subjects'])} subjects, 2 expressions" in result.stderr
    for label, row in zip(card["labels"], card["held_out"]["confusion"], strict=True):
        assert [label, *map(str, row)] == [
            word for line in result.stdout.splitlines() if f" {label} " in line and "shown" not in line
            for word in line.replace("│", " ").split()
        ]  # fmt: skip


def test_the_result_names_the_metric_and_what_it_reaches(coloured, tmp_path):
    lines = []
    made = train_classifier(
        str(coloured), Recipe(side=32, steps=1, batch=2), out=tmp_path, report=lines.append
    )
    name = f"{coloured.name}-resnet18"
    assert made.metric == f"ecs@{name}"
    assert made.card == tmp_path / f"{name}.json"
    assert made.held_out["per_expression"].keys() == set(made.labels) == set(COLOURS)
    assert lines[1].startswith("step 0 of 1, loss ")


def test_a_budget_ends_training_before_the_last_step(coloured):
    data = load_labelled(load_dataset(coloured, "train"), 32)
    lines = []
    module = train(data, Recipe(side=32, steps=10**6, batch=2, budget=1e-3), lines.append)
    assert len(lines) <= 1
    assert not module.training


def test_images_without_a_wanted_expression_are_left_out(coloured):
    with pytest.raises(DatasetError, match=r"fewer than two expressions \(happy\)"):
        load_labelled(load_dataset(coloured, "train"), 32, ("happy", "sad"))
