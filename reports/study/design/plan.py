"""The parts of a study that all its forms share: items, entrants, counterbalancing rows and checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from fesbench.core.contracts import TRUTH
from fesbench.datasets.expressions import EXPRESSIONS

from ..material import Candidate, Material
from ..schema import GENUINE, IMPOSTOR, Design, Options, Question
from ..wording import answers
from .checks import Check, CheckMaker, others
from .counterbalance import Row, both_sides, pairs_of, singles, williams
from .gallery import Gallery
from .request import StudyRequest
from .stimuli import secret_hex, secret_rng

T = TypeVar("T")

ITEMS_PER_CHECK = 10
"""A block has one gold trial and one repeat for this many items, and at least one of each."""
FEWEST_PARTICIPANTS = 12
"""The smallest number of participants that is chosen by default."""


@dataclass(frozen=True)
class StudyPlan:
    """The parts of a study that all its forms share.

    Attributes:
        request: The request.
        material: The images of the run.
        items: The items, in an order that depends on the secret.
        ids: The id of each item.
        gallery: Collects the images.
        entrants: The names compared, in an order that depends on the secret; see ``entrants_of``.
        rows: The counterbalancing design: the entrants (indices) in each slot.
        checks: For each question the practice check, then the golds: equal for all participants.
        expressions: The expressions that a face can be named.
    """

    request: StudyRequest
    material: Material
    items: tuple[Candidate, ...]
    ids: tuple[str, ...]
    gallery: Gallery = field(repr=False)
    entrants: tuple[str, ...]
    rows: tuple[Row, ...]
    checks: dict[Question, list[Check]]
    expressions: tuple[str, ...]

    @property
    def study_id(self) -> str:
        """The id of the study."""
        return f"s{secret_hex(self.request.secret, 'study', 12)}"

    @property
    def participants(self) -> int:
        """The number of forms."""
        rows = len(self.rows)
        return self.request.participants or -(-FEWEST_PARTICIPANTS // rows) * rows

    @property
    def repeats(self) -> int:
        """The number of gold trials, and of repeats, in a block."""
        return checks_per_block(len(self.items))

    def row_images(self, item: Candidate, row: int) -> list[str]:
        """Return the stimuli of an item, by slot, in a row of the counterbalancing design."""
        return [self._image(item, self.entrants[entrant]) for entrant in self.rows[row]]

    def answers(self, question: Question, slots: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the choices of a trial and their labels."""
        scale = Options.model_fields["scale"].default
        return answers(self.request.design, question, slots, scale, self.expressions)

    def _image(self, item: Candidate, entrant: str) -> str:
        if entrant == GENUINE:
            return self.gallery.add("truth", item)
        if entrant == IMPOSTOR:
            return self.gallery.add("other-person", next(others(self.material.candidates, item)))
        return self.gallery.add("output", item, entrant)


def make_plan(material: Material, request: StudyRequest, drawn: Sequence[Candidate]) -> StudyPlan:
    """Plan a study of the drawn items."""
    secret = request.secret
    items = _shuffled(drawn, secret, "items")
    ids = tuple(f"i{secret_hex(secret, f'item:{item}', 8)}" for item in items)
    gallery = Gallery(material, secret, items, ids)
    entrants = _shuffled(entrants_of(request.design, material, drawn), secret, "models")
    rows = counterbalancing_rows(request, entrants)
    return StudyPlan(
        request=request,
        material=material,
        items=items,
        ids=ids,
        gallery=gallery,
        entrants=entrants,
        rows=tuple(rows),
        checks=_checks(request, gallery, items, len(rows[0])),
        expressions=_expressions(material),
    )


def entrants_of(design: Design, material: Material, items: Sequence[Candidate]) -> list[str]:
    """Return the names compared: models and, with some designs, controls and real pairs."""
    names = list(material.models)
    if design == "rating":
        names += material.anchors
    elif design == "naming":
        names += [anchor for anchor in material.anchors if anchor == TRUTH]
    elif design == "same-different":
        names += [GENUINE] * all(item.has_truth for item in items)
        names += [IMPOSTOR] * all(any(others(material.candidates, item)) for item in items)
    return names


def counterbalancing_rows(request: StudyRequest, entrants: Sequence[str]) -> list[Row]:
    """Return the rows of the counterbalancing design: the entrants (indices) in each slot."""
    if request.design == "best-of-n":
        return williams(len(entrants))
    if request.design == "2afc":
        focus = entrants.index(request.focus) if request.pairs == "focus" else None
        return both_sides(pairs_of(len(entrants), focus))
    return singles(len(entrants))


def checks_per_block(items: int) -> int:
    """Return the number of gold trials, and of repeats, in a block of ``items`` main trials."""
    return max(1, round(items / ITEMS_PER_CHECK))


def _checks(
    request: StudyRequest, gallery: Gallery, items: Sequence[Candidate], slots: int
) -> dict[Question, list[Check]]:
    maker = CheckMaker(gallery, items, secret_rng(request.secret, "checks"))
    count = 1 + checks_per_block(len(items))
    return {
        question: [
            check for _ in range(count) if (check := maker.make(request.design, question, slots)) is not None
        ]
        for question in request.questions
    }


def _expressions(material: Material) -> tuple[str, ...]:
    """Return the target expressions and neutral: known ones in their usual order, then the others."""
    names = {"neutral", *(candidate.expression for candidate in material.candidates)}
    known = [name for name in EXPRESSIONS if name in names]
    return (*known, *sorted(names.difference(known)))


def _shuffled(values: Sequence[T], secret: bytes, purpose: str) -> tuple[T, ...]:
    return tuple(values[place] for place in secret_rng(secret, purpose).permutation(len(values)))
