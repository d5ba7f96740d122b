"""The shipped weights and their cards, which the trainer wrote."""

import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from fesbench.weights.tensors import read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = Path(str(files("fesbench.baselines"))) / "shipped"
EARLIER = {"degan", "ganimation", "reggan", "usgan"}
"""Models with weights of protocol v1, whose cards name commits that they were not trained from."""


def git(*arguments):
    done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.safetensors")), ids=lambda path: path.stem)
def test_weights_and_card_belong_together(path):
    checkpoint = read_checkpoint(path)  # refuses weights of another digest than the card's
    assert checkpoint.card.name == path.stem
    assert checkpoint.training["steps"] > 0
    assert checkpoint.card.guided_by


@pytest.mark.parametrize(
    "path",
    [path for path in sorted(SHIPPED.glob("*.safetensors")) if path.stem not in EARLIER],
    ids=lambda path: path.stem,
)
def test_the_card_names_the_clean_commits_of_the_training(path):
    training = read_checkpoint(path).training
    assert training["protocol"] == "embedded-v2"
    assert training["departures"] == {}
    assert training["dirty"] is False
    assert {"candidates", "by"} <= training["selection"].keys()
    if git("rev-parse", "--is-shallow-repository") != "false":
        return  # no history to look the commits up in
    for part in training["commits"]:
        assert git("cat-file", "-t", part["commit"]) == "commit"
        trained = git("rev-parse", f"{part['commit']}:baselines/shipped/{path.name}")
        assert trained != git("hash-object", str(path)), "the commit holds the weights that it trained"
