"""Claims and comparisons on small runs whose answers can be worked out by hand."""

from dataclasses import asdict

import pandas as pd
import pytest

from fesbench.core.contracts import MetricCard
from fesbench.core.errors import BenchError, SpecError
from fesbench.reports.run.publish import Published
from fesbench.review.claims import Claim, judge_claims, read_claims
from fesbench.review.compare import UNEXPLAINED, compare_runs
from fesbench.runs.store.store import RunStore
from fesbench.scoring.shards import SCORES
from fesbench.statistics.summary import summarise

SUBJECTS = [f"s{i:02}" for i in range(12)]
FSS = MetricCard("fss@dlib", "similarity", "higher", -1.0, 1.0, "cosine", "-")
FID = MetricCard("fid@inception-2015", "distance", "lower", 0.0, 1e9, "distance", "-")


def scores_of(values: dict[str, float], dataset="photos", metric="fss@dlib") -> pd.DataFrame:
    """One edit of each subject: the model's value, a wobble that all models share, and one of its own."""
    rows = [
        (model, dataset, "studio", subject, f"{subject}--happy", "neutral", "happy", column, value, None)
        for place, (model, level) in enumerate(values.items())
        for i, subject in enumerate(SUBJECTS)
        for column, value in (
            ("output", 1.0),
            (metric, level + 0.05 * (i % 3) + 0.001 * ((i * (place + 1)) % 5)),
        )
    ]
    return pd.DataFrame(rows, columns=SCORES.names)


def published(folder, scores, sets=None, cards=(FSS, FID), **record) -> Published:
    store = RunStore(folder)
    folder.mkdir()
    store.write_scores(scores)
    models = list(scores["generator"].unique())
    dataset = scores["dataset"].iloc[0]
    blocks = {(name, dataset): "main" for name in models}
    empty = pd.DataFrame(columns=["generator", "dataset", "domain", "metric", "value"])
    summary = summarise(scores, empty if sets is None else sets, cards, blocks)
    plain = {
        "spec": {"seed": 0, "resolution": 128},
        "datasets": {dataset: {"digest": "d", "trained_on": {"home": "photos"}}},
        "models": {name: {dataset: {"block": "main"}} for name in models},
        "names": {name: name for name in models},
        "metrics": {card.id: asdict(card) for card in cards},
        "networks": {"dlib": {"backend": "dlib"}},
        "versions": {"torch": "1"},
        "code": {"commit": "c"},
        "device": {"name": "cpu"},
    }
    return Published(store, summary, [], plain | record)


def verdict(run, **fields):
    (finding,) = judge_claims([Claim(text="-", **fields)], run)
    return finding


def test_a_rank_agrees_disagrees_or_stays_open(tmp_path):
    run = published(tmp_path / "run", scores_of({"a": 0.9, "b": 0.5, "c": 0.5}))
    first = verdict(run, model="a", metric="fss", rank=1)
    assert first.verdict == "agrees"
    assert (first.numbers["rank_low"], first.numbers["rank_high"], first.numbers["of"]) == (1, 1, 3)
    assert first.numbers["n_scored"] == 12
    assert first.numbers["subjects"] == 12
    assert verdict(run, model="a", metric="fss", rank=2).verdict == "disagrees"
    assert verdict(run, model="b", metric="fss", rank=1).verdict == "disagrees"


def test_models_that_no_test_tells_apart_leave_a_rank_undecided(tmp_path):
    scores = scores_of({"a": 0.5, "b": 0.5})
    # b is ahead on one half of the subjects, behind by the same on the other
    own = (scores["generator"] == "b") & (scores["metric"] == "fss@dlib")
    scores.loc[own, "value"] += [0.1, -0.1] * 6
    run = published(tmp_path / "run", scores)
    assert verdict(run, model="a", metric="fss", rank=1).verdict == "undecided"
    assert verdict(run, model="a", metric="fss", better_than="b").verdict == "undecided"


def test_only_the_models_of_the_claim_are_ranked(tmp_path):
    run = published(tmp_path / "run", scores_of({"a": 0.9, "b": 0.5, "c": 0.1}))
    found = verdict(run, model="b", metric="fss", rank=1, among=["b", "c", "x"])
    assert found.verdict == "agrees"
    assert found.numbers["of"] == 2
    assert found.numbers["not_ranked"] == ["x"]


def test_a_pair_is_judged_by_its_paired_difference_in_the_direction_of_the_metric(tmp_path):
    run = published(tmp_path / "run", scores_of({"a": 0.9, "b": 0.5}))
    ahead = verdict(run, model="a", metric="fss@dlib", better_than="b")
    assert ahead.verdict == "agrees"
    assert ahead.numbers["difference"] == pytest.approx(0.4, abs=0.005)
    assert verdict(run, model="b", metric="fss", better_than="a").verdict == "disagrees"
    lower = MetricCard("fss@dlib", "error", "lower", 0.0, 1.0, "error", "-")
    turned = published(tmp_path / "turned", scores_of({"a": 0.9, "b": 0.5}), cards=(lower,))
    assert verdict(turned, model="b", metric="fss", better_than="a").verdict == "agrees"


@pytest.mark.parametrize(("other", "expected"), [(20.0, "agrees"), (11.0, "undecided"), (2.0, "disagrees")])
def test_scores_of_sets_are_judged_by_whether_intervals_overlap(tmp_path, other, expected):
    rows = [
        {"generator": name, "dataset": "photos", "domain": "studio", "metric": FID.id, "value": value,
         "low": value - 1, "high": value + 1, "n_outputs": 12, "n_references": 50, "references": "real",
         "reason": None}
        for name, value in (("a", 10.0), ("b", other))
    ]  # fmt: skip
    run = published(tmp_path / "run", scores_of({"a": 0.9, "b": 0.5}), pd.DataFrame(rows))
    assert verdict(run, model="a", metric="fid", rank=1).verdict == expected
    assert verdict(run, model="a", metric="fid", better_than="b").verdict == expected
    unfit = [{"dataset": "photos", "domain": "studio", "metric": FID.id, "fit_to_rank": False}]
    blind = published(
        tmp_path / "blind", scores_of({"a": 0.9, "b": 0.5}), pd.DataFrame(rows), calibrations=unfit
    )
    assert verdict(blind, model="a", metric="fid", rank=1).verdict == "not testable"
    assert verdict(blind, model="a", metric="fid", better_than="b").verdict == "not testable"


def test_rendered_faces_and_embedded_judges_orient_only_unless_the_claim_names_them(tmp_path):
    card = MetricCard("fss@embedded", "similarity", "higher", -1.0, 1.0, "cosine", "-")
    scores = scores_of({"a": 0.9, "b": 0.5}, "rendered", card.id)
    run = published(tmp_path / "run", scores, cards=(card,))
    found = verdict(run, model="a", metric="fss", rank=1)
    assert (found.verdict, found.orientation) == ("not testable", "agrees")
    assert "rendered" in found.reason
    assert "embedded" in found.reason
    half = verdict(run, model="a", metric="fss@embedded", rank=1)
    assert (half.verdict, half.orientation) == ("not testable", "agrees")
    assert verdict(run, model="a", metric="fss@embedded", data="rendered", rank=1).verdict == "agrees"


def test_what_is_not_in_the_run_is_not_testable(tmp_path):
    run = published(tmp_path / "run", scores_of({"a": 0.9, "b": 0.5}))
    assert "no score" in verdict(run, model="x", metric="fss", rank=1).reason
    assert "metric ecs" in verdict(run, model="a", metric="ecs", rank=1).reason
    assert verdict(run, model="a", metric="fss", better_than="x").verdict == "not testable"
    assert "study" in verdict(run, model="a", people=True).reason


def test_the_shipped_claims_are_those_of_the_abstract():
    claims = read_claims()
    ranks = {claim.metric: claim.rank for claim in claims if claim.rank}
    assert ranks == {"ecs": 1, "quality": 1, "fid": 1, "fss": 2}
    assert all(len(claim.among) == 7 for claim in claims if claim.rank)
    people = [claim.text for claim in claims if claim.people]
    assert [any(f"{share}%" in text for text in people) for share in (25, 26, 30)] == [True] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("claims: []", "at least 1"),
        ("claims: [{text: t, model: m, metric: ecs}]", "exactly one"),
        ("claims: [{text: t, model: m, rank: 1}]", "name the metric"),
        ("claims: [{text: t, model: m, metric: ecs, rank: 0}]", "greater than or equal to 1"),
        ("claims: [{text: t, model: m, metric: ecs, rank: 1, rnk: 2}]", "rnk"),
        ("a: &a [x, x]\nb: *a", "aliases"),
        ("claims: !!python/object/apply:os.system [echo]", "YAML"),
        ("claims: {" + "[" * 5000, "YAML"),
        ("x" * 300_000, "larger"),
    ],
)
def test_a_bad_file_of_claims_is_refused(tmp_path, text, message):
    path = tmp_path / "claims.yaml"
    path.write_text(text)
    with pytest.raises(SpecError, match=message):
        read_claims(path)


def test_a_comparison_is_the_paired_difference_on_common_edits(tmp_path):
    old = scores_of({"a": 0.5, "b": 0.4})
    new = scores_of({"a": 0.5, "b": 0.4})
    gains = [0.1, 0.2, 0.3] * 4
    own = (new["generator"] == "b") & (new["metric"] == "fss@dlib")
    new.loc[own, "value"] += gains
    new = new[new["subject"] != "s00"]
    found = compare_runs(published(tmp_path / "old", old), published(tmp_path / "new", new))
    rows = found.changes.set_index("generator")
    assert rows.loc["b", "difference"] == pytest.approx(sum(gains[1:]) / 11)
    assert rows.loc["b", "low"] < rows.loc["b", "difference"] < rows.loc["b", "high"]
    assert rows.loc["b", "n_common"] == rows.loc["b", "n_changed"] == 11
    assert rows.loc["a", "n_changed"] == 0
    assert found.only == (2, 0)
    assert found.reasons == {("photos", "fss@dlib", "b"): (UNEXPLAINED,)}


def test_a_changed_cell_names_what_can_have_moved_it(tmp_path):
    old, new = scores_of({"a": 0.5, "b": 0.4}), scores_of({"a": 0.6, "b": 0.5})
    before = published(tmp_path / "old", old)
    after = published(
        tmp_path / "new",
        new,
        versions={"torch": "2"},
        datasets={"photos": {"digest": "e", "trained_on": {"home": "photos"}}},
    )
    before.store.update_identities(
        {
            "models": {"a": {"checkpoint": "1"}},
            "networks": {"dlib": {"weights": "p"}, "fer": {"weights": "p"}},
        }
    )
    after.store.update_identities(
        {
            "models": {"a": {"checkpoint": "2"}},
            "networks": {"dlib": {"weights": "q"}, "fer": {"weights": "q"}},
        }
    )
    found = compare_runs(before, after)
    shared = {
        "data photos: digest: d → e",
        "version torch: 1 → 2",
        "network dlib: weights: p → q",
    }
    assert set(found.reasons["photos", "fss@dlib", "b"]) == shared
    assert set(found.reasons["photos", "fss@dlib", "a"]) == shared | {"model a: checkpoint: 1 → 2"}


def test_runs_without_a_common_edit_are_refused(tmp_path):
    first = published(tmp_path / "a", scores_of({"a": 0.5}))
    second = published(tmp_path / "b", scores_of({"b": 0.5}))
    with pytest.raises(BenchError, match="nothing to compare"):
        compare_runs(first, second)
