"""Builds a study from the material of a run: draws items, balances what is met where, hides the models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from fesbench.core.errors import BenchError
from fesbench.datasets.expressions import EXPRESSIONS

from ..material import Candidate, Material, draw
from ..schema import (
    GENUINE,
    IMPOSTOR,
    Design,
    Exclusion,
    Form,
    ItemKey,
    Key,
    Kind,
    Options,
    Question,
    Study,
    Trial,
    TrialKey,
)
from ..wording import NONE, SECONDS, answers, has_reference, instructed, prompt
from .checks import Check, CheckMaker, others
from .counterbalance import Row, both_sides, pairs_of, singles, williams
from .gallery import Gallery
from .stimuli import secret_hex, secret_rng

MOST_AT_ONCE = 12
"""Pictures that one page shows at a glance."""
SHARE_OF_CHECKS = 10
"""One gold and one repeat for so many items of a question, at least one of each."""


FEWEST = 12
"""Participants where nobody says how many."""


@dataclass(frozen=True)
class Request:
    """What is asked of a study; ``secret`` must be new for each.

    No ``participants`` means the first number that balances exactly and is not below ``FEWEST``.
    """

    design: Design
    questions: tuple[Question, ...]
    items: int
    participants: int | None
    seed: int
    secret: bytes = field(repr=False)
    focus: str
    pairs: Literal["focus", "all"] = "focus"
    outputs: tuple[str, ...] = ()
    permission: str | None = None
    title: str = "Pictures of faces"
    institution: str = ""
    contact: str = ""
    draft: bool = True
    exclusion: Exclusion = field(default_factory=Exclusion)


@dataclass(frozen=True)
class Made:
    """A study in memory: what may be published (``study``, ``forms``, ``files``) and its key.

    ``rows`` is the length of the counterbalancing design; a multiple of it as participants is exactly
    balanced. ``notes`` tell the organiser what the material did not allow.
    """

    study: Study
    forms: tuple[Form, ...]
    files: Mapping[str, bytes]
    key: Key
    rows: int
    notes: tuple[str, ...]


def entrants(design: Design, material: Material, items: Sequence[Candidate]) -> list[str]:
    """What stands in for a model, in no order: models, with some designs anchors and real photos too."""
    known = list(material.models)
    if design == "rating":
        known += material.anchors
    elif design == "naming":
        known += [anchor for anchor in material.anchors if anchor == "truth"]
    elif design == "same-different":
        known += [GENUINE] * all(item.has_truth for item in items)
        known += [IMPOSTOR] * all(any(others(material.candidates, item)) for item in items)
    return known


def presentations(request: Request, names: Sequence[str]) -> list[Row]:
    """The rows of a design: which entrants stand in which slots."""
    if request.design == "best-of-n":
        return williams(len(names))
    if request.design == "2afc":
        focus = names.index(request.focus) if request.pairs == "focus" else None
        return both_sides(pairs_of(len(names), focus))
    return singles(len(names))


def build(material: Material, request: Request) -> Made:
    """Build a study.

    Raises:
        BenchError: the material does not have what the design needs.
    """
    _check(material, request)
    items = draw(material.candidates, request.items, request.seed)
    return _Builder(material, request, items).made()


def _check(material: Material, request: Request) -> None:
    models = len(material.models)
    if request.design in ("best-of-n", "2afc") and not 2 <= models <= MOST_AT_ONCE:
        raise BenchError(
            f"{request.design} compares 2 to {MOST_AT_ONCE} models, and {material.run} gives {models} "
            f"({', '.join(material.models) or 'none'}); choose them with --model, controls included"
        )
    if not models:
        raise BenchError(f"the run {material.run} has no models to show but controls; choose with --model")
    only: dict[Design, Question] = {"naming": "expression", "same-different": "identity"}
    if request.design in only and request.questions != (only[request.design],):
        raise BenchError(
            f"{request.design} asks about one thing alone; give --questions {only[request.design]}"
        )
    if request.focus not in material.models:
        raise BenchError(
            f"--focus {request.focus} is none of the models compared: {', '.join(material.models)}"
        )


class _Builder:
    """The state of one building: pictures and trials, as they are added."""

    def __init__(self, material: Material, request: Request, items: Sequence[Candidate]) -> None:
        self.material, self.request = material, request
        secret = request.secret
        self.items = [items[place] for place in secret_rng(secret, "items").permutation(len(items))]
        self.ids = [f"i{secret_hex(secret, f'item:{item}', 8)}" for item in self.items]
        self.gallery = Gallery(material, secret, self.items, self.ids)
        names = entrants(request.design, material, items)
        self.names = [names[place] for place in secret_rng(secret, "models").permutation(len(names))]
        self.rows = presentations(request, self.names)
        self.slots = len(self.rows[0])
        self.participants = request.participants or -(-FEWEST // len(self.rows)) * len(self.rows)
        self.study_id = f"s{secret_hex(secret, 'study', 12)}"
        self.extra = max(1, round(len(items) / SHARE_OF_CHECKS))
        self.notes: list[str] = []
        targets = {candidate.expression for candidate in material.candidates}
        known = {"neutral", *targets}
        self.expressions = sorted(
            known, key=lambda name: EXPRESSIONS.index(name) if name in EXPRESSIONS else 99
        )
        self.checks = self._checks()
        self.trial_keys: list[TrialKey] = []

    def _checks(self) -> dict[Question, list[Check]]:
        """For each question the practice check, then the golds: the same for every participant."""
        request = self.request
        maker = CheckMaker(self.gallery, self.items, secret_rng(request.secret, "checks"))
        found: dict[Question, list[Check]] = {}
        for question in request.questions:
            made = (maker.make(request.design, question, self.slots) for _ in range(1 + self.extra))
            found[question] = [check for check in made if check]
            if not found[question]:
                self.notes.append(
                    f"no practice and no golds for {question}: no real photo has an answer that is known"
                )
        return found

    def made(self) -> Made:
        forms = tuple(self._form(number) for number in range(self.participants))
        request, material = self.request, self.material
        key = Key(
            study=self.study_id,
            run=material.run,
            datasets=tuple(dict.fromkeys(item.dataset for item in self.items)),
            models=material.models,
            titles=dict(material.titles),
            anchors=tuple(name for name in self.names if name in material.anchors),
            focus=request.focus,
            secret=request.secret.hex(),
            permission=request.permission,
            items=tuple(self._item_key(place) for place in range(len(self.items))),
            stimuli=tuple(self.gallery.keys[name] for name in sorted(self.gallery.keys)),
            trials=tuple(sorted(self.trial_keys, key=lambda trial: trial.id)),
        )
        return Made(self._study(forms), forms, self.gallery.files, key, len(self.rows), tuple(self.notes))

    def _study(self, forms: Sequence[Form]) -> Study:
        request = self.request
        trials = max(len(form.trials) for form in forms)
        return Study(
            id=self.study_id,
            title=request.title,
            seed=request.seed,
            design=request.design,
            questions=request.questions,
            options=Options(
                items=request.items,
                participants=self.participants,
                models=len(self.material.models),
                gold=self.extra,
                repeats=self.extra,
                pixels=self.material.size,
                pairs=request.pairs,
                exclusion=request.exclusion,
            ),
            forms=tuple(form.id for form in forms),
            outputs=request.outputs,
            draft=request.draft,
            institution=request.institution,
            contact=request.contact,
            minutes=-(-trials * SECONDS[request.design] // 60) + 2,
        )

    def _item_key(self, place: int) -> ItemKey:
        item = self.items[place]
        return ItemKey(
            id=self.ids[place],
            dataset=item.dataset,
            domain=item.domain,
            subject=item.subject,
            expression=item.expression,
            edit=item.edit,
        )

    def _form(self, number: int) -> Form:
        questions = self.request.questions
        orders = williams(len(questions))
        blocks = tuple(questions[place] for place in orders[number % len(orders)])
        page = _Page(self, f"F{number + 1:04d}", secret_rng(self.request.secret, f"form:{number}"))
        trials = [page.check(question, 0, "practice") for question in blocks if self.checks[question]]
        for place, question in enumerate(blocks):
            trials += page.block(number, question, attentive=place == number % len(blocks))
        return Form(study=self.study_id, id=page.form, blocks=blocks, trials=tuple(trials))

    def picture(self, item: Candidate, name: str) -> str:
        """The stimulus that an entrant stands for."""
        if name == GENUINE:
            return self.gallery.add("truth", item)
        if name == IMPOSTOR:
            return self.gallery.add("other-person", next(others(self.material.candidates, item)))
        return self.gallery.add("output", item, name)


class _Shown(NamedTuple):
    """What is seen in a trial; a design that shows no original ignores ``reference``."""

    prompt: str
    target: str
    reference: str
    stimuli: Sequence[str]


class _Page:
    """Adds the trials of one form."""

    def __init__(self, builder: _Builder, form: str, rng: np.random.Generator) -> None:
        self.builder, self.form, self.rng = builder, form, rng

    def block(self, number: int, question: Question, attentive: bool) -> list[Trial]:
        """The trials of one question: items in the order of a Williams design, with checks among them."""
        builder = self.builder
        shift = builder.request.questions.index(question)
        orders = williams(len(builder.items))
        order = orders[(number + shift) % len(orders)]
        rows = {place: (place + number + shift) % len(builder.rows) for place in order}
        block = [self._main(question, place, rows[place], "main") for place in order]
        early = self.rng.permutation(max(1, len(order) // 2))[: builder.extra]
        again = [(order[at], block[at]) for at in sorted(early)]
        for gold in range(1, len(builder.checks[question])):
            self._insert(block, self.check(question, gold, "gold"), 0)
        if attentive:
            self._insert(block, self._attention(question), len(block) // 2)
        for place, trial in again:
            late = max(block.index(trial) + 2, len(block) * 3 // 4)
            self._insert(block, self._main(question, place, rows[place], "repeat", trial.id), late)
        return block

    def _insert(self, block: list[Trial], trial: Trial, first: int) -> None:
        """Put a trial somewhere from place ``first`` on, or at the end."""
        block.insert(int(self.rng.integers(min(first, len(block)), len(block) + 1)), trial)

    def _main(
        self, question: Question, place: int, row: int, kind: Kind, repeats: str | None = None
    ) -> Trial:
        builder, item = self.builder, self.builder.items[place]
        stimuli = self._row(item, row)
        key = TrialKey(
            id=self._id(question, kind, place),
            form=self.form,
            kind=kind,
            question=question,
            item=builder.ids[place],
            repeats=repeats,
            row=row,
        )
        wording = prompt(builder.request.design, question, item.expression)
        reference = builder.gallery.add("source", item)
        shown = stimuli[::-1] if repeats else stimuli
        return self._add(key, _Shown(wording, item.expression, reference, shown))

    def check(self, question: Question, place: int, kind: Kind) -> Trial:
        """A practice or gold trial, its pictures in random order."""
        check = self.builder.checks[question][place]
        shown = [check.right, *check.wrong]
        stimuli = [shown[at] for at in self.rng.permutation(len(shown))]
        key = TrialKey(
            id=self._id(question, kind, place),
            form=self.form,
            kind=kind,
            question=question,
            item=None,
            gold=check.gold or self._letters_of(check.right, question, stimuli),
        )
        wording = prompt(self.builder.request.design, question, check.target)
        return self._add(key, _Shown(wording, check.target, check.reference, stimuli))

    def _attention(self, question: Question) -> Trial:
        """A trial that looks like the others and says which answer to give."""
        builder = self.builder
        item = builder.items[int(self.rng.integers(len(builder.items)))]
        stimuli = self._row(item, int(self.rng.integers(len(builder.rows))))
        choices, labels = self._answers(question, len(stimuli))
        usable = [at for at, choice in enumerate(choices) if choice != NONE]
        asked = usable[int(self.rng.integers(len(usable)))]
        key = TrialKey(
            id=self._id(question, "attention", ""),
            form=self.form,
            kind="attention",
            question=question,
            item=None,
            gold=(choices[asked],),
        )
        wording = instructed(builder.request.design, labels[asked])
        return self._add(key, _Shown(wording, item.expression, builder.gallery.add("source", item), stimuli))

    def _row(self, item: Candidate, row: int) -> list[str]:
        """The pictures of an item in the places of a row of the design."""
        builder = self.builder
        return [builder.picture(item, builder.names[entrant]) for entrant in builder.rows[row]]

    def _letters_of(self, right: str, question: Question, stimuli: Sequence[str]) -> tuple[str, ...]:
        choices, _ = self._answers(question, len(stimuli))
        return tuple(choice for choice, name in zip(choices, stimuli, strict=True) if name == right)

    def _answers(self, question: Question, slots: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        scale = Options.model_fields["scale"].default
        return answers(self.builder.request.design, question, slots, scale, self.builder.expressions)

    def _id(self, question: Question, kind: Kind, place: int | str) -> str:
        purpose = f"trial:{self.form}:{question}:{kind}:{place}"
        return f"t{secret_hex(self.builder.request.secret, purpose, 12)}"

    def _add(self, key: TrialKey, shown: _Shown) -> Trial:
        self.builder.trial_keys.append(key)
        design, question = self.builder.request.design, key.question
        choices, labels = self._answers(question, len(shown.stimuli))
        return Trial(
            id=key.id,
            practice=key.kind == "practice",
            question=question,
            prompt=shown.prompt,
            target="" if design == "naming" else shown.target,
            reference=shown.reference if has_reference(design, question) else None,
            stimuli=tuple(shown.stimuli),
            choices=choices,
            labels=labels,
        )
