"""The shipped networks, measured afresh on subjects of the judge split beyond all that made them."""

import json
import shutil

import numpy as np
import pytest
import torch

from fesbench.core.errors import CheckpointError
from fesbench.datasets.rendered import DOMAINS, EXPRESSIONS
from fesbench.metrics.networks import embedded
from fesbench.training.networks import embedded as workshop
from fesbench.training.networks import evaluation as measure
from fesbench.training.networks.rendered_faces import Faces

FRESH = range(1100, 1110)
ECS_FLOOR = dict.fromkeys(DOMAINS, 0.97) | {"statue": 0.95}
AUC_FLOOR = dict.fromkeys(DOMAINS, 0.95) | {"statue": 0.85}
CHANCE = 0.03
"""What ten subjects may lie below a floor by chance."""


@pytest.fixture(scope="session")
def fresh():
    """Every expression of ten subjects in each domain, each in a scene of its own, at 128 px."""
    places = [(d, s, p) for d in range(len(DOMAINS)) for s in FRESH for p in range(len(EXPRESSIONS))]
    photos = [workshop.photo(place, len(EXPRESSIONS), seed=0) for place in places]
    return Faces(
        np.stack([one.image for one in photos]),
        np.array([one.subject for one in photos]),
        np.array([domain for domain, *_ in places]),
        np.array([one.expression for one in photos]),
    )


def test_fresh_subjects_are_outside_all_portions():
    assert min(FRESH) >= max(portion.stop for portion in workshop.PORTIONS.values())


@pytest.mark.parametrize("judge", ["judge1", "judge2"])
def test_judges_hold_their_floors(judge, fresh):
    reached = measure.accuracy(embedded.load(judge), fresh)
    assert all(reached[d] >= ECS_FLOOR[name] - CHANCE for d, name in enumerate(DOMAINS)), reached


@pytest.mark.parametrize("judge", ["judge1", "judge2"])
def test_cards_of_judges_state_the_floors_as_reached(judge):
    accuracy = embedded.card(judge)["reached"]["accuracy"]
    assert all(accuracy[name] >= floor for name, floor in ECS_FLOOR.items()), accuracy


def test_the_identity_network_holds_its_floors(fresh):
    reached = measure.identity(embedded.load("identity"), fresh)
    assert all(reached[d]["auc"] >= AUC_FLOOR[name] - CHANCE for d, name in enumerate(DOMAINS)), reached


def test_the_card_of_the_identity_network_states_the_floors_as_reached():
    reached = embedded.card("identity")["reached"]
    assert all(reached[name]["auc"] >= floor for name, floor in AUC_FLOOR.items()), reached


@pytest.mark.parametrize("kind", ["blur", "noise", "jpeg"])
def test_quality_falls_with_every_step_of_degradation(kind, fresh):
    some = fresh.where(np.arange(0, len(fresh), 7))
    ladder = measure.quality_ladders(embedded.load("quality"), some)[kind]
    assert all(np.diff(ladder) < 0), ladder
    assert ladder[0] - ladder[-1] > 0.5


@pytest.mark.parametrize("name", list(embedded.ARCHITECTURES))
def test_features_do_not_depend_on_the_batch(name, fresh):
    network, images = embedded.load(name), torch.from_numpy(fresh.images[::29].copy())
    together = network.features(images)
    alone = torch.cat([network.features(image[None]) for image in images])
    torch.testing.assert_close(alone, together, rtol=0, atol=1e-5)
    assert together.shape == (len(images), network.card.dimension)
    assert together.dtype == torch.float32


@pytest.mark.parametrize("name", list(embedded.ARCHITECTURES))
def test_fusing_changes_nothing(name):
    torch.manual_seed(0)
    module = embedded.build(name).train()
    images = torch.rand(16, 3, embedded.SIDES[name], embedded.SIDES[name])
    module(images)
    before = module.eval()(images)
    torch.testing.assert_close(embedded.folded(module)(images), before, rtol=1e-4, atol=1e-5)


def test_judges_give_probabilities_of_their_labels(fresh):
    network = embedded.load("judge2")
    probabilities = network.features(torch.from_numpy(fresh.images[:5].copy()))
    torch.testing.assert_close(probabilities.sum(1), torch.ones(5))
    assert network.card.labels == EXPRESSIONS


def test_any_size_is_averaged_to_the_input_size(fresh):
    small = torch.from_numpy(np.stack([workshop.halved(image) for image in fresh.images[:3]]))
    large = torch.from_numpy(fresh.images[:3].copy())
    network = embedded.load("identity")
    torch.testing.assert_close(network.features(small), network.features(large), rtol=0, atol=0.02)


def test_all_weights_together_stay_small():
    assert sum(path.stat().st_size for path in embedded.WEIGHTS.iterdir()) < 5_000_000


def test_a_file_that_is_not_the_card_s_is_refused(tmp_path):
    for path in embedded.WEIGHTS.glob("quality.*"):
        shutil.copy(path, tmp_path)
    weights = tmp_path / "quality.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match=r"quality\.json"):
        embedded.load("quality", tmp_path)


def test_weights_of_another_network_are_refused(tmp_path):
    card = json.loads((embedded.WEIGHTS / "judge2.json").read_text("utf-8"))
    shutil.copy(embedded.WEIGHTS / "judge2.safetensors", tmp_path / "judge1.safetensors")
    (tmp_path / "judge1.json").write_text(json.dumps(card), "utf-8")
    with pytest.raises(CheckpointError, match="architecture of judge1"):
        embedded.load("judge1", tmp_path)


def test_missing_weights_say_how_to_get_them(tmp_path):
    with pytest.raises(CheckpointError, match="bench train-nets"):
        embedded.load("judge1", tmp_path)
