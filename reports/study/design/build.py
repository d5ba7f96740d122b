"""Build a study from the material of a run: draw items, counterbalance the models, blind the images."""

from __future__ import annotations

from collections.abc import Sequence

from fesbench.core.errors import BenchError

from ..material import Material
from ..schema import Design, Form, ItemKey, Key, Options, Question, Study, TrialKey
from ..wording import SECONDS
from .draw import draw_items
from .forms import build_form
from .plan import StudyPlan, make_plan
from .request import BuiltStudy, StudyRequest

MOST_AT_ONCE = 12
"""The largest number of images that one page shows at once."""

_ONLY_QUESTION: dict[Design, Question] = {"naming": "expression", "same-different": "identity"}
"""The designs that ask one question only."""


def build(material: Material, request: StudyRequest) -> BuiltStudy:
    """Build a study.

    Args:
        material: The images of a run.
        request: What is asked of the study.

    Raises:
        BenchError: the material does not have what the design needs.
    """
    _check(material, request)
    plan = make_plan(material, request, draw_items(material.candidates, request.items, request.seed))
    built = [build_form(plan, number) for number in range(plan.participants)]
    forms = tuple(form for form, _ in built)
    return BuiltStudy(
        study=_study(plan, forms),
        forms=forms,
        files=plan.gallery.files,
        key=_key(plan, [key for _, keys in built for key in keys]),
        rows=len(plan.rows),
        notes=tuple(
            f"no practice and no golds for {question}: no real photo has an answer that is known"
            for question, checks in plan.checks.items()
            if not checks
        ),
    )


def _check(material: Material, request: StudyRequest) -> None:
    models = len(material.models)
    if request.design in ("best-of-n", "2afc") and not 2 <= models <= MOST_AT_ONCE:
        raise BenchError(
            f"{request.design} compares 2 to {MOST_AT_ONCE} models, and {material.run} gives {models} "
            f"({', '.join(material.models) or 'none'}); choose them with --model, controls included"
        )
    if not models:
        raise BenchError(f"the run {material.run} has no models to show but controls; choose with --model")
    only = _ONLY_QUESTION.get(request.design)
    if only and request.questions != (only,):
        raise BenchError(f"{request.design} asks one question only; give --questions {only}")
    if request.focus not in material.models:
        raise BenchError(
            f"--focus {request.focus} is none of the models compared: {', '.join(material.models)}"
        )


def _study(plan: StudyPlan, forms: Sequence[Form]) -> Study:
    request = plan.request
    trials = max(len(form.trials) for form in forms)
    return Study(
        id=plan.study_id,
        title=request.title,
        seed=request.seed,
        design=request.design,
        questions=request.questions,
        options=_options(plan),
        forms=tuple(form.id for form in forms),
        outputs=request.outputs,
        draft=request.draft,
        institution=request.institution,
        contact=request.contact,
        minutes=-(-trials * SECONDS[request.design] // 60) + 2,
    )


def _options(plan: StudyPlan) -> Options:
    return Options(
        items=plan.request.items,
        participants=plan.participants,
        models=len(plan.material.models),
        gold=plan.repeats,
        repeats=plan.repeats,
        pixels=plan.material.size,
        pairs=plan.request.pairs,
        exclusion=plan.request.exclusion,
    )


def _key(plan: StudyPlan, trials: Sequence[TrialKey]) -> Key:
    material, stimuli = plan.material, plan.gallery.keys
    return Key(
        study=plan.study_id,
        run=material.run,
        datasets=tuple(dict.fromkeys(item.dataset for item in plan.items)),
        models=material.models,
        titles=dict(material.titles),
        anchors=tuple(name for name in plan.entrants if name in material.anchors),
        focus=plan.request.focus,
        secret=plan.request.secret.hex(),
        permission=plan.request.permission,
        items=_items(plan),
        stimuli=tuple(stimuli[name] for name in sorted(stimuli)),
        trials=tuple(sorted(trials, key=lambda trial: trial.id)),
    )


def _items(plan: StudyPlan) -> tuple[ItemKey, ...]:
    return tuple(
        ItemKey(
            id=name,
            dataset=item.dataset,
            domain=item.domain,
            subject=item.subject,
            expression=item.expression,
            edit=item.edit,
        )
        for name, item in zip(plan.ids, plan.items, strict=True)
    )
