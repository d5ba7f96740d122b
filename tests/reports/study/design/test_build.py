"""Forms have their parts in order, and requests that cannot be met are refused."""

from collections import Counter

import pytest

from fesbench.core.errors import BenchError
from fesbench.reports.study.design.build import build
from fesbench.reports.study.design.stimuli import png


def main_trials(made):
    kinds = {trial.id: trial for trial in made.key.trials}
    items = {item.id: item for item in made.key.items}
    stimuli = {stimulus.name: stimulus for stimulus in made.key.stimuli}
    for form in made.forms:
        for trial in form.trials:
            if kinds[trial.id].kind == "main":
                yield trial, items[kinds[trial.id].item], [stimuli[name] for name in trial.stimuli]


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
