"""Claims on small runs whose answers can be worked out by hand."""

import pandas as pd
import pytest

from fesbench.core.contracts import MetricCard
from fesbench.core.errors import SpecError
from fesbench.review.claims import Claim, judge_claims, read_claims
from fesbench.runs.store.records import CalibrationRecord

FID = MetricCard("fid@inception-2015", "distance", "lower", 0.0, 1e9, "distance", "-")


def verdict(run, **fields):
    (finding,) = judge_claims([Claim(text="-", **fields)], run)
    return finding


def test_a_rank_agrees_disagrees_or_stays_open(tmp_path, make_results, make_scores):
    run = make_results(tmp_path / "run", make_scores({"a": 0.9, "b": 0.5, "c": 0.5}))
    first = verdict(run, model="a", metric="fss", rank=1)
    assert first.verdict == "agrees"
    assert (first.numbers["rank_low"], first.numbers["rank_high"], first.numbers["of"]) == (1, 1, 3)
    assert first.numbers["n_scored"] == 12
    assert first.numbers["subjects"] == 12
    assert verdict(run, model="a", metric="fss", rank=2).verdict == "disagrees"
    assert verdict(run, model="b", metric="fss", rank=1).verdict == "disagrees"


def test_models_that_no_test_tells_apart_leave_a_rank_undecided(tmp_path, make_results, make_scores):
    scores = make_scores({"a": 0.5, "b": 0.5})
    # b is ahead on one half of the subjects, behind by the same on the other
    own = (scores["generator"] == "b") & (scores["metric"] == "fss@dlib")
    scores.loc[own, "value"] += [0.1, -0.1] * 6
    run = make_results(tmp_path / "run", scores)
    assert verdict(run, model="a", metric="fss", rank=1).verdict == "undecided"
    assert verdict(run, model="a", metric="fss", better_than="b").verdict == "undecided"


def test_only_the_models_of_the_claim_are_ranked(tmp_path, make_results, make_scores):
    run = make_results(tmp_path / "run", make_scores({"a": 0.9, "b": 0.5, "c": 0.1}))
    found = verdict(run, model="b", metric="fss", rank=1, among=["b", "c", "x"])
    assert found.verdict == "agrees"
    assert found.numbers["of"] == 2
    assert found.numbers["not_ranked"] == ["x"]


def test_a_pair_is_judged_by_its_paired_difference_in_the_direction_of_the_metric(
    tmp_path, make_results, make_scores
):
    run = make_results(tmp_path / "run", make_scores({"a": 0.9, "b": 0.5}))
    ahead = verdict(run, model="a", metric="fss@dlib", better_than="b")
    assert ahead.verdict == "agrees"
    assert ahead.numbers["difference"] == pytest.approx(0.4, abs=0.005)
    assert verdict(run, model="b", metric="fss", better_than="a").verdict == "disagrees"
    lower = MetricCard("fss@dlib", "error", "lower", 0.0, 1.0, "error", "-")
    turned = make_results(tmp_path / "turned", make_scores({"a": 0.9, "b": 0.5}), cards=(lower,))
    assert verdict(turned, model="b", metric="fss", better_than="a").verdict == "agrees"


@pytest.mark.parametrize(("other", "expected"), [(20.0, "agrees"), (11.0, "undecided"), (2.0, "disagrees")])
def test_scores_of_sets_are_judged_by_whether_intervals_overlap(
    tmp_path, other, expected, make_results, make_scores
):
    rows = [
        {"generator": name, "dataset": "photos", "domain": "studio", "metric": FID.id, "value": value,
         "low": value - 1, "high": value + 1, "n_outputs": 12, "n_references": 50, "references": "real",
         "reason": None}
        for name, value in (("a", 10.0), ("b", other))
    ]  # fmt: skip
    run = make_results(tmp_path / "run", make_scores({"a": 0.9, "b": 0.5}), pd.DataFrame(rows))
    assert verdict(run, model="a", metric="fid", rank=1).verdict == expected
    assert verdict(run, model="a", metric="fid", better_than="b").verdict == expected
    unfit = CalibrationRecord(
        dataset="photos", domain="studio", metric=FID.id, fit_to_rank=False, gaps={}, images=2, references=2,
        value=float("nan"), verdict="too few",
    )  # fmt: skip
    blind = make_results(
        tmp_path / "blind", make_scores({"a": 0.9, "b": 0.5}), pd.DataFrame(rows), calibrations=[unfit]
    )
    assert verdict(blind, model="a", metric="fid", rank=1).verdict == "not testable"
    assert verdict(blind, model="a", metric="fid", better_than="b").verdict == "not testable"


def test_rendered_faces_and_embedded_judges_orient_only_unless_the_claim_names_them(
    tmp_path, make_results, make_scores
):
    card = MetricCard("fss@embedded", "similarity", "higher", -1.0, 1.0, "cosine", "-")
    scores = make_scores({"a": 0.9, "b": 0.5}, "rendered", card.id)
    run = make_results(tmp_path / "run", scores, cards=(card,))
    found = verdict(run, model="a", metric="fss", rank=1)
    assert (found.verdict, found.orientation) == ("not testable", "agrees")
    assert "rendered" in found.reason
    assert "embedded" in found.reason
    half = verdict(run, model="a", metric="fss@embedded", rank=1)
    assert (half.verdict, half.orientation) == ("not testable", "agrees")
    assert verdict(run, model="a", metric="fss@embedded", data="rendered", rank=1).verdict == "agrees"


def test_what_is_not_in_the_run_is_not_testable(tmp_path, make_results, make_scores):
    run = make_results(tmp_path / "run", make_scores({"a": 0.9, "b": 0.5}))
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


def test_the_file_of_the_suite_is_named_in_messages(tmp_path, monkeypatch):
    (tmp_path / "claims.yaml").write_text("claims: {")
    monkeypatch.setattr("fesbench.review.claims.files", lambda package: tmp_path)
    with pytest.raises(SpecError, match=r"^claims\.yaml of the suite cannot be read as YAML"):
        read_claims()
