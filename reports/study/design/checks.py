"""Checks made of real photos, with an obvious answer: practice and gold trials."""

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
"""The expressions that people recognise most reliably; golds prefer them."""
LOW = ("1", "2")
"""Correct ratings of an image that clearly does not show what is asked."""


@dataclass(frozen=True)
class Check:
    """The images of one check.

    With several images, ``right`` is the correct choice and ``wrong`` are the others. With a single image,
    ``right`` is that image, ``wrong`` is empty, and ``gold`` holds the correct answers.
    """

    question: Question
    target: str
    reference: str
    right: str
    wrong: tuple[str, ...] = ()
    gold: tuple[str, ...] = ()


class CheckMaker:
    """Makes checks, preferably from candidates that are not items.

    Args:
        gallery: Collects the images.
        items: The items of the study.
        rng: Random generator for the order of the candidates.
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
        """Return the next check, or None if the correct answer is not known for any real photo."""
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
        """Alternate between the two answers, so that no single answer is correct for all golds."""
        add = self._gallery.add
        source, other = add("source", candidate), next(self._others(candidate), None)
        if next(self._two_people) and other:
            return Check(
                question, candidate.expression, source, add("other-person", other), gold=(DIFFERENT,)
            )
        return Check(question, candidate.expression, source, source, gold=(SAME,))

    def _siblings(self, candidate: Candidate) -> Iterator[Candidate]:
        """Yield the other expressions of the same person, once each."""
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
        """Yield other people of the same domain, once each, preferably with the same target expression."""
        return others(self._pool, candidate)


def others(pool: Sequence[Candidate], candidate: Candidate) -> Iterator[Candidate]:
    """Yield other people of a candidate's domain, once each, preferably with the same target expression."""
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
    """Whether a real photo is known to show the expression, or for a rating not to show it."""
    if question != "expression":
        return True
    if design == "rating":
        return candidate.source_expression not in (UNKNOWN, candidate.expression)
    return candidate.has_truth
