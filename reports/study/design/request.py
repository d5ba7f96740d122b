"""What is asked of a study, and the study that is built from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..schema import Design, Exclusion, Form, Key, Question, Study


@dataclass(frozen=True)
class StudyRequest:
    """What is asked of a study.

    Attributes:
        design: The design.
        questions: The questions, in any order.
        items: The number of items to draw.
        participants: The number of forms; None chooses the smallest number that balances exactly and is not
            below ``plan.FEWEST_PARTICIPANTS``.
        seed: Seed of the draw of the items.
        secret: Random bytes, new for each study: they generate names, orders and pseudonyms.
        focus: The model that the hypotheses concern.
        pairs: The pairs of 2afc: the focus with each other model, or all.
        outputs: The kinds of files in the packet.
        permission: The organiser's statement that faces may be shown in public.
        title: The title shown to participants.
        institution: The institution shown to participants.
        contact: The contact shown to participants.
        draft: Whether texts for participants are incomplete.
        exclusion: The rules that exclude participants.
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
class BuiltStudy:
    """A study in memory: its public part (``study``, ``forms``, ``files``) and its key.

    Attributes:
        study: The study.
        forms: One form for each participant.
        files: Stimulus name to PNG file.
        key: The key.
        rows: The number of rows of the counterbalancing design; a multiple of it as participants is exactly
            balanced.
        notes: Messages to the organiser about checks that the material does not allow.
    """

    study: Study
    forms: tuple[Form, ...]
    files: Mapping[str, bytes]
    key: Key
    rows: int
    notes: tuple[str, ...]
