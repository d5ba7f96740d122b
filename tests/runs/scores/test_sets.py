"""Scores of sets and their differences, from the outputs of models that share edits."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fesbench.core.contracts import FeatureExtractor, FeatureExtractorCard
from fesbench.metrics.frechet import FrechetDistance, Gaussian, frechet_distance
from fesbench.metrics.kid import KernelDistance, kernel_distance
from fesbench.runs.plan import INPUTS_TOO, ReferenceSet
from fesbench.runs.scores.references import DomainReferences
from fesbench.runs.scores.sets import AMONG_REFERENCES, set_results
from fesbench.scoring.score_rows import SCORES
from fesbench.scoring.scorer import Scorer
from fesbench.scoring.sets import set_score
from fesbench.statistics import summarise
from fesbench.statistics.measures import OUTPUT

SUBJECTS, EACH, D = 12, 3, 6
N = SUBJECTS * EACH


class Given(FeatureExtractor):
    card = FeatureExtractorCard("given", "test", "", "none", D)

    def features(self, images):
        raise NotImplementedError


class Stored:
    """Features where a run's store has them: one shard."""

    def __init__(self, outputs):
        self.outputs = outputs

    def read_features(self, generator, dataset, shard):
        found = self.outputs[generator]
        return {} if found is None else {"given": found}


def sample(seed, n=N, scale=1.0, shift=0.0):
    return (np.random.default_rng(seed).standard_normal((n, D)) * scale + shift).astype(np.float32)


def cells_of(names, label="real images of other subjects"):
    edits = [
        SimpleNamespace(source=SimpleNamespace(subject=f"s{i // EACH}", domain="studio")) for i in range(N)
    ]
    plan = SimpleNamespace(
        name="set",
        edits=edits,
        shards=[edits],
        references={"studio": ReferenceSet(label, ())},
        dataset=SimpleNamespace(domains=("studio",)),
    )
    return [SimpleNamespace(dataset=plan, card=SimpleNamespace(name=name)) for name in names]


REAL = sample(0, 60)
SCORER = Scorer([], [FrechetDistance(Given(), "test"), KernelDistance(Given(), "test")], 32)


def results(outputs, **options):
    references = {"set": {"studio": DomainReferences({"given": REAL}, None)}}
    return set_results(Stored(outputs), cells_of(outputs, **options), SCORER, references)


def row(frame, **where):
    for name, value in where.items():
        frame = frame[frame[name] == value]
    (found,) = frame.to_dict("records")
    return found


@pytest.fixture(scope="module")
def outputs():
    common = sample(1)
    return {
        "good": common + sample(2, scale=0.1),
        "bad": common + sample(3, scale=0.1) + np.float32(1),
        "twin": common + sample(4, scale=0.1),
        "copy": sample(5),
    }


def test_every_pair_differs_by_the_difference_of_its_scores(outputs):
    scores, differences = results(outputs)
    for metric, distance in (("fid@test", frechet_distance), ("kid@test", kernel_distance)):
        assert len(differences[differences["metric"] == metric]) == 6
        found = row(differences, metric=metric, generator="bad", versus="good")
        values = [distance(outputs[name], REAL) for name in ("bad", "good")]
        assert found["difference"] == pytest.approx(values[0] - values[1])
        assert 0 < found["low"] < found["difference"] < found["high"]
        assert found["p"] < found["p_holm"] < 0.01
        assert (found["n_asked"], found["n_scored"], found["subjects"]) == (N, N, SUBJECTS)
        own = row(scores, metric=metric, generator="bad")
        assert found["high"] - found["low"] < own["high"] - own["low"]  # what they share cancels
        close = row(differences, metric=metric, generator="good", versus="twin")
        assert close["low"] < 0 < close["high"]


def test_pairs_are_compared_on_the_edits_that_both_have(outputs):
    torn = outputs["good"].copy()
    torn[: 2 * EACH + 1] = np.nan
    scores, differences = results(outputs | {"good": torn})
    assert row(scores, metric="fid@test", generator="good")["n_outputs"] == N - 7
    found = row(differences, metric="fid@test", generator="bad", versus="good")
    values = [frechet_distance(outputs[name][7:], REAL) for name in ("bad", "good")]
    assert found["difference"] == pytest.approx(values[0] - values[1])
    assert (found["n_scored"], found["subjects"]) == (N - 7, SUBJECTS - 2)
    assert row(differences, metric="fid@test", generator="bad", versus="twin")["n_scored"] == N


def test_a_model_without_outputs_has_a_reason_and_no_difference(outputs):
    scores, differences = results(outputs | {"good": np.full_like(outputs["good"], np.nan)})
    assert "needs 16 outputs" in row(scores, metric="kid@test", generator="good")["reason"]
    found = row(differences, metric="kid@test", generator="bad", versus="good")
    assert "needs 16 outputs" in found["reason"]
    assert np.isnan([found[name] for name in ("difference", "low", "high", "p", "p_holm")]).all()
    assert row(differences, metric="kid@test", generator="bad", versus="twin")["p_holm"] < 0.01


def test_a_network_that_failed_on_a_shard_gives_no_score_of_fewer_outputs(outputs):
    found = results(outputs | {"bad": None})
    lost = row(found.scores, metric="fid@test", generator="bad")
    assert np.isnan(lost["value"])
    assert lost["reason"] == "not scored: given failed on 1 shard; the same command tries again"
    assert np.isfinite(row(found.scores, metric="fid@test", generator="good")["value"])


def test_the_input_is_not_compared_with_itself(outputs):
    scores, differences = results(outputs, label=INPUTS_TOO)
    found = row(scores, metric="fid@test", generator="copy")
    assert found["reason"] == AMONG_REFERENCES
    assert np.isnan(found["value"])
    assert row(differences, metric="fid@test", generator="copy", versus="good")["reason"] == AMONG_REFERENCES
    assert row(scores, metric="fid@test", generator="good")["references"] == INPUTS_TOO
    assert row(results(outputs).scores, metric="fid@test", generator="copy")["value"] > 0


def test_statistics_are_enough_for_a_frechet_distance_only(outputs):
    groups, known = np.arange(N) // EACH, Gaussian.of(REAL)
    frechet, kernel = SCORER.set_metrics
    from_images = set_score(frechet, outputs["bad"], groups, REAL).columns()
    from_statistics = set_score(frechet, outputs["bad"], groups, known).columns()
    assert from_statistics == pytest.approx(from_images, nan_ok=True)
    assert "needs the images themselves" in set_score(kernel, outputs["bad"], groups, known).reason


def test_tests_of_sets_bound_ranks_where_the_metric_can_rank(outputs):
    rows = [
        (name, "set", "studio", f"s{i // EACH}", str(i), "neutral", "happy", OUTPUT, 1.0, None)
        for name in outputs
        for i in range(N)
    ]
    asked = pd.DataFrame(rows, columns=SCORES.names)
    scores, differences = results(outputs)
    cards = [metric.card for metric in SCORER.set_metrics]
    blocks = {(name, "set"): "control" if name == "copy" else "main" for name in outputs}
    unfit = [("set", "studio", "kid@test")]
    found = summarise(asked, scores, cards, blocks, unfit=unfit, set_differences=differences)
    worst = row(found.ranks, metric="fid@test", generator="bad")
    assert (worst["rank"], worst["rank_low"], worst["rank_high"], worst["reason"]) == (3, 3, 3, "")
    assert row(found.ranks, metric="fid@test", generator="good")["rank_high"] == 2
    assert row(found.gains, metric="fid@test", generator="bad")["low"] > 0
    blind = found.differences[found.differences["metric"] == "kid@test"]
    assert blind["p"].isna().all()
    assert blind["low"].notna().all()
    assert blind["reason"].str.contains("calibration").all()
    assert np.isnan(row(found.ranks, metric="kid@test", generator="bad")["rank"])
