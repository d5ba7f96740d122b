"""Build the forms of a study: each with practice, blocks of trials and the checks among them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..schema import Form, Kind, Question, Trial, TrialKey
from ..wording import NONE, has_reference, instructed, prompt
from .counterbalance import williams
from .plan import StudyPlan
from .stimuli import secret_hex, secret_rng


def build_form(plan: StudyPlan, number: int) -> tuple[Form, list[TrialKey]]:
    """Build the form of one participant.

    Args:
        plan: The plan of the study.
        number: The number of the participant, from 0.

    Returns:
        The form and the keys of its trials.
    """
    questions = plan.request.questions
    orders = williams(len(questions))
    blocks = tuple(questions[place] for place in orders[number % len(orders)])
    builder = _FormBuilder(plan, number)
    trials = [builder.check(question, 0, "practice") for question in blocks if plan.checks[question]]
    for place, question in enumerate(blocks):
        trials += builder.block(question, attention=place == number % len(blocks))
    form = Form(study=plan.study_id, id=builder.id, blocks=blocks, trials=tuple(trials))
    return form, builder.keys


class _Shown(NamedTuple):
    """The content of a trial; designs without an original ignore ``reference``."""

    prompt: str
    target: str
    reference: str
    stimuli: Sequence[str]


class _FormBuilder:
    """Builds the trials of one form and collects their keys."""

    def __init__(self, plan: StudyPlan, number: int) -> None:
        self.plan, self.number, self.id = plan, number, f"F{number + 1:04d}"
        self.keys: list[TrialKey] = []
        self._rng = secret_rng(plan.request.secret, f"form:{number}")

    def block(self, question: Question, attention: bool) -> list[Trial]:
        """Build the trials of one question: items in the order of a Williams design, checks among them."""
        plan = self.plan
        shift = self.number + plan.request.questions.index(question)
        orders = williams(len(plan.items))
        order = orders[shift % len(orders)]
        block = [self._main(question, item, shift, "main") for item in order]
        early = self._rng.permutation(max(1, len(order) // 2))[: plan.repeats]
        repeated = [(order[place], block[place]) for place in sorted(early)]
        for gold in range(1, len(plan.checks[question])):
            self._insert(block, self.check(question, gold, "gold"), 0)
        if attention:
            self._insert(block, self._attention(question), len(block) // 2)
        for item, trial in repeated:
            late = max(block.index(trial) + 2, len(block) * 3 // 4)
            self._insert(block, self._main(question, item, shift, "repeat", trial.id), late)
        return block

    def check(self, question: Question, place: int, kind: Kind) -> Trial:
        """Build a practice or gold trial, its images in random order."""
        check = self.plan.checks[question][place]
        images = [check.right, *check.wrong]
        stimuli = [images[at] for at in self._rng.permutation(len(images))]
        gold = check.gold or self._choices_of(check.right, question, stimuli)
        text = prompt(self.plan.request.design, question, check.target)
        key = self._key(question, kind, place, gold=gold)
        return self._trial(key, _Shown(text, check.target, check.reference, stimuli))

    def _insert(self, block: list[Trial], trial: Trial, first: int) -> None:
        """Insert a trial at a random position from ``first`` on, or at the end."""
        block.insert(int(self._rng.integers(min(first, len(block)), len(block) + 1)), trial)

    def _main(
        self, question: Question, place: int, shift: int, kind: Kind, repeats: str | None = None
    ) -> Trial:
        plan, item = self.plan, self.plan.items[place]
        row = (place + shift) % len(plan.rows)
        stimuli = plan.row_images(item, row)
        text = prompt(plan.request.design, question, item.expression)
        reference = plan.gallery.add("source", item)
        key = self._key(question, kind, place, item=plan.ids[place], repeats=repeats, row=row)
        return self._trial(
            key, _Shown(text, item.expression, reference, stimuli[::-1] if repeats else stimuli)
        )

    def _attention(self, question: Question) -> Trial:
        """Build a trial that looks like a main trial and says which answer to give."""
        plan = self.plan
        item = plan.items[int(self._rng.integers(len(plan.items)))]
        stimuli = plan.row_images(item, int(self._rng.integers(len(plan.rows))))
        choices, labels = plan.answers(question, len(stimuli))
        usable = [at for at, choice in enumerate(choices) if choice != NONE]
        asked = usable[int(self._rng.integers(len(usable)))]
        text = instructed(plan.request.design, labels[asked])
        key = self._key(question, "attention", "", gold=(choices[asked],))
        return self._trial(key, _Shown(text, item.expression, plan.gallery.add("source", item), stimuli))

    def _choices_of(self, right: str, question: Question, stimuli: Sequence[str]) -> tuple[str, ...]:
        choices, _ = self.plan.answers(question, len(stimuli))
        return tuple(choice for choice, name in zip(choices, stimuli, strict=True) if name == right)

    def _key(
        self,
        question: Question,
        kind: Kind,
        place: int | str,
        item: str | None = None,
        gold: tuple[str, ...] = (),
        repeats: str | None = None,
        row: int | None = None,
    ) -> TrialKey:
        purpose = f"trial:{self.id}:{question}:{kind}:{place}"
        return TrialKey(
            id=f"t{secret_hex(self.plan.request.secret, purpose, 12)}",
            form=self.id,
            kind=kind,
            question=question,
            item=item,
            gold=gold,
            repeats=repeats,
            row=row,
        )

    def _trial(self, key: TrialKey, shown: _Shown) -> Trial:
        self.keys.append(key)
        design, question = self.plan.request.design, key.question
        choices, labels = self.plan.answers(question, len(shown.stimuli))
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
