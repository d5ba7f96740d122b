from dataclasses import replace

import numpy as np
import pytest
import torch

from fesbench.core.contracts import (
    Dataset,
    FeatureExtractor,
    FeatureExtractorCard,
    MetricCard,
    Sample,
    SetMetric,
)
from fesbench.core.errors import ImageError
from fesbench.datasets.loading import ImageLoader
from fesbench.runs.plan import INPUTS_TOO, DatasetPlan
from fesbench.runs.scores.references import domain_references
from fesbench.scoring.scorer import Scorer

SIDE = 32


class Texture(FeatureExtractor):
    """Mean and roughness of each channel: sees blur, and too little variety."""

    card = FeatureExtractorCard("texture", "test", "", "none", 6)

    def features(self, images):
        scaled = images.float() / 255
        return torch.cat([scaled.mean((2, 3)), scaled.diff(dim=3).abs().mean((2, 3))], dim=1)


class Distance(SetMetric):
    card = MetricCard("distance", "Distance", "lower", 0.0, float("inf"), "", "")
    network = Texture()

    def compute(self, outputs, references):
        shift = outputs.mean(0) - references.mean(0)
        spread = outputs.std(0) - references.std(0)
        return float(1e3 * (shift @ shift + spread @ spread))


def draw(seed):
    return np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3), np.uint8)


def refuse():
    raise ImageError("torn")


def photo(subject, expression, domain="studio"):
    seed = sum(map(ord, subject + str(expression)))
    return Sample(f"{domain}-{subject}-{expression}", subject, expression, domain, lambda: draw(seed))


class People(Dataset):
    name, split, expressions = "people", "test", ("neutral", "happy")
    digest = "0" * 64

    def __init__(self, samples, others=()):
        self.shown, self.others = samples, others

    def samples(self):
        return self.shown

    def references(self):
        return self.others


def plan_of(dataset):
    return DatasetPlan("people", dataset, "split", "people", dataset)


def pairs(count, domain="studio"):
    return [photo(f"p{i}", name, domain) for i in range(count) for name in ("neutral", "happy")]


def references_of(dataset):
    return domain_references(plan_of(dataset), Scorer([], [Distance()], SIDE), ImageLoader(0))


OTHERS = [photo(f"q{i}", "happy") for i in range(30)]


def test_references_are_of_other_subjects_then_true_targets_then_whatever_there_is():
    flat = [photo(f"f{i}", None, "statue") for i in range(3)]
    labelled = pairs(4, "portrait")
    known = plan_of(People([*pairs(20), *labelled, *flat], OTHERS)).references
    assert known["studio"].label == "real images of other subjects"
    assert {sample.subject for sample in known["studio"].held_out} == {f"p{i}" for i in range(20)}
    assert known["portrait"].label == "true targets of the same subjects"
    assert {sample.expression for sample in known["portrait"].samples} == {"happy"}
    assert known["statue"].label == INPUTS_TOO
    assert list(known["statue"].samples) == flat
    assert not known["portrait"].held_out
    assert not known["statue"].held_out


def test_true_targets_calibrate_against_all_references():
    found = references_of(People(pairs(20), OTHERS))["studio"].calibration(Distance())
    assert (found.images, found.references) == (20, 30)
    assert found.fit_to_rank, found


def test_without_them_some_references_are_held_out_whole_subjects_at_a_time():
    references = references_of(People(pairs(60)))["studio"]
    assert len(references.features["texture"]) == 60
    found = references.calibration(Distance())
    assert (found.images, found.references) == (30, 30)
    assert set(found.gaps) == {"blurred", "collapsed"}


def test_images_that_cannot_be_loaded_are_left_out():
    torn = [replace(sample, load=refuse) for sample in OTHERS]
    assert len(references_of(People(pairs(20), [*torn[:5], *OTHERS[5:]]))["studio"].features["texture"]) == 25
    assert references_of(People(pairs(20), torn)) == {}


@pytest.mark.parametrize("count", [1, 3])
def test_few_references_are_kept_and_the_reason_given(count):
    found = references_of(People([photo(f"f{i}", None) for i in range(count)]))["studio"]
    assert len(found.features["texture"]) == count
    assert "too few" in found.calibration(Distance()).verdict
