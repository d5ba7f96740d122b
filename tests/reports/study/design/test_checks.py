"""Checks have the answers that they should."""

from collections import Counter

import pytest

from fesbench.reports.study.design.build import build

NO_GOLDS = "no practice and no golds for expression: no real photo has an answer that is known"


ONLY = {"naming": ("expression",), "same-different": ("identity",)}


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
