"""Verify that a study is balanced, by counting the exposures in its forms."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fesbench.core.errors import BenchError

from ..schema import Form, Key, Study


class Exposure(NamedTuple):
    """One entrant in one slot (from 1) of one stratum.

    An entrant is a model, an anchor, or one of the two kinds of real pairs (``StimulusKey.entrant``).
    """

    question: str
    domain: str
    expression: str
    item: str
    slot: int
    entrant: str


class Balance(NamedTuple):
    """The counts of exposures in main trials.

    ``exposures`` counts each item separately, zeros included. ``spread`` is the largest difference between
    the counts of the possible entrants of one item, question and slot; ``shares`` the smallest and the
    largest count of a model over all trials. ``exact`` says that the number of participants is a multiple of
    the ``rows`` of the design.
    """

    exposures: dict[Exposure, int]
    spread: int
    shares: tuple[int, int]
    exact: bool
    rows: int


def balance(study: Study, forms: Sequence[Form], key: Key, rows: int) -> Balance:
    """Count the exposures and check that they are balanced.

    Args:
        study: The study.
        forms: All its forms.
        key: Its key.
        rows: The number of rows of the counterbalancing design.

    Raises:
        BenchError: an item does not appear once for each question of each form, the counts differ by more
            than the design allows, or a repeat does not show the images of its original.
    """
    _check_repeats(forms, key)
    seen = list(_shown(forms, key))
    _check_items(study, forms, key, seen)
    exposures = _with_zeros(Counter(place for place, _ in seen))
    exact = len(forms) % rows == 0
    spread = _spread(study, exposures, key)
    loose = len(key.models) if study.options.pairs == "all" else 2
    allowed = 0 if exact else loose
    if spread > allowed:
        raise BenchError(
            f"the study is not balanced: counts differ by {spread}, {allowed} is allowed; report this"
        )
    totals: Counter[str] = Counter()
    for place, count in exposures.items():
        totals[place.entrant] += count
    models = [totals[name] for name in key.models]
    return Balance(exposures, spread, (min(models), max(models)), exact, rows)


def _shown(forms: Sequence[Form], key: Key) -> Iterator[tuple[Exposure, str]]:
    """Yield the exposure and the form of every image of every main trial."""
    stimuli = {stimulus.name: stimulus for stimulus in key.stimuli}
    items = {item.id: item for item in key.items}
    trials = {trial.id: trial for trial in key.trials}
    for form in forms:
        for trial in form.trials:
            known = trials[trial.id]
            if known.kind != "main" or known.item is None:
                continue
            item = items[known.item]
            for slot, name in enumerate(trial.stimuli, start=1):
                yield (
                    Exposure(
                        trial.question,
                        f"{item.dataset} {item.domain}",
                        item.expression,
                        item.id,
                        slot,
                        stimuli[name].entrant,
                    ),
                    form.id,
                )


def _check_items(study: Study, forms: Sequence[Form], key: Key, seen: Sequence[tuple[Exposure, str]]) -> None:
    met = Counter((form, place.question, place.item) for place, form in seen if place.slot == 1)
    wanted = len(forms) * len(study.questions) * len(key.items)
    if len(met) != wanted or set(met.values()) != {1}:
        raise BenchError("the study is not balanced: an item is not met once in each block; report this")


def _check_repeats(forms: Sequence[Form], key: Key) -> None:
    original = {trial.id: trial.repeats for trial in key.trials if trial.repeats}
    for form in forms:
        places = {trial.id: place for place, trial in enumerate(form.trials)}
        for trial in form.trials:
            earlier = original.get(trial.id)
            if earlier is None:
                continue
            if earlier not in places or places[earlier] >= places[trial.id]:
                raise BenchError(f"{form.id} repeats a trial before it was asked; report this")
            if form.trials[places[earlier]].stimuli[::-1] != trial.stimuli:
                raise BenchError(f"{form.id} repeats a trial with other pictures; report this")


def _with_zeros(counts: Counter[Exposure]) -> dict[Exposure, int]:
    places = list(dict.fromkeys(place._replace(slot=0, entrant="") for place in counts))
    slots = sorted({place.slot for place in counts})
    names = sorted({place.entrant for place in counts})
    return {
        (exposure := place._replace(slot=slot, entrant=name)): counts[exposure]
        for place in sorted(places)
        for slot in slots
        for name in names
    }


def _spread(study: Study, exposures: dict[Exposure, int], key: Key) -> int:
    """Return the largest difference between entrants of one slot, or with focus pairs between two slots."""
    focus = study.design == "2afc" and study.options.pairs == "focus"
    groups: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, count in exposures.items():
        rival = place.entrant != key.focus or not focus
        groups[(place.question, place.item, place.slot if rival else 0, rival)].append(count)
    return max(max(counts) - min(counts) for counts in groups.values())


def by_stratum(exposures: dict[Exposure, int]) -> dict[Exposure, int]:
    """Return the counts summed over the items of each domain and expression."""
    sums: Counter[Exposure] = Counter()
    for place, count in exposures.items():
        sums[place._replace(item="")] += count
    return dict(sums)
