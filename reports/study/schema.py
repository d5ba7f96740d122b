"""The one description of a study that everything else is made from: packets, pages, platforms, analysis.

What participants may see is a ``Study`` and its ``Form``s, one for each participant. What tells a picture's
model, and which trials are checks, is the ``Key``, which lies in a folder of its own. A ``Response`` is one
answer to one trial, whatever platform it came through. All are stored as JSON; see ``storage``.

An answer is always one of its trial's ``choices``. With ``best-of-n`` and ``2afc`` these are the letters of
the pictures, in the order of ``stimuli``, so the picture that ``answer`` stands for is
``trial.stimuli[trial.choices.index(answer)]`` (``Trial.chosen``).
"""

from __future__ import annotations

from datetime import datetime
from itertools import count, groupby
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_VERSION: Literal[1] = 1

Design = Literal["best-of-n", "2afc", "rating", "naming", "same-different"]
"""``best-of-n``: all models at once, which is best. ``2afc``: two models, which is better. ``rating``: one
picture on a scale. ``naming``: one picture, which expression. ``same-different``: is it the same person."""
Question = Literal["expression", "identity", "realism"]
Kind = Literal["practice", "main", "gold", "repeat", "attention"]
"""What a trial is for. ``gold`` has an obvious answer; ``repeat`` asks a main trial again, its pictures in
reversed order; ``attention`` says which answer to give; answers to ``practice`` count for nothing."""
Role = Literal["output", "source", "truth", "other-person", "damaged"]
"""What a picture is: a model's output; the real input; the real photo of the target; a real photo
of another subject; a real photo spoilt on purpose."""
Measurement = Literal["nominal", "ordinal"]
Platform = Literal["web", "server", "paper", "mturk", "qualtrics", "gforms", "potato"]

GENUINE, IMPOSTOR = "#truth", "#other-person"
"""Real pairs with same-different: the same person with another expression; somebody else."""

DESIGNS: tuple[Design, ...] = get_args(Design)
QUESTIONS: tuple[Question, ...] = get_args(Question)
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
KINDS: tuple[Kind, ...] = get_args(Kind)

StimulusName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""The stem of a picture's file, ``stimuli/<name>.png``: 128 bits that tell nothing without the key."""
TrialId = Annotated[str, StringConstraints(pattern=r"^t[0-9a-f]{12}$")]
"""Unique in the study, over all forms; tells neither form, nor place, nor kind."""
FormId = Annotated[str, StringConstraints(pattern=r"^F[0-9]{4}$")]
StudyId = Annotated[str, StringConstraints(pattern=r"^s[0-9a-f]{12}$")]
SCREEN = r"^[0-9]{1,5}x[0-9]{1,5}$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exclusion(_Frozen):
    """Rules, fixed before any data, by which a participant's answers are left out of the analysis.

    ``gold_share`` is the smallest share of gold trials answered rightly; ``median_rt_ms`` the shortest median
    time for an answer (platforms that measure none are not judged by it); ``same_slot_share`` the largest
    share of answers in one and the same place, where there are several pictures; a participant with at least
    ``repeats`` repeated trials that agree less often than by chance is left out (fewer say too little about
    anyone), and one who did not finish where ``complete``.
    """

    gold_share: float = Field(default=0.8, ge=0, le=1)
    median_rt_ms: float = Field(default=800, ge=0)
    same_slot_share: float = Field(default=0.9, ge=0, le=1)
    repeats: int = Field(default=4, ge=1)
    complete: bool = True


class Options(_Frozen):
    """How large the study is and how it is checked.

    ``items`` are drawn once for all models and participants; ``models`` counts the models compared. Counts of
    ``practice``, ``gold``, ``repeats`` are for each question of a form; of ``attention`` for a whole form.
    ``pixels`` is the side of every stimulus; ``scale`` the number of points of a rating. ``pairs`` holds with
    ``2afc``: ``focus`` sets one model against each other one, ``all`` is every pair.
    """

    items: int = Field(ge=1)
    participants: int = Field(ge=1)
    models: int = Field(ge=1)
    practice: int = Field(default=1, ge=0)
    gold: int = Field(default=1, ge=0)
    repeats: int = Field(default=1, ge=0)
    attention: int = Field(default=1, ge=0)
    pixels: int = Field(ge=1)
    scale: int = Field(default=5, ge=2, le=10)
    pairs: Literal["focus", "all"] = "focus"
    exclusion: Exclusion = Exclusion()


class Study(_Frozen):
    """What a study asks, without anything that would tell a model.

    ``seed`` repeats the draw of the items; what hides the models also needs the key. ``outputs``
    names the kinds of files that the packet may hold: those of a web page or crowd platform are missing where
    a data set's licence forbids showing its faces in public and no permission is stated.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    id: StudyId
    title: str
    seed: int = Field(ge=0)
    design: Design
    questions: Annotated[tuple[Question, ...], Field(min_length=1)]
    options: Options
    forms: tuple[FormId, ...]
    outputs: tuple[str, ...]
    draft: bool
    institution: str = ""
    contact: str = ""
    minutes: int = Field(ge=1)
    """Rough length of one form, told to participants."""

    @property
    def measurement(self) -> Measurement:
        """The level of the answers: points of a scale have an order, choices have none."""
        return "ordinal" if self.design == "rating" else "nominal"


class Trial(_Frozen):
    """One thing to answer, as a participant sees it: neither its kind nor its item is told, practice apart.

    ``prompt`` is the question in words. ``target`` is the expression asked for, empty with naming.
    ``reference`` is the picture shown above as the original, None where the design shows none.
    ``stimuli`` are the pictures to judge, by slot: all models' with best-of-n, two with 2afc, else one.
    ``choices`` are the possible answers in order, and ``labels`` what they are called on a page: equal to
    the choices but for scales, words and yes-no.
    """

    id: TrialId
    practice: bool = False
    question: Question
    prompt: str
    target: str
    reference: StimulusName | None = None
    stimuli: Annotated[tuple[StimulusName, ...], Field(min_length=1)]
    choices: Annotated[tuple[str, ...], Field(min_length=2)]
    labels: Annotated[tuple[str, ...], Field(min_length=2)]

    def chosen(self, answer: str) -> str:
        """The name of the picture that an answer is about: the chosen one, or the only one.

        Raises:
            ValueError: ``answer`` is none of the choices.
        """
        place = self.choices.index(answer)
        return self.stimuli[place] if len(self.stimuli) > 1 else self.stimuli[0]


class Form(_Frozen):
    """What one participant is asked, in order: practice first, then one block for each of ``blocks``."""

    study: StudyId
    id: FormId
    blocks: tuple[Question, ...]
    trials: tuple[Trial, ...]

    @property
    def parts(self) -> list[tuple[str, tuple[Trial, ...]]]:
        """The practice, where there is one, and the blocks, each with its title; between them are breaks."""
        groups = groupby(self.trials, lambda trial: "" if trial.practice else trial.question)
        places = count(1)
        return [
            (f"Part {next(places)} of {len(self.blocks)}" if question else "Practice", tuple(trials))
            for question, trials in groups
        ]

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Every picture of the form, references too, each once, in order of first appearance."""
        shown = (
            name
            for trial in self.trials
            for name in ((trial.reference,) if trial.reference else ()) + trial.stimuli
        )
        return tuple(dict.fromkeys(shown))


class ItemKey(_Frozen):
    """A drawn item: one edit of the run. ``expression`` is the target asked for."""

    id: str
    dataset: str
    domain: str
    subject: str
    expression: str
    edit: str


class StimulusKey(_Frozen):
    """What a picture is. ``model`` is set for outputs alone; ``sha256`` is of the published file.

    ``expression`` is what the picture shows, or was meant to show: for an output the target, for the source
    its own expression. ``item`` is None for pictures that belong to checks alone.
    """

    name: StimulusName
    role: Role
    model: str | None
    item: str | None
    dataset: str
    domain: str
    subject: str
    expression: str
    edit: str
    sha256: str

    @property
    def entrant(self) -> str:
        """What it is compared as: its model, or a real photo's role, which no control is called by."""
        return self.model or f"#{self.role}"


class TrialKey(_Frozen):
    """What a trial is for.

    ``item`` is None for checks made of real photos. ``gold`` holds the answers that count as right: for kinds
    ``gold`` and ``attention`` always, for ``practice`` too, else empty. ``repeats`` is the trial that
    a ``repeat`` asks again. ``row`` is the row of the counterbalancing design, None outside it.
    """

    id: TrialId
    form: FormId
    kind: Kind
    question: Question
    item: str | None
    gold: tuple[str, ...] = ()
    repeats: TrialId | None = None
    row: int | None = None


class Key(_Frozen):
    """What must never lie with the packet: it tells which model made which picture.

    ``models`` are the models compared, in the run's order; ``titles`` their names in print. ``anchors`` are
    the controls of the run that a rating shows among them. ``focus`` is the model that the hypotheses are
    about. ``secret`` (hexadecimal) made the names and makes the pseudonyms of participants. ``permission`` is
    the organiser's statement for data sets that may not be shown in public.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    study: StudyId
    run: str
    datasets: tuple[str, ...]
    models: tuple[str, ...]
    titles: dict[str, str]
    anchors: tuple[str, ...] = ()
    focus: str
    secret: str
    permission: str | None = None
    items: tuple[ItemKey, ...]
    stimuli: tuple[StimulusKey, ...]
    trials: tuple[TrialKey, ...]


class Response(_Frozen):
    """One answer. ``participant`` is a pseudonym, never an id of a platform; see ``pseudonym``.

    ``rt_ms`` and ``timestamp`` (when the answer was given, with its zone) are None where the platform tells
    neither, as on paper; ``screen`` is the size of the participant's, as ``WIDTHxHEIGHT`` in pixels, None
    where it is not known.
    """

    study_id: StudyId
    participant: str
    form_id: FormId
    trial_id: TrialId
    answer: str
    rt_ms: Annotated[float, Field(ge=0)] | None = None
    timestamp: datetime | None = None
    screen: Annotated[str, StringConstraints(pattern=SCREEN)] | None = None
    platform: Platform
