"""The whole analysis of studies small enough to count by hand."""

import json

import krippendorff
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fesbench.core.errors import BenchError
from fesbench.reports.study.analysis.analyse import analyse
from fesbench.reports.study.analysis.report import results_json, write_analysis
from fesbench.reports.study.analysis.results import Metric, RunScores
from fesbench.reports.study.analysis.tables import study_tables
from fesbench.reports.study.schema import Exclusion


def chosen(packet, form, place, model):
    """The letter under which a form shows a model."""
    shown = {stimulus.name: stimulus.model for stimulus in packet.key.stimuli}
    trial = packet.forms[form].trials[place]
    return trial.choices[[shown[name] for name in trial.stimuli].index(model)]


VOTES = [
    ["reggan", "reggan", "stargan", "reggan"],
    ["reggan", "stargan", "stargan", "reggan"],
    ["reggan", "reggan", "reggan", "usgan"],
    ["stargan", "reggan", "reggan", "reggan"],
]
"""RegGAN 11, StarGAN 4, US-GAN 1 of 16; items 0 and 2 are studio, 1 and 3 statue."""


@pytest.fixture
def voted(best_of_three, make_answers):
    given = [
        [chosen(best_of_three, form, place, model) for place, model in enumerate(votes)]
        for form, votes in enumerate(VOTES)
    ]
    return best_of_three, make_answers(best_of_three, given)


@pytest.fixture
def found(voted):
    (study, forms, key), responses = voted
    return analyse(study, forms, key, responses)


def pick(frame, **where):
    rows = frame[np.logical_and.reduce([frame[name] == value for name, value in where.items()])]
    assert len(rows) == 1
    return rows.iloc[0]


def test_shares_are_votes_over_answers_by_domain(found):
    shares = {
        (domain, model): value
        for domain, model, value in found.shares[["domain", "model", "value"]].itertuples(index=False)
    }
    assert shares == pytest.approx(
        {
            ("studio", "reggan"): 5 / 8, ("studio", "stargan"): 3 / 8, ("studio", "usgan"): 0,
            ("statue", "reggan"): 6 / 8, ("statue", "stargan"): 1 / 8, ("statue", "usgan"): 1 / 8,
            ("all", "reggan"): 11 / 16, ("all", "stargan"): 4 / 16, ("all", "usgan"): 1 / 16,
        }
    )  # fmt: skip


def test_the_interval_of_a_share_counted_by_hand(found):
    row = pick(found.shares, domain="all", model="reggan")
    # Votes for RegGAN by participant 3 2 3 3; four items are too few to speak of others.
    variance = sum((votes - 2.75) ** 2 for votes in (3, 2, 3, 3)) * 4 / 3 / 16**2
    k = stats.t.ppf(0.975, 3) ** 2 * variance / (11 / 16 * 5 / 16)
    assert row["high"] == pytest.approx(
        (11 / 16 + k / 2) / (1 + k) + np.sqrt(k * 11 * 5 / 256 + k**2 / 4) / (1 + k)
    )
    assert row["low"] == pytest.approx(0.025 ** (1 / 4))  # four participants say no more if all agree
    assert (row["n"], row["participants"], row["items"]) == (16, 4, 4)
    assert row["bootstrap_low"] < 11 / 16 < row["bootstrap_high"]


def test_differences_to_the_best_competitor_in_points_and_as_a_ratio(found):
    points = pick(found.differences, domain="all", versus="stargan", kind="points")
    ratio = pick(found.differences, domain="all", versus="stargan", kind="ratio")
    assert (points["value"], ratio["value"]) == (pytest.approx(7 / 16), pytest.approx(11 / 4))
    assert points["best"]
    assert not pick(found.differences, domain="all", versus="usgan", kind="points")["best"]
    assert ratio["low"] < ratio["value"] < ratio["high"]


def test_exact_tests_count_only_votes_for_either_and_are_adjusted(found):
    star = pick(found.differences, domain="all", versus="stargan", kind="points")
    us = pick(found.differences, domain="all", versus="usgan", kind="points")
    assert (star["wins"], star["losses"], us["wins"], us["losses"]) == (11, 4, 11, 1)
    assert star["p_exact"] == pytest.approx(stats.binomtest(11, 15).pvalue)
    assert us["p_exact"] == pytest.approx(26 / 4096)
    assert us["p_exact_holm"] == pytest.approx(2 * 26 / 4096)
    assert star["p_exact_holm"] == pytest.approx(star["p_exact"])


def test_overall_test_strengths_and_wins(found):
    assert pick(found.overall, domain="all")["p"] == pytest.approx(stats.chisquare([11, 4, 1]).pvalue)
    strengths = found.strengths[found.strengths["domain"] == "all"].set_index("model")["value"]
    assert strengths["reggan"] - strengths["stargan"] == pytest.approx(np.log(11 / 4), abs=0.02)
    assert pick(found.wins, model="reggan", versus="stargan")["value"] == pytest.approx(11 / 15)
    assert pick(found.wins, model="stargan", versus="reggan")["value"] == pytest.approx(4 / 15)


def test_agreement_of_the_votes(found):
    # By items: 3-1, 3-1, 2-2, 3-1 (RegGAN against one other); 16 values, pairs within an item weigh 1/3.
    observed = (3 * 2 + 3 * 2 + 2 * 2 * 2 + 3 * 2) / 3
    expected = (16**2 - 11**2 - 4**2 - 1) / 15
    assert found.agreement["value"].item() == pytest.approx(1 - observed / expected)


def test_answers_of_people_left_out_count_for_nothing(voted, make_answers):
    (study, forms, key), responses = voted
    rules = Exclusion(median_rt_ms=800)
    study = study.model_copy(update={"options": study.options.model_copy(update={"exclusion": rules})})
    fast = [one.model_copy(update={"rt_ms": 100.0}) if one.form_id == "F0000" else one for one in responses]
    found = analyse(study, forms, key, fast)
    assert found.flow == [("recruited", 4), ("answered too fast", 1), ("kept", 3)]
    assert pick(found.shares, domain="all", model="reggan")["value"] == pytest.approx(8 / 12)
    with pytest.raises(BenchError, match=r"no answers are left.*kept: 0"):
        analyse(study, forms, key, fast[:4])


def test_metrics_that_agree_correlate_positively_whichever_way_they_count(voted):
    (study, forms, key), responses = voted
    liking = {"reggan": 0.9, "stargan": 0.5, "usgan": 0.1}
    outputs = pd.DataFrame(
        [
            {"dataset": "rendered", "generator": model, "edit": f"e{item}", "metric": metric,
             "value": item + sign * value}
            for item in range(4)
            for model, value in liking.items()
            for metric, sign in (("good@x", 1), ("error@x", -1))
        ]
    )  # fmt: skip
    models = pd.DataFrame([{"generator": m, "metric": "fid@x", "value": 10 - v} for m, v in liking.items()])
    metrics = (Metric("good@x", True), Metric("error@x", False), Metric("fid@x", False))
    found = analyse(study, forms, key, responses, RunScores(metrics, outputs, models)).correlations
    image = found[found["level"] == "image"].set_index("metric")["value"]
    votes = np.array([[float(vote == model) for model in liking] for row in VOTES for vote in row])
    expected = np.corrcoef(votes.ravel(), np.tile(list(liking.values()), 16))[0, 1]
    assert image["good@x"] == pytest.approx(expected)
    assert image["error@x"] == pytest.approx(expected)
    assert pick(found, level="model", metric="fid@x")["value"] == pytest.approx(1)
    assert pick(found, level="model", metric="good@x")["reason"]


def test_two_alternatives_count_only_pairs_that_were_shown(make_packet, make_answers, plan):
    form = [plan(0, ("reggan", "stargan")), plan(1, ("usgan", "reggan")), plan(2, ("stargan", "reggan"))]
    packet = make_packet("2afc", "realism", [form, form], ("A", "B"))
    found = analyse(*packet, make_answers(packet, [["A", "B", "A"], ["A", "B", "B"]]))
    assert pick(found.shares, model="reggan")["value"] == pytest.approx(5 / 6)
    star = pick(found.differences, versus="stargan", kind="points")
    assert (star["value"], star["wins"], star["losses"], star["n"]) == (pytest.approx(0.5), 3, 1, 4)
    ratio = pick(found.differences, versus="usgan", kind="ratio")
    assert "votes on both sides" in ratio["reason"]


def test_a_unanimous_pair_is_one_of_the_tests_that_holm_counts(make_packet, make_answers, plan):
    form = [plan(0, ("reggan", "stargan")), plan(1, ("reggan", "usgan")), plan(2, ("usgan", "reggan"))]
    packet = make_packet("2afc", "realism", [form] * 8, ("A", "B"))
    rows = [["A", "A", "B"]] * 6 + [["A", "B", "B"], ["A", "B", "A"]]
    found = analyse(*packet, make_answers(packet, rows))
    for kind in ("points", "ratio"):
        star = pick(found.differences, versus="stargan", kind=kind)
        assert star["p"] == pytest.approx(2 / 2**8)
        assert star["p_holm"] == pytest.approx(4 / 2**8)
    cells = [cell for table in study_tables(found) for row in table.cells for cell in row if cell.stars]
    assert cells
    assert all(cell.value is not None for cell in cells)


def test_naming_gives_human_ecs_and_a_confusion_matrix(make_packet, make_answers, plan):
    form = [plan(0, ("reggan",)), plan(1, ("reggan",)), plan(0, ("stargan",)), plan(1, ("stargan",))]
    choices = ("happy", "sad", "none")
    packet = make_packet("naming", "expression", [form, form], choices, expressions=("happy", "sad"))
    found = analyse(
        *packet, make_answers(packet, [["happy", "sad", "sad", "none"], ["happy", "happy", "happy", "sad"]])
    )
    assert pick(found.shares, model="reggan")["value"] == pytest.approx(3 / 4)
    assert pick(found.differences, versus="stargan", kind="points")["value"] == pytest.approx(1 / 4)
    assert pick(found.confusion, model="reggan", target="sad", predicted="happy")["share"] == 0.5
    assert pick(found.confusion, model="stargan", target="happy", predicted="happy")["count"] == 1


def test_same_different_gives_d_prime_against_other_people(make_packet, make_answers, plan):
    form = [plan(item, (name,)) for item, name in enumerate(("reggan", "stargan", "truth", "other-person"))]
    packet = make_packet("same-different", "identity", [form] * 4, ("same", "different"))
    rows = [["same", "same", "same", "different"]] * 3 + [["same", "different", "same", "same"]]
    found = analyse(*packet, make_answers(packet, rows))
    impostor = stats.norm.ppf(1.5 / 5)
    assert pick(found.sensitivity, model="reggan")["value"] == pytest.approx(
        stats.norm.ppf(4.5 / 5) - impostor
    )
    assert pick(found.sensitivity, model="stargan")["value"] == pytest.approx(
        stats.norm.ppf(3.5 / 5) - impostor
    )
    assert pick(found.shares, model="#other-person")["value"] == pytest.approx(1 / 4)
    assert set(found.differences["versus"]) == {"stargan"}
    assert set(found.sensitivity["n"]) == {8}


def test_the_control_truth_is_no_real_pair(make_packet, make_answers, plan):
    form = [plan(0, ("reggan",)), plan(0, ("stargan",)), plan(0, ("truth",)), plan(0, ("other-person",))]
    study, forms, key = make_packet("same-different", "identity", [form] * 3, ("same", "different"))
    stimuli = [
        one.model_copy(update={"model": "truth"}) if one.model == "stargan" else one for one in key.stimuli
    ]
    key = key.model_copy(update={"models": ("reggan", "truth"), "stimuli": tuple(stimuli)})
    rows = [["same", "different", "same", "different"]] * 3
    shares = analyse(study, forms, key, make_answers(None, rows)).shares
    assert dict(zip(shares["model"], shares["value"], strict=True)) == {
        "reggan": 1, "truth": 0, "#truth": 1, "#other-person": 0,
    }  # fmt: skip


def test_ratings_are_compared_by_their_means(make_packet, make_answers, plan):
    form = [plan(0, ("reggan",)), plan(1, ("reggan",)), plan(0, ("usgan",))]
    packet = make_packet("rating", "realism", [form] * 3, tuple("12345"))
    found = analyse(*packet, make_answers(packet, [list("542"), list("443"), list("531")]))
    assert pick(found.shares, model="reggan")["value"] == pytest.approx(25 / 6)
    assert pick(found.differences, versus="usgan", kind="points")["value"] == pytest.approx(25 / 6 - 2)
    assert pick(found.differences, versus="usgan", kind="ratio")["value"] == pytest.approx(25 / 12)
    ratings = [[5, 4, 5], [4, 4, 3], [2, 3, 1]]
    agreement = krippendorff.alpha(np.transpose(ratings), level_of_measurement="ordinal")
    assert found.agreement["value"].item() == pytest.approx(agreement)
    assert "ordinal" in study_tables(found)[-1].notes[0].text


@pytest.mark.parametrize("design", ["rating", "best-of-n"])
def test_a_control_that_wins_is_neither_best_nor_the_best_competitor(make_packet, make_answers, plan, design):
    if design == "rating":
        form, choices = [plan(0, ("reggan",)), plan(0, ("stargan",)), plan(0, ("usgan",))], tuple("12345")
        rows = [list("435"), list("325"), list("425")]
    else:
        form, choices = [plan(n, ("reggan", "stargan", "usgan")) for n in range(3)], tuple("ABC")
        rows = [list("CCC"), list("CCA"), list("CBC")]
    study, forms, key = make_packet(design, "realism", [form] * 3, choices)
    renamed = [
        one.model_copy(update={"model": "copy"}) if one.model == "usgan" else one for one in key.stimuli
    ]
    models = tuple("copy" if name == "usgan" else name for name in key.models)
    key = key.model_copy(
        update={"models": models, "stimuli": tuple(renamed), "titles": dict(key.titles) | {"copy": "Input"}}
    )
    found = analyse(study, forms, key, make_answers(None, rows))
    assert found.shares.set_index(["domain", "model"]).loc["all", "value"].idxmax() == "copy"
    assert set(found.differences.loc[found.differences["best"], "versus"]) == {"stargan"}
    for table in study_tables(found):
        for row, cells in zip(table.rows, table.cells, strict=True):
            if row.name == "copy":
                assert row.block == "control"
                assert {cell.mark for cell in cells} == {""}


def test_the_mean_of_ratings_has_no_p_for_a_rating_that_nobody_can_give(make_packet, make_answers, plan):
    form = [plan(0, ("reggan",)), plan(1, ("reggan",))]
    packet = make_packet("rating", "realism", [form] * 3, tuple("12345"))
    found = analyse(*packet, make_answers(packet, [list("54"), list("44"), list("53")]))
    assert found.shares["p"].isna().all()


def test_two_raters_give_no_interval_anywhere(make_packet, make_answers, plan):
    form = [plan(0, ("reggan",)), plan(1, ("reggan",)), plan(0, ("usgan",)), plan(1, ("usgan",))]
    packet = make_packet("rating", "realism", [form] * 2, tuple("12345"))
    found = analyse(*packet, make_answers(packet, [list("5432"), list("4421")]))
    for frame in (found.shares, found.differences, found.agreement):
        assert frame["value"].notna().all()
        assert frame[["low", "high"]].isna().all(axis=None)
        assert frame["reason"].str.contains("3 participants").all()


def test_what_is_written_is_whole_safe_and_the_same_every_time(voted, tmp_path):
    (study, forms, key), responses = voted
    hostile = "<script>alert(1)</script>"
    key = key.model_copy(update={"titles": {**key.titles, "usgan": hostile}})
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        page = write_analysis(analyse(study, forms, key, responses), folder, "1.0")
    names = sorted(path.name for path in folders[0].iterdir())
    assert {"index.html", "tables.tex", "standalone.tex", "results.json", "forest.png", "wins.pdf"} <= set(
        names
    )
    assert all((folders[0] / name).read_bytes() == (folders[1] / name).read_bytes() for name in names)
    html = page.read_text()
    assert hostile not in html
    assert "&lt;script&gt;" in html
    assert "68.8" in html or "69" in html
    assert all(response.participant not in html for response in responses)


def test_results_json_has_no_nan(found):
    content = json.loads(results_json(found), parse_constant=lambda name: pytest.fail(name))
    assert content["flow"] == [{"step": "recruited", "participants": 4}, {"step": "kept", "participants": 4}]
    assert {"shares", "differences", "strengths", "wins", "agreement", "overall"} <= set(content)


@pytest.mark.parametrize(
    ("design", "choices", "shown", "expected"),
    [
        ("naming", ("happy", "sad", "none"), ("reggan", "stargan"), "confusion.png"),
        ("same-different", ("same", "different"), ("reggan", "truth", "other-person"), "sensitivity.csv"),
        ("rating", tuple("12345"), ("reggan", "stargan", "copy"), "forest.png"),
    ],
)  # fmt: skip
def test_every_design_is_written(make_packet, make_answers, plan, tmp_path, design, choices, shown, expected):
    form = [plan(item, (name,)) for item in range(2) for name in shown]
    question = "identity" if design == "same-different" else "expression"
    packet = make_packet(design, question, [form] * 2, choices, expressions=("happy", "sad"))
    key = packet.key.model_copy(update={"anchors": ("copy",)})
    given = [[choices[(place + number) % 2] for place in range(len(form))] for number in range(2)]
    page = write_analysis(
        analyse(packet.study, packet.forms, key, make_answers(packet, given)), tmp_path, "1.0"
    )
    assert (page.parent / expected).stat().st_size > 0
    assert "Participants" in page.read_text()
