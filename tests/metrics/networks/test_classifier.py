"""A classifier of one's own: trained by the command, used under its name, honest about what it reaches."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from fesbench.core.errors import CheckpointError, DatasetError, SpecError, UnknownName
from fesbench.datasets.registry import load_dataset
from fesbench.metrics.networks.classifier import TrainedClassifier, build
from fesbench.metrics.registry import load_metric, metric_id, metric_names
from fesbench.runs.independence import refuse_training_subjects
from fesbench.runs.models import load_scorer
from fesbench.runs.plan import make_plan, resolve
from fesbench.runs.spec import RunSpec
from fesbench.training.networks.classifier import (
    LabelledImages,
    Recipe,
    initial,
    load_labelled,
    measure,
    train,
)

pytest.importorskip("torchvision", reason="needs the extra 'paper'")
LABELS = {"neutral": (40, 90, 160), "happy": (200, 170, 60), "sad": (60, 160, 70)}


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    """Thirty subjects whose expression is told by the colour of noise."""
    folder = tmp_path_factory.mktemp("coloured")
    noise = np.random.default_rng(0)
    for expression, colour in LABELS.items():
        (folder / expression).mkdir()
        for subject in range(30):
            pixels = noise.normal(colour, 25, (32, 32, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / expression / f"s{subject:02}.png")
    return folder


@pytest.fixture(scope="module")
def weights(call_bench, coloured, tmp_path_factory):
    """A weights folder into which the command put a classifier."""
    folder = tmp_path_factory.mktemp("weights")
    what = ("--data", coloured, "--name", "mine", "--steps", 20, "--side", 32)
    done = call_bench("train-classifier", *what, FESBENCH_WEIGHTS=str(folder))
    assert "ecs@mine" in done.stderr
    return folder


def test_it_is_a_metric_under_its_name_with_its_ceiling(weights, coloured, monkeypatch):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights))
    assert "ecs@mine" in metric_names()
    metric = load_metric("ecs@mine")
    assert metric.labels == ("neutral", "happy", "sad")
    card = json.loads((weights / "classifiers" / "mine.json").read_text())
    assert f"{card['held_out']['accuracy']:.1%}" in metric.card.meaning
    assert metric.networks[0].card.digest == card["sha256"]
    with pytest.raises(UnknownName, match="ecs@mine"):
        metric_id("ecs@mime", "embedded")


def test_it_is_measured_on_subjects_that_it_has_not_seen(weights, coloured):
    card = json.loads((weights / "classifiers" / "mine.json").read_text())
    test = load_dataset(coloured, "test")
    unseen = {sample.subject for sample in test.samples()}
    assert not unseen & set(card["data"]["subjects"])
    assert card["held_out"]["subjects"] == len(unseen)
    assert sum(map(sum, card["held_out"]["confusion"])) == card["held_out"]["images"] == 3 * len(unseen)
    network = TrainedClassifier(weights / "classifiers" / "mine.json")
    labelled = load_labelled(test, 32, network.card.labels)
    found = network(labelled.images)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    assert (found.argmax(1) == labelled.targets).mean() == pytest.approx(card["held_out"]["accuracy"])


def test_it_may_not_judge_the_people_that_it_learned_from(weights, coloured, monkeypatch):
    monkeypatch.setenv("FESBENCH_WEIGHTS", str(weights))
    plan = make_plan(resolve(RunSpec(models=("copy",), data=(str(coloured),), metrics=("ecs@mine",))))
    scorer, unavailable = load_scorer(plan.spec, "cpu")
    assert not unavailable
    card = json.loads((weights / "classifiers" / "mine.json").read_text())
    taught = len(card["data"]["subjects"])
    with pytest.raises(SpecError, match=f"classifier-mine learned from {taught} of the subjects"):
        refuse_training_subjects(scorer, plan.datasets)


def test_measures_by_hand():
    class Always(torch.nn.Module):
        def forward(self, images):
            return torch.tensor([[0.0, 1.0]]).repeat(len(images), 1)

    images = np.zeros((5, 8, 8, 3), np.uint8)
    found = measure(Always(), LabelledImages(images, np.array([0, 1, 1, 1, 1]), ("neutral", "happy"), 3))
    assert (found["accuracy"], found["macro"]) == (0.8, 0.5)
    assert found["confusion"] == [[0, 1], [0, 4]]


def test_the_same_seed_gives_the_same_classifier(coloured):
    data = load_labelled(load_dataset(coloured, "train"), 32)
    first, second = (train(data, Recipe(side=32, steps=2), lambda line: None) for _ in range(2))
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_it_may_begin_from_a_torchvision_file(tmp_path):
    torch.save(build("resnet18", 1000).state_dict(), tmp_path / "imagenet.pth")
    given = torch.load(tmp_path / "imagenet.pth", weights_only=True)
    begun = initial(Recipe(init=str(tmp_path / "imagenet.pth")), 7)
    assert torch.equal(begun.state_dict()["conv1.weight"], given["conv1.weight"])
    assert begun.fc.out_features == 7
    with pytest.raises(CheckpointError, match="no resnet34"):
        initial(Recipe("resnet34", str(tmp_path / "imagenet.pth")), 7)


def test_one_expression_is_not_enough(coloured, tmp_path):
    one = tmp_path / "one" / "happy"
    one.mkdir(parents=True)
    for path in (coloured / "happy").iterdir():
        (one / path.name).write_bytes(path.read_bytes())
    with pytest.raises(DatasetError, match=r"shows fewer than two expressions \(happy\)"):
        load_labelled(load_dataset(one.parent, "train"), 32)


def test_weights_that_are_not_the_card_s_are_refused(weights, tmp_path):
    for path in (weights / "classifiers").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "mine.safetensors").open("ab") as file:
        file.write(b"more")
    with pytest.raises(CheckpointError, match=r"not the file that mine\.json describes"):
        TrainedClassifier(tmp_path / "mine.json")
    (tmp_path / "mine.json").write_text("{}")
    with pytest.raises(CheckpointError, match="it lacks backbone"):
        TrainedClassifier(tmp_path / "mine.json")
