"""A judge that knows the test's faces or raised the model under test is refused; what is unknown is said."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from torch import Tensor

from fesbench.core.contracts import (
    Dataset,
    Edit,
    FeatureExtractor,
    FeatureExtractorCard,
    GeneratorCard,
    Sample,
)
from fesbench.core.errors import SpecError
from fesbench.datasets.rendered.dataset import RenderedDataset
from fesbench.metrics.ecs import ExpressionConsistency
from fesbench.metrics.frechet import FrechetDistance
from fesbench.metrics.networks import embedded
from fesbench.metrics.registry import load_metric
from fesbench.runs.independence import (
    refuse_training_networks,
    refuse_training_subjects,
    unknown_independence,
)
from fesbench.runs.plan import DatasetPlan
from fesbench.scoring.scorer import Scorer


class People(Dataset):
    """Neutral and happy photos of a few people."""

    expressions = ("neutral", "happy")

    def __init__(self, name: str, *subjects: str) -> None:
        self.name, self.split, self._subjects = name, "test", subjects

    def samples(self) -> list[Sample]:
        return [
            Sample(f"{who}-{shown}", who, shown, "studio", lambda: np.zeros((8, 8, 3), np.uint8))
            for who in self._subjects
            for shown in self.expressions
        ]

    @property
    def digest(self) -> str:
        return f"digest of {', '.join(self._subjects)}"


class Judge(FeatureExtractor):
    def __init__(self, learned_from: Mapping[str, frozenset[str]] | None) -> None:
        self.card = FeatureExtractorCard("judge", "test", "0123", "none", 2, labels=("happy", "sad"))
        self.learned_from = learned_from

    def features(self, images: Tensor) -> Tensor:
        raise NotImplementedError


def scorer(learned_from: Mapping[str, frozenset[str]] | None) -> Scorer:
    return Scorer([ExpressionConsistency(Judge(learned_from), "test")], [], 8)


def plan(name: str = "cfee", train: str = "else") -> DatasetPlan:
    return DatasetPlan(name, People(name, "ann", "bob"), "split", name, People(name, train))


@pytest.mark.parametrize("key", ["cfee", "digest of else"])
def test_a_judge_that_learned_from_test_subjects_is_refused_by_name_or_content(key: str) -> None:
    with pytest.raises(SpecError, match=r"learned from 1 of the subjects that cfee tests \(bob\).*--metric"):
        refuse_training_subjects(scorer({key: frozenset({"bob", "eve"})}), [plan()])


def test_a_namesake_in_another_data_set_is_somebody_else() -> None:
    refuse_training_subjects(scorer({"kdef": frozenset({"bob"})}), [plan()])
    refuse_training_subjects(scorer({"cfee": frozenset({"eve"})}), [plan()])


@pytest.mark.parametrize("guide", ["judge", "0123"])
def test_a_judge_that_guided_a_generator_is_refused(guide: str) -> None:
    cards = [GeneratorCard("honest", "", guided_by=()), GeneratorCard("pupil", "", guided_by=(guide,))]
    with pytest.raises(SpecError, match=r"judge \(ecs@test\) took part in training pupil .*--metric"):
        refuse_training_networks(scorer({}), cards)
    refuse_training_networks(scorer({}), cards[:1])


def test_a_network_of_set_metrics_that_guided_a_generator_is_refused_too() -> None:
    only_sets = Scorer([], [FrechetDistance(Judge({}), "test")], 8)
    with pytest.raises(SpecError, match=r"judge \(fid@test\) took part in training pupil "):
        refuse_training_networks(only_sets, [GeneratorCard("pupil", "", guided_by=("judge",))])


def test_what_nobody_recorded_is_said_and_refused_by_nobody() -> None:
    cards = [GeneratorCard("mine", "My GAN"), GeneratorCard("copy", "Input", guided_by=())]
    refuse_training_networks(scorer(None), cards)
    refuse_training_subjects(scorer(None), [plan()])
    first, second = unknown_independence(scorer(None), [plan()], cards)
    assert first == "Unknown: whether judge learned from subjects of cfee."
    assert second == "Unknown: whether judge took part in making My GAN."
    assert not list(unknown_independence(scorer({}), [plan()], cards[1:]))


def test_the_shipped_models_do_not_meet_the_judge_that_chose_their_settings() -> None:
    from fesbench.generators.registry import load_generator

    cards = [load_generator(name).card for name in ("reggan", "stargan")]
    assert all(card.guided_by is not None for card in cards)
    final = Scorer([load_metric("ecs@embedded")], [], 64)  # type: ignore[list-item]
    refuse_training_networks(final, cards)
    development = Scorer([load_metric("ecs@embedded-judge1")], [], 64)  # type: ignore[list-item]
    with pytest.raises(SpecError, match=r"embedded-judge1 .* reggan"):
        refuse_training_networks(development, cards)


def test_the_embedded_judges_know_whom_they_learned_from() -> None:
    known = embedded.load("judge2").learned_from
    assert known is not None
    taught = {sample.subject for sample in RenderedDataset("judge", ("statue",), subjects=200).samples()}
    assert len(taught & known["rendered"]) == 200 - embedded.card("judge2")["data"]["subjects_per_domain"][0]
    assert not {sample.subject for sample in RenderedDataset("test").samples()} & known["rendered"]


def test_the_ceiling_counts_each_true_target_once_and_leaves_out_what_the_judge_cannot_name() -> None:
    judge = ExpressionConsistency(Judge({}), "test")
    seen = {"a": (0.9, 0.1), "b": (0.2, 0.8), "c": (0.3, 0.7), "d": (0.6, 0.4)}
    targets = {"a": "happy", "b": "happy", "c": "sad", "d": "surprised"}
    truths = {
        name: (Edit(People("x", name).samples()[0], targets[name]), np.array(seen[name], np.float32))
        for name in seen
    }
    found = judge.ceiling(truths)
    assert (found.images, found.subjects) == (3, 3)
    assert (found.accuracy, found.macro) == (pytest.approx(2 / 3), pytest.approx((1 / 2 + 1) / 2))
    assert found.confusion == {"happy": [1, 1], "sad": [0, 1]}
    assert np.isnan(judge.ceiling({}).accuracy)
