"""The metric suite: those that ship pass it, every kind of broken one is caught."""

from dataclasses import replace

import numpy as np
import pytest

from fesbench.core.contracts import FeatureExtractor, FeatureExtractorCard, ImageMetric, MetricCard, SetMetric
from fesbench.metrics.registry import BACKENDS, load_metric
from fesbench.testing.findings import ConformanceError
from fesbench.testing.metrics import check_metric


@pytest.mark.parametrize("name", ["fidelity", *BACKENDS["embedded"].values()])
def test_ours_keep_the_contract(name):
    assert all(finding.problem is None for finding in check_metric(load_metric(name)))


class Means(FeatureExtractor):
    """Mean colour as features."""

    card = FeatureExtractorCard("means", "test", "0" * 64, "none-1", dimension=3)

    def features(self, images):
        return images.float().mean((2, 3)) / 255


CARD = MetricCard("brightness", "Brightness", "higher", 0, 1, "", "How bright it is.", columns=("bright",))


class Brightness(ImageMetric):
    card = CARD
    networks = (Means(),)

    def score(self, batch):
        return {"bright": batch.features["means"]["output"].mean(1).astype(np.float64)}


class MissingColumn(Brightness):
    card = replace(CARD, columns=("bright", "dark"))


class Percent(Brightness):
    def score(self, batch):
        return {"bright": 100 * super().score(batch)["bright"]}


class Single(Brightness):
    def score(self, batch):
        return {"bright": super().score(batch)["bright"].astype(np.float32)}


class RankInBatch(Brightness):
    def score(self, batch):
        scores = super().score(batch)["bright"]
        return {"bright": scores / scores.max()}


class Positional(Brightness):
    def score(self, batch):
        return {"bright": np.arange(len(batch.edits)) / 10}


class Distance(SetMetric):
    card = replace(CARD, id="distance", high=float("inf"), columns=())
    network = Means()

    def compute(self, outputs, references):
        return float(np.abs(outputs.mean(0) - references.mean(0)).sum())


class Negative(Distance):
    def compute(self, outputs, references):
        return -1 - super().compute(outputs, references)


class FirstOnly(Distance):
    def compute(self, outputs, references):
        return float(np.abs(outputs[0] - references[0]).sum())


class NotANumber(Distance):
    def compute(self, outputs, references):
        return float("nan")


class Cardless(Distance):
    card = replace(CARD, meaning="", high=0)


@pytest.mark.parametrize("kind", [Brightness, Distance])
def test_good_metrics_pass(kind):
    assert all(finding.problem is None for finding in check_metric(kind()))


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (MissingColumn, "columns and range"),
        (Percent, "columns and range"),
        (Single, "columns and range"),
        (RankInBatch, "independent of the batch"),
        (Positional, "independent of order"),
        (Negative, "range"),
        (NotANumber, "range"),
        (FirstOnly, "independent of order"),
        (Cardless, "card is filled in"),
    ],
)
def test_broken_metrics_are_caught(kind, check):
    with pytest.raises(ConformanceError) as caught:
        check_metric(kind())
    assert check in [finding.check for finding in caught.value.findings if finding.problem]
