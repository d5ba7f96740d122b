"""Trials with an obvious answer, made of real photos: practice, and golds that tell who reads questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

import numpy as np

from ..material import UNKNOWN, Candidate
from ..schema import Design, Question
from ..wording import DIFFERENT, SAME
from .gallery import Gallery

EASY = ("happy", "surprised")
"""Expressions that people recognise most surely, so golds ask for them where they can."""
LOW = ("1", "2")
"""Points of a scale that are right for a picture which plainly does not show what is asked."""


@dataclass(frozen=True)
class Check:
    """Pictures for one check.

    ``right`` is to be chosen among ``wrong`` where there are several; a check of one picture has it as
    ``right``, no ``wrong``, and says in ``gold`` which answers are right.
    """

    question: Question
    target: str
    reference: str
    right: str
    wrong: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()


class CheckMaker:
    """Makes checks from candidates that are no items, as long as there are any.

    Args:
        gallery: Where their pictures go.
        items: What is not to be used.
        rng: Orders the candidates.
    """

    def __init__(self, gallery: Gallery, items: Sequence[Candidate], rng: np.random.Generator) -> None:
        self._gallery, self._all = gallery, gallery.material.candidates
        order = [self._all[place] for place in rng.permutation(len(self._all))]
        drawn, seen = set(items), {(item.domain, item.subject) for item in items}
        order.sort(key=lambda c: (c in drawn, not c.has_truth, _ease(c), (c.domain, c.subject) in seen))
        self._pool = order
        self._next = cycle(order)
        self._two_people = cycle((False, True))

    def make(self, design: Design, question: Question, slots: int) -> Check | None:
        """The next check; None where nobody knows the right answer about any real photo."""
        candidates = islice(self._next, len(self._all))
        candidate = next((one for one in candidates if _has_answer(one, design, question)), None)
        if candidate is None:
            return None
        maker = {"naming": self._naming, "same-different": self._same, "rating": self._rating}.get(design)
        if maker:
            return maker(candidate, question)
        return self._pick(candidate, question, slots)

    def _pick(self, candidate: Candidate, question: Question, slots: int) -> Check:
        add = self._gallery.add
        reference = add("source", candidate)
        if question == "expression":
            right = add("truth", candidate)
            wrong = [
                reference,
                *(add("truth", other) for other in islice(self._siblings(candidate), slots - 2)),
            ]
        elif question == "identity":
            right = add("truth", candidate) if candidate.has_truth else reference
            wrong = [add("other-person", other) for other in islice(self._others(candidate), slots - 1)]
        else:
            right = reference
            wrong = [add("damaged", other) for other in islice(self._others(candidate), slots - 1)]
        wrong = wrong or [add("damaged", candidate)]
        return Check(question, candidate.expression, reference, right, tuple(islice(cycle(wrong), slots - 1)))

    def _rating(self, candidate: Candidate, question: Question) -> Check:
        add = self._gallery.add
        reference = add("source", candidate)
        other = next(self._others(candidate), None)
        shown = reference
        if question == "identity" and other:
            shown = add("other-person", other)
        elif question != "expression":
            shown = add("damaged", candidate)
        return Check(question, candidate.expression, reference, shown, gold=LOW)

    def _naming(self, candidate: Candidate, question: Question) -> Check:
        shown = self._gallery.add("truth", candidate)
        return Check(question, candidate.expression, shown, shown, gold=(candidate.expression,))

    def _same(self, candidate: Candidate, question: Question) -> Check:
        """By turns the same and different, the practice first: no one answer is right for all golds."""
        add = self._gallery.add
        source, other = add("source", candidate), next(self._others(candidate), None)
        if next(self._two_people) and other:
            return Check(
                question, candidate.expression, source, add("other-person", other), gold=(DIFFERENT,)
            )
        return Check(question, candidate.expression, source, source, gold=(SAME,))

    def _siblings(self, candidate: Candidate) -> Iterator[Candidate]:
        """Other expressions of the same person, each once."""
        seen = {candidate.expression}
        for other in self._all:
            same = (other.dataset, other.domain, other.subject) == (
                candidate.dataset,
                candidate.domain,
                candidate.subject,
            )
            if same and other.has_truth and other.expression not in seen:
                seen.add(other.expression)
                yield other

    def _others(self, candidate: Candidate) -> Iterator[Candidate]:
        """Other people in the same domain, each once, with the same target where they have it."""
        return others(self._pool, candidate)


def others(pool: Sequence[Candidate], candidate: Candidate) -> Iterator[Candidate]:
    """Other people of a candidate's domain, each once, with the same target expression where they have it."""
    here = [c for c in pool if (c.dataset, c.domain) == (candidate.dataset, candidate.domain)]
    here.sort(key=lambda c: c.expression != candidate.expression)
    seen = {candidate.subject}
    for other in here:
        if other.subject not in seen:
            seen.add(other.subject)
            yield other


def _ease(candidate: Candidate) -> int:
    return EASY.index(candidate.expression) if candidate.expression in EASY else len(EASY)


def _has_answer(candidate: Candidate, design: Design, question: Question) -> bool:
    """Whether a real photo plainly shows the expression, or for a rating plainly does not."""
    if question != "expression":
        return True
    if design == "rating":
        return candidate.source_expression not in (UNKNOWN, candidate.expression)
    return candidate.has_truth
