"""The quality of each participant's answers, and the exclusion rules that were fixed before any data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from statistics import median

from ..schema import Exclusion, Form, Key, Kind, Rater, Response, Trial, TrialKey

RULES: Mapping[str, str] = {
    "incomplete": "did not finish",
    "gold": "too few gold trials right",
    "attention": "missed an attention check",
    "fast": "answered too fast",
    "same-slot": "nearly always the same place",
    "repeats": "repeats agree less often than by chance",
}
"""Each exclusion rule and its description, in the order in which ``flow`` counts them."""


def _broken(rules: Exclusion) -> Mapping[str, Callable[[Rater], bool]]:
    def below(value: float | None, least: float) -> bool:
        return value is not None and value < least

    return {
        "incomplete": lambda r: rules.complete and r.answered < r.asked,
        "gold": lambda r: below(r.gold_share, rules.gold_share),
        "attention": lambda r: below(r.attention_share, 1.0),
        "fast": lambda r: below(r.median_rt_ms, rules.median_rt_ms),
        "same-slot": lambda r: r.slot_share is not None and r.slot_share > rules.same_slot_share,
        "repeats": lambda r: r.repeats >= rules.repeats and below(r.repeat_share, r.repeat_chance or 0.0),
    }


def judge(responses: Sequence[Response], forms: Sequence[Form], key: Key, rules: Exclusion) -> list[Rater]:
    """Summarise every participant and apply the exclusion rules.

    Args:
        responses: All responses.
        forms: All forms of the study.
        key: The key of the study.
        rules: The exclusion rules.

    Returns:
        One rater for each participant, in order of first appearance.
    """
    trials = {trial.id: trial for form in forms for trial in form.trials}
    about = {trial.id: trial for trial in key.trials}
    whole = {form.id: form for form in forms}
    by_participant: dict[str, list[Response]] = {}
    for response in responses:
        by_participant.setdefault(response.participant, []).append(response)
    raters = (_rater(name, own, trials, about, whole) for name, own in by_participant.items())
    tests = _broken(rules)
    return [
        rater.model_copy(update={"excluded": tuple(rule for rule, test in tests.items() if test(rater))})
        for rater in raters
    ]


def _rater(
    name: str,
    responses: Sequence[Response],
    trials: Mapping[str, Trial],
    about: Mapping[str, TrialKey],
    whole: Mapping[str, Form],
) -> Rater:
    counted = [one for one in responses if about[one.trial_id].kind != "practice"]
    forms = tuple(dict.fromkeys(one.form_id for one in responses))
    times = [one.rt_ms for one in counted if one.rt_ms is not None]
    repeated = _repeats(counted, trials, about)
    return Rater(
        participant=name,
        forms=forms,
        platform=responses[0].platform,
        asked=_asked(responses, [whole[form] for form in forms]),
        answered=len(counted),
        gold_share=_share(_passed(counted, about, "gold")),
        attention_share=_share(_passed(counted, about, "attention")),
        repeats=len(repeated),
        repeat_share=_share(agrees for agrees, _ in repeated),
        repeat_chance=sum(chance for _, chance in repeated) / len(repeated) if repeated else None,
        slot_share=_slot_share(_of_kind(counted, about, "main"), trials),
        median_rt_ms=median(times) if times else None,
        duration_s=_duration(responses),
        screen=next((one.screen for one in responses if one.screen), None),
    )


def _asked(responses: Sequence[Response], forms: Iterable[Form]) -> int:
    """Count the trials that a participant should have answered, practice excluded.

    On Mechanical Turk a worker takes single HITs, each a part of a form.
    """
    in_hits = responses[0].platform == "mturk"
    answered = {one.trial_id for one in responses}
    parts = [part for form in forms for part in (form.hits if in_hits else [form.trials])]
    taken = [part for part in parts if not answered.isdisjoint(trial.id for trial in part)]
    return sum(not trial.practice for part in taken for trial in part)


def _of_kind(responses: Sequence[Response], about: Mapping[str, TrialKey], kind: Kind) -> list[Response]:
    return [one for one in responses if about[one.trial_id].kind == kind]


def _passed(responses: Sequence[Response], about: Mapping[str, TrialKey], kind: Kind) -> Iterator[bool]:
    """Yield for each check of a kind whether it was answered correctly."""
    return (one.answer in about[one.trial_id].gold for one in _of_kind(responses, about, kind))


def _duration(responses: Sequence[Response]) -> float | None:
    """Return the seconds from the presentation of the first trial to the last answer, breaks included."""
    answered = [
        (one.timestamp, timedelta(milliseconds=one.rt_ms))
        for one in responses
        if one.timestamp is not None and one.rt_ms is not None
    ]
    if not answered:
        return None
    seen = min(moment - taken for moment, taken in answered)
    return (max(moment for moment, _ in answered) - seen).total_seconds()


def _share(passed: Iterable[bool]) -> float | None:
    values = list(passed)
    return sum(values) / len(values) if values else None


def _slot_share(responses: Sequence[Response], trials: Mapping[str, Trial]) -> float | None:
    """Return the largest share of answers in one slot, over trials that show several images.

    With a single image, "same" or the highest rating may honestly be the answer to every trial.
    """
    chosen = ((trials[one.trial_id], one.answer) for one in responses)
    slots = Counter(trial.choices.index(answer) for trial, answer in chosen if len(trial.stimuli) > 1)
    return max(slots.values()) / slots.total() if slots else None


def _repeats(
    responses: Sequence[Response], trials: Mapping[str, Trial], about: Mapping[str, TrialKey]
) -> list[tuple[bool, float]]:
    """Return for each repeat whether it agrees with the first answer, and its probability by chance."""
    meant = {one.trial_id: _meaning(one, trials) for one in responses}
    return [
        (meant[one.trial_id] == meant[first], 1 / len(trials[first].choices))
        for one in responses
        if (first := about[one.trial_id].repeats) and first in meant
    ]


def _meaning(one: Response, trials: Mapping[str, Trial]) -> str:
    """Return the chosen image where there are several, else the answer itself."""
    trial = trials[one.trial_id]
    return trial.chosen(one.answer) if len(trial.stimuli) > 1 else one.answer


def flow(raters: Sequence[Rater]) -> list[tuple[str, int]]:
    """Count the participants recruited, excluded by each rule (the first that applies), and kept."""
    first = Counter(rater.excluded[0] for rater in raters if rater.excluded)
    left_out = [(text, first[rule]) for rule, text in RULES.items() if first[rule]]
    return [("recruited", len(raters)), *left_out, ("kept", sum(rater.kept for rater in raters))]
