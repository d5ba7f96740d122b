"""Studies of every size are balanced, and changed forms are detected."""

from collections import Counter, defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fesbench.core.errors import BenchError
from fesbench.reports.study.design.balance import balance
from fesbench.reports.study.design.build import build

ONLY = {"naming": ("expression",), "same-different": ("identity",)}


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
