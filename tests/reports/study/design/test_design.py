"""Whatever the size of a study, what is met where is balanced, and checks have the answers they should."""

from collections import Counter, defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesbench.core.errors import BenchError
from fesbench.reports.study.design.balance import balance
from fesbench.reports.study.design.build import build
from fesbench.reports.study.design.counterbalance import both_sides, pairs_of, williams
from fesbench.reports.study.design.draw import draw_items
from fesbench.reports.study.design.stimuli import png

NO_GOLDS = "no practice and no golds for expression: no real photo has an answer that is known"
ONLY = {"naming": ("expression",), "same-different": ("identity",)}


@given(st.integers(1, 14))
def test_a_williams_design_balances_places_and_neighbours(size):
    rows = williams(size)
    for start in range(0, len(rows), size):
        for column in zip(*rows[start : start + size], strict=True):
            assert sorted(column) == list(range(size))
    neighbours = Counter(pair for row in rows for pair in pairwise(row))
    assert len(neighbours) == size * (size - 1)
    assert set(neighbours.values()) <= {len(rows) // size}


@given(st.integers(2, 9), st.booleans())
def test_pairs_stand_both_ways(size, focused):
    rows = both_sides(pairs_of(size, 0 if focused else None))
    assert len(set(rows)) == len(rows) == 2 * (size - 1 if focused else size * (size - 1) // 2)
    assert {row[::-1] for row in rows} == set(rows)


def main_trials(made):
    kinds = {trial.id: trial for trial in made.key.trials}
    items = {item.id: item for item in made.key.items}
    stimuli = {stimulus.name: stimulus for stimulus in made.key.stimuli}
    for form in made.forms:
        for trial in form.trials:
            if kinds[trial.id].kind == "main":
                yield trial, items[kinds[trial.id].item], [stimuli[name] for name in trial.stimuli]


@settings(max_examples=15, deadline=None)
@given(
    design=st.sampled_from(["best-of-n", "2afc", "rating", "naming", "same-different"]),
    pairs=st.sampled_from(["focus", "all"]),
    models=st.integers(2, 5),
    items=st.integers(1, 9),
    cycles=st.integers(1, 2),
    truths=st.booleans(),
    seed=st.integers(0, 5),
)
def test_full_cycles_show_every_model_equally_often_everywhere(
    synthetic, request_of, design, pairs, models, items, cycles, truths, seed
):
    material = synthetic(models=models, truths=truths, size=8)
    questions = ONLY.get(design, ("expression", "realism"))
    fields = {"design": design, "pairs": pairs, "questions": questions, "items": items, "seed": seed}
    rows = build(material, request_of(**fields, participants=1)).rows
    made = build(material, request_of(**fields, participants=rows * cycles))
    counted = balance(made.study, made.forms, made.key, made.rows)
    assert counted.exact
    assert counted.spread == 0
    counts = defaultdict(Counter)
    for trial, item, stimuli in main_trials(made):
        for slot, stimulus in enumerate(stimuli):
            place = trial.question, item.domain, item.expression, slot
            counts[place][stimulus.model or stimulus.role] += 1
    for shown in counts.values():
        if design == "2afc" and pairs == "focus":
            assert shown.pop("modelname0") == sum(shown.values())
            assert len(shown) == models - 1
        assert set(material.models) - {"modelname0"} <= set(shown)
        assert len(set(shown.values())) == 1


@settings(max_examples=10, deadline=None)
@given(st.integers(2, 7), st.integers(1, 12), st.integers(1, 23), st.sampled_from(["focus", "all"]))
def test_any_number_of_people_is_balanced_as_far_as_it_goes(
    synthetic, request_of, models, items, people, pairs
):
    for design in ("best-of-n", "2afc"):
        wanted = request_of(
            design=design, pairs=pairs, items=items, participants=people, questions=("identity",)
        )
        made = build(synthetic(models=models, size=8), wanted)
        assert balance(made.study, made.forms, made.key, made.rows).spread <= max(2, models)


def changed(form, **fields):
    return form.model_copy(update=fields)


def test_a_form_that_was_tampered_with_is_found_out(made):
    first, *others = made.forms
    with pytest.raises(BenchError, match="not met once"):
        balance(made.study, [changed(first, trials=first.trials[:-6]), *others], made.key, made.rows)


def test_slots_in_one_order_are_found_out(made):
    kinds = {trial.id: trial for trial in made.key.trials}
    plain = [
        changed(
            form,
            trials=tuple(
                changed(t, stimuli=tuple(sorted(t.stimuli, reverse=kinds[t.id].kind == "repeat")))
                for t in form.trials
            ),
        )
        for form in made.forms
    ]
    with pytest.raises(BenchError, match="not balanced"):
        balance(made.study, plain, made.key, made.rows)


def test_the_draw_spreads_over_domains_expressions_and_people(synthetic):
    material = synthetic(subjects=6)
    drawn = draw_items(material.candidates, 12, seed=1)
    assert len(set(drawn)) == 12
    assert set(Counter(c.domain for c in drawn).values()) == {6}
    assert set(Counter((c.domain, c.expression) for c in drawn).values()) == {2}
    assert set(Counter((c.domain, c.subject) for c in drawn).values()) == {1}
    assert drawn == draw_items(material.candidates, 12, seed=1)
    assert drawn != draw_items(material.candidates, 12, seed=2)


def test_the_draw_does_not_depend_on_the_secret(material, request_of):
    drawn = [
        {item.edit for item in build(material, request_of(secret=secret, participants=1)).key.items}
        for secret in (b"a" * 16, b"b" * 16)
    ]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("design", ["best-of-n", "2afc", "rating", "naming", "same-different"])
def test_checks_have_one_kind_of_right_answer(synthetic, request_of, design):
    questions = ONLY.get(design, ("expression", "identity", "realism"))
    made = build(synthetic(), request_of(design=design, questions=questions))
    trials = {trial.id: trial for form in made.forms for trial in form.trials}
    stimuli = {stimulus.name: stimulus for stimulus in made.key.stimuli}
    kinds = Counter(trial.kind for trial in made.key.trials)
    forms, asked = len(made.forms), len(questions)
    assert kinds["attention"] == forms
    assert kinds["gold"] == kinds["repeat"] == kinds["practice"] == forms * asked
    for known in made.key.trials:
        trial = trials[known.id]
        assert set(known.gold) <= set(trial.choices)
        assert bool(known.gold) == (known.kind in ("gold", "attention", "practice"))
        assert trial.practice == (known.kind == "practice")
        if known.kind == "gold" and len(trial.stimuli) > 1:
            assert len(known.gold) == 1
            right = stimuli[trial.chosen(known.gold[0])]
            wrong = [stimuli[name] for name in trial.stimuli if name != right.name]
            assert right.role in ("truth", "source")
            if trial.question == "expression":
                assert right.expression == trial.target
                assert trial.target not in {stimulus.expression for stimulus in wrong}
            elif trial.question == "identity":
                assert right.subject not in {stimulus.subject for stimulus in wrong}
            else:
                assert {stimulus.role for stimulus in wrong} == {"damaged"}


def test_forms_begin_with_practice_and_repeat_late(made):
    kinds = {trial.id: trial for trial in made.key.trials}
    for form in made.forms:
        order = [kinds[trial.id].kind for trial in form.trials]
        assert order[:3] == ["practice"] * 3
        assert "practice" not in order[3:]
        places = {trial.id: place for place, trial in enumerate(form.trials)}
        for trial in form.trials:
            if earlier := kinds[trial.id].repeats:
                assert places[trial.id] - places[earlier] >= 2
    blocks = Counter(form.blocks for form in made.forms)
    assert len(blocks) == 6
    ids = [trial.id for form in made.forms for trial in form.trials]
    assert len(set(ids)) == len(ids) == len(made.key.trials)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"items": 999}, "only 24 edits"),
        ({"focus": "nobody"}, "--focus nobody"),
        ({"design": "naming"}, "--questions expression"),
        ({"design": "same-different"}, "--questions identity"),
    ],
)
def test_what_cannot_be_made_says_why(material, request_of, changes, message):
    with pytest.raises(BenchError, match=message):
        build(material, request_of(**changes))


def test_two_models_at_least_are_compared(synthetic, request_of):
    with pytest.raises(BenchError, match="--model"):
        build(synthetic(models=1), request_of())


def test_without_real_photos_of_targets_the_lack_of_golds_is_told(synthetic, request_of):
    made = build(synthetic(truths=False), request_of(questions=("expression", "identity")))
    assert made.notes == (NO_GOLDS,)
    golds = {trial.question for trial in made.key.trials if trial.kind == "gold"}
    assert golds == {"identity"}


@pytest.mark.parametrize("shown", ["unknown", "happy"])
def test_a_rating_is_checked_by_photos_known_to_show_something_else(synthetic, request_of, shown):
    material = synthetic(shown=shown)
    made = build(material, request_of(design="rating", questions=("expression",), items=24))
    known = {trial.id: trial for trial in made.key.trials if trial.kind in ("gold", "practice")}
    checks = [trial for form in made.forms for trial in form.trials if trial.id in known]
    assert made.notes == ((NO_GOLDS,) if shown == "unknown" else ())
    assert bool(checks) == (shown == "happy")
    assert "happy" not in {trial.target for trial in checks}


def test_always_the_same_answer_fails_golds_of_same_different(synthetic, request_of):
    material = synthetic(size=8)
    wanted = request_of(design="same-different", questions=("identity",), items=24, participants=1)
    made = build(material, wanted)
    right = {trial.id: trial.gold for trial in made.key.trials if trial.kind == "gold"}
    assert sorted(right.values()) == [("different",), ("same",)]
    person = {stimulus.name: stimulus.subject for stimulus in made.key.stimuli}
    for trial in made.forms[0].trials:
        if gold := right.get(trial.id):
            assert (person[trial.reference] == person[trial.stimuli[0]]) == (gold == ("same",))
    few = build(material, request_of(design="same-different", questions=("identity",), participants=1))
    assert [trial.gold for trial in few.key.trials if trial.kind == "gold"] == [("different",)]


def test_two_photos_of_one_person_are_two_pictures(synthetic, request_of):
    """Each with the expression of the other, and in the place of a photo of a target where there is none."""
    material = synthetic(shots=2, truths=False, size=8)
    wanted = request_of(design="same-different", questions=("identity",), items=48, participants=4)
    made = build(material, wanted)
    photo_of = {candidate.edit: png(material.source(candidate)) for candidate in material.candidates}
    for trial, item, _ in main_trials(made):
        assert made.files[trial.reference] == photo_of[item.edit]
    photos = [stimulus for stimulus in made.key.stimuli if stimulus.model is None]
    assert all(made.files[photo.name] == photo_of[photo.edit] for photo in photos)
    assert len({(photo.role, photo.sha256) for photo in photos}) == len(photos)
