"""Who is left out: by the rules of the study, and by nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from fesbench.reports.study.analysis.quality import flow, judge
from fesbench.reports.study.schema import Exclusion

THREE = ("reggan", "stargan", "usgan")


@pytest.fixture
def checked(make_packet, plan):
    """Six people: two main trials, two golds, an attention check, and the first trial again, reversed."""
    form = [
        plan(0, THREE, "practice", ("A",)),
        plan(1, THREE),
        plan(2, THREE),
        plan(3, THREE, "gold", ("B",)),
        plan(4, THREE, "gold", ("C",)),
        plan(5, THREE, "attention", ("A",)),
        plan(1, THREE[::-1], "repeat", repeats=1),
    ]
    rules = Exclusion(gold_share=0.75, median_rt_ms=500, same_slot_share=0.9, repeats=1)
    return make_packet("best-of-n", "realism", [form] * 6, ("A", "B", "C"), rules=rules)


GOOD = ["C", "A", "B", "B", "C", "A", "C"]


def test_each_rule_leaves_out_its_own(checked, make_answers):
    given = [
        GOOD,
        [*GOOD[:6], None],
        ["C", "A", "B", "A", "C", "A", "C"],
        ["C", "A", "B", "B", "C", "B", "C"],
        ["C", "A", "A", "B", "C", "A", "C"],
        ["C", "A", "B", "B", "C", "A", "A"],
    ]
    study, forms, key = checked
    raters = judge(make_answers(checked, given), forms, key, study.options.exclusion)
    assert [rater.excluded for rater in raters] == [
        (), ("incomplete",), ("gold",), ("attention",), ("same-slot",), ("repeats",),
    ]  # fmt: skip
    assert flow(raters)[0] == ("recruited", 6)
    assert flow(raters)[-1] == ("kept", 1)
    assert (raters[0].gold_share, raters[0].repeat_share, raters[0].repeat_chance) == (
        1,
        1,
        pytest.approx(1 / 3),
    )
    assert (raters[2].gold_share, raters[1].asked, raters[1].answered) == (0.5, 6, 5)


@pytest.mark.parametrize(
    ("design", "choices"), [("same-different", ("same", "different")), ("rating", tuple("12345"))]
)
def test_one_honest_answer_to_single_pictures_is_no_sign(make_packet, make_answers, plan, design, choices):
    packet = make_packet(design, "identity", [[plan(item, ("reggan",)) for item in range(9)]], choices)
    (rater,) = judge(make_answers(packet, [[choices[0]] * 9]), packet.forms, packet.key, Exclusion())
    assert (rater.slot_share, rater.excluded) == (None, ())


def test_few_repeats_say_nothing_of_anyone(checked, make_answers):
    _, forms, key = checked
    answers = make_answers(checked, [["C", "A", "B", "B", "C", "A", "A"]])
    (rater,) = judge(answers, forms, key, Exclusion(median_rt_ms=0))
    assert (rater.repeats, rater.repeat_share, rater.excluded) == (1, 0, ())


def test_fast_answers_are_judged_by_their_median_and_paper_is_not(checked, make_answers):
    study, forms, key = checked
    fast = judge(make_answers(checked, [GOOD], rt_ms=400), forms, key, study.options.exclusion)
    paper = judge(make_answers(checked, [GOOD], rt_ms=None), forms, key, study.options.exclusion)
    assert fast[0].excluded == ("fast",)
    assert paper[0].kept
    assert paper[0].median_rt_ms is None


def test_a_participant_is_counted_once_at_the_first_rule(checked, make_answers):
    study, forms, key = checked
    raters = judge(
        make_answers(checked, [["C", "A", "A", "A", "A", "B", None]], 100),
        forms,
        key,
        study.options.exclusion,
    )
    assert set(raters[0].excluded) == {"incomplete", "gold", "attention", "fast", "same-slot"}
    assert flow(raters) == [("recruited", 1), ("did not finish", 1), ("kept", 0)]


def test_time_and_screen_are_known_where_single_answers_are_timed(checked, make_answers):
    _, forms, key = checked
    begun = datetime(2026, 1, 2, tzinfo=UTC)
    answers = [
        one.model_copy(update={"timestamp": begun + timedelta(minutes=place), "screen": "1024x768"})
        for place, one in enumerate(make_answers(checked, [GOOD], rt_ms=1500))
    ]
    (timed,) = judge(answers, forms, key, Exclusion())
    assert (timed.duration_s, timed.screen) == (6 * 60 + 1.5, "1024x768")
    handed_in = [one.model_copy(update={"rt_ms": None, "screen": None}) for one in answers]
    (untimed,) = judge(handed_in, forms, key, Exclusion())
    assert (untimed.duration_s, untimed.screen) == (None, None)


def test_workers_of_mechanical_turk_are_judged_by_the_hits_they_took(make_packet, make_answers, plan):
    """A form of 30 trials, the first for practice, is three HITs of ten: one finished, one not."""
    form = [plan(item, THREE, "main" if item else "practice") for item in range(30)]
    _, forms, key = packet = make_packet("best-of-n", "realism", [form], ("A", "B", "C"))
    first, second = ["ABC"[place % 3] if place < 10 else None for place in range(30)], [None] * 29 + ["A"]
    given = [
        one.model_copy(update={"platform": platform, "participant": f"{platform}{number}"})
        for platform in ("mturk", "web")
        for number, answers in enumerate((first, second))
        for one in make_answers(packet, [answers])
    ]
    raters = {rater.participant: rater for rater in judge(given, forms, key, Exclusion())}
    counts = {name: (rater.asked, rater.answered, rater.excluded) for name, rater in raters.items()}
    assert counts["mturk0"] == (9, 9, ())
    assert counts["mturk1"][:2] == (10, 1)
    assert "incomplete" in counts["mturk1"][2]
    assert counts["web0"] == (29, 9, ("incomplete",))
