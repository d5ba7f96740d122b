"""The data model of a study: design, forms, key, responses and participants.

A ``Study`` and its ``Form``s, one for each participant, are all that participants may see. The ``Key``, which
is stored in a separate folder, says which model made each image and which trials are checks. A ``Response``
is one answer to one trial, on any platform; a ``Rater`` summarises the responses of one participant. Studies,
forms and keys are stored as JSON; see ``storage``.

An answer is always one of the ``choices`` of its trial. With ``best-of-n`` and ``2afc`` the choices are the
letters of the images, in the order of ``stimuli``, so the image that ``answer`` stands for is
``trial.stimuli[trial.choices.index(answer)]`` (``Trial.chosen``).
"""

from __future__ import annotations

from datetime import datetime
from itertools import count, groupby
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

SCHEMA_VERSION: Literal[1] = 1

Design = Literal["best-of-n", "2afc", "rating", "naming", "same-different"]
"""``best-of-n``: choose the best of all models. ``2afc``: choose the better of two models. ``rating``: rate
one image on a scale. ``naming``: name the expression of one image. ``same-different``: say whether two images
show the same person."""
Question = Literal["expression", "identity", "realism"]
Kind = Literal["practice", "main", "gold", "repeat", "attention"]
"""The purpose of a trial. ``gold`` has an obvious answer; ``repeat`` shows a main trial again, its images in
reversed order; ``attention`` says which answer to give; ``practice`` trials are not analysed."""
Role = Literal["output", "source", "truth", "other-person", "damaged"]
"""The content of an image: a model's output; the real input; the real photo of the target expression; a real
photo of another subject; a real photo that was degraded deliberately."""
Measurement = Literal["nominal", "ordinal"]
Platform = Literal["web", "server", "paper", "mturk", "qualtrics", "gforms", "potato"]

LARGEST_HIT = 12
"""Largest number of trials in one HIT of Mechanical Turk."""

GENUINE, IMPOSTOR = "#truth", "#other-person"
"""The real pairs of same-different: the same person with another expression; another person."""

DESIGNS: tuple[Design, ...] = get_args(Design)
QUESTIONS: tuple[Question, ...] = get_args(Question)
PLATFORMS: tuple[Platform, ...] = get_args(Platform)
KINDS: tuple[Kind, ...] = get_args(Kind)

StimulusName = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
"""The stem of an image file, ``stimuli/<name>.png``: 128 bits that reveal nothing without the key."""
TrialId = Annotated[str, StringConstraints(pattern=r"^t[0-9a-f]{12}$")]
"""Unique in the study, over all forms; reveals neither the form, nor the position, nor the kind."""
FormId = Annotated[str, StringConstraints(pattern=r"^F[0-9]{4}$")]
StudyId = Annotated[str, StringConstraints(pattern=r"^s[0-9a-f]{12}$")]
SCREEN = r"^[0-9]{1,5}x[0-9]{1,5}$"


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Exclusion(_Frozen):
    """Rules, fixed before any data, that exclude a participant's answers from the analysis.

    ``gold_share`` is the smallest share of gold trials answered correctly; ``median_rt_ms`` the shortest
    median response time (not applied where the platform measures none); ``same_slot_share`` the largest
    share of answers in one slot, over trials with several images. A participant with at least ``repeats``
    repeated trials that agree less often than by chance is excluded (fewer repeats say too little), and with
    ``complete`` one who did not finish.
    """

    gold_share: float = Field(default=0.8, ge=0, le=1)
    median_rt_ms: float = Field(default=800, ge=0)
    same_slot_share: float = Field(default=0.9, ge=0, le=1)
    repeats: int = Field(default=4, ge=1)
    complete: bool = True


class Options(_Frozen):
    """The size of a study and its checks.

    ``items`` are drawn once for all models and participants; ``models`` counts the models compared. The
    counts ``practice``, ``gold`` and ``repeats`` are for each question of a form, ``attention`` for a whole
    form. ``pixels`` is the side of every stimulus; ``scale`` the number of points of a rating. ``pairs``
    applies to ``2afc``: ``focus`` compares one model with each other one, ``all`` compares every pair.
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
    """The public description of a study; nothing in it reveals a model.

    ``seed`` reproduces the draw of the items; the blinding also needs the secret of the key. ``outputs``
    names the kinds of files in the packet: those of a web page or crowd platform are missing where the
    licence of a data set forbids showing its faces in public and no permission is stated.
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
    """Approximate duration of one form, shown to participants."""

    @property
    def measurement(self) -> Measurement:
        """The level of measurement: ratings are ordinal, choices nominal."""
        return "ordinal" if self.design == "rating" else "nominal"


class Trial(_Frozen):
    """One trial, as a participant sees it: without its kind (except practice) and its item.

    ``prompt`` is the text of the question. ``target`` is the expression asked for, empty with naming.
    ``reference`` is the image shown as the original, None where the design shows none. ``stimuli`` are the
    images to judge, by slot: one for each model with best-of-n, two with 2afc, else one. ``choices`` are the
    possible answers in order, and ``labels`` their texts on a page; they differ from the choices for rating
    scales, expressions and same-different.
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
        """Return the name of the image that an answer concerns: the chosen one, or the only one.

        Raises:
            ValueError: ``answer`` is none of the choices.
        """
        place = self.choices.index(answer)
        return self.stimuli[place] if len(self.stimuli) > 1 else self.stimuli[0]


class Form(_Frozen):
    """The trials of one participant, in order: practice first, then one block for each of ``blocks``."""

    study: StudyId
    id: FormId
    blocks: tuple[Question, ...]
    trials: tuple[Trial, ...]

    @property
    def parts(self) -> list[tuple[str, tuple[Trial, ...]]]:
        """The practice, if any, and the blocks, each with its title; breaks go between them."""
        groups = groupby(self.trials, lambda trial: "" if trial.practice else trial.question)
        places = count(1)
        return [
            (f"Part {next(places)} of {len(self.blocks)}" if question else "Practice", tuple(trials))
            for question, trials in groups
        ]

    @property
    def hits(self) -> list[tuple[Trial, ...]]:
        """The trials of each HIT of Mechanical Turk, in order; sizes are nearly equal."""
        count = -(-len(self.trials) // LARGEST_HIT)
        size = -(-len(self.trials) // count)
        return [self.trials[start : start + size] for start in range(0, len(self.trials), size)]

    @property
    def stimuli(self) -> tuple[str, ...]:
        """Every image of the form, references included, once each, in order of first appearance."""
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
    """The origin of an image. ``model`` is set only for outputs; ``sha256`` is of the published file.

    ``expression`` is the expression that the image shows or should show: for an output the target, for the
    source its own expression. ``item`` is None for images that only checks use.
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
        """The name under which it is compared: its model, or "#" and the role of a real photo."""
        return self.model or f"#{self.role}"


class TrialKey(_Frozen):
    """The purpose of a trial.

    ``item`` is None for checks made of real photos. ``gold`` holds the correct answers of gold, attention and
    practice trials; it is empty for other kinds. ``repeats`` is the trial that a ``repeat`` shows again.
    ``row`` is the row of the counterbalancing design, None outside it.
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
    """The secret part of a study, never stored with the packet: it says which model made which image.

    ``models`` are the models compared, in the order of the run; ``titles`` their display names. ``anchors``
    are the controls of the run that a rating shows among them. ``focus`` is the model that the hypotheses
    concern. ``secret`` (hexadecimal) generates the names of images and trials and the pseudonyms of
    participants. ``permission`` is the organiser's statement for data sets that may not be shown in public.
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
    """One answer. ``participant`` is a pseudonym, never the id on a platform; see ``storage.pseudonym``.

    ``rt_ms`` is the response time and ``timestamp`` the time of the answer, with its zone; both are None
    where the platform records neither, as on paper. ``screen`` is the size of the participant's screen as
    ``WIDTHxHEIGHT`` in pixels, None where it is not known.
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


class Rater(_Frozen):
    """The answers of one participant in numbers. Shares are None where they cannot be computed.

    ``asked`` and ``answered`` count the trials of the participant's forms, practice excluded; on Mechanical
    Turk those of the HITs that the worker took. ``gold_share`` is over gold trials, ``attention_share`` over
    attention checks; ``repeat_share`` is the share of the ``repeats`` that agree with the first answer,
    ``repeat_chance`` the share expected by chance.
    ``slot_share`` is the largest share of answers in one slot, over trials with several images.
    ``duration_s`` is the time from the presentation of the first trial, practice included, to the last
    answer, where the platform records response times. ``excluded`` names the rules that exclude the
    participant.
    """

    participant: str
    forms: tuple[str, ...]
    platform: str
    asked: int
    answered: int
    gold_share: float | None
    attention_share: float | None
    repeats: int
    repeat_share: float | None
    repeat_chance: float | None
    slot_share: float | None
    median_rt_ms: float | None
    duration_s: float | None
    screen: str | None
    excluded: tuple[str, ...] = ()

    @property
    def kept(self) -> bool:
        """Whether no rule excludes the participant."""
        return not self.excluded
