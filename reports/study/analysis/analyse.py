"""Compute all results of a study: preferences, differences, tests, strengths, agreement, correlations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from fesbench.core.contracts import COPY, TRUTH, Floats
from fesbench.core.errors import BenchError
from fesbench.statistics.multiplicity import holm
from fesbench.statistics.two_way import (
    FEWEST_PARTICIPANTS,
    Clusters,
    Estimate,
    bootstrap,
    difference,
    mean,
    ratio,
    share,
)

from ..schema import GENUINE, IMPOSTOR, Form, Key, Measurement, Rater, Response, Study
from .answers import Answers, gather
from .detection import d_prime
from .metric_correlations import metric_correlations
from .quality import flow, judge
from .reliability import krippendorff_alpha
from .results import Analysis, RunScores
from .significance import discordant, equal_shares
from .strengths import luce

CHOICES = ("best-of-n", "2afc")
"""Designs that show several models side by side."""


def analyse(
    study: Study,
    forms: Sequence[Form],
    key: Key,
    responses: Sequence[Response],
    scores: RunScores | None = None,
) -> Analysis:
    """Compute all results of a study.

    Args:
        study: The study.
        forms: All its forms.
        key: Its key.
        responses: All imported responses.
        scores: The metrics' scores of the same images, to correlate the answers with.

    Raises:
        BenchError: the exclusion rules leave no participant, or no answer concerns a model.
    """
    raters = judge(responses, forms, key, study.options.exclusion)
    found = _counted(study, forms, key, responses, raters)
    chosen = study.design in CHOICES
    shares = _frame(_shares(found, study))
    return Analysis(
        study=study,
        focus=key.focus,
        titles=key.titles,
        controls=controls_of(key),
        raters=raters,
        flow=flow(raters),
        answers=found,
        shares=shares,
        differences=_adjusted(_frame(_differences(found, key, chosen))),
        overall=_frame(_overall(found) if study.design == "best-of-n" else ()),
        strengths=_frame(_strengths(found) if chosen else ()),
        wins=_frame(_wins(found, key.models) if chosen else ()),
        agreement=_frame(_agreement(found, study.measurement)),
        confusion=_confusion(found) if study.design == "naming" else pd.DataFrame(),
        sensitivity=_frame(_sensitivity(found) if study.design == "same-different" else ()),
        correlations=_frame(metric_correlations(found, key, scores, shares, chosen) if scores else ()),
    )


Record = dict[str, object]


def controls_of(key: Key) -> frozenset[str]:
    """Return what a study shows but never ranks: controls of the run, whoever chose them, and real pairs."""
    return frozenset({*key.anchors, COPY, TRUTH, GENUINE, IMPOSTOR})


def _counted(
    study: Study, forms: Sequence[Form], key: Key, responses: Sequence[Response], raters: Sequence[Rater]
) -> list[Answers]:
    """Return the answers of the participants that no rule excludes."""
    kept = {rater.participant for rater in raters if rater.kept}
    found = gather(study, forms, key, [one for one in responses if one.participant in kept])
    if not found:
        counts = ", ".join(f"{text}: {count}" for text, count in flow(raters))
        raise BenchError(
            f"no answers are left to analyse ({counts}); the exclusion rules are in the packet's study.json"
        )
    return found


def _frame(records: Iterable[Record]) -> pd.DataFrame:
    return pd.DataFrame(list(records))


def _scopes(found: Sequence[Answers]) -> Iterator[tuple[Record, Answers]]:
    for answers in found:
        for domain, part in answers.scopes():
            yield {"question": answers.question, "domain": domain}, part


def _estimator(study: Study, answers: Answers) -> Callable[[Floats, Clusters], Estimate]:
    """Return the function that averages a column: the mean for ratings, the share for everything else.

    A rating has no value that chance would give, so its mean has no p.
    """
    if study.design == "rating":
        return lambda values, clusters: mean(values, clusters)._replace(p=np.nan)
    if study.design in ("best-of-n", "naming"):
        return lambda values, clusters: share(values, clusters, 1 / answers.options)
    return share


def _shares(found: Sequence[Answers], study: Study) -> Iterator[Record]:
    for about, part in _scopes(found):
        average = _estimator(study, part)
        ends = bootstrap(part.values, part.clusters)
        for column, name in enumerate(part.columns):
            known = ~np.isnan(part.values[:, column])
            estimate = average(part.values[known, column], part.clusters[known])
            resampled = {"bootstrap_low": ends[0, column], "bootstrap_high": ends[1, column]}
            yield about | {"model": name} | estimate._asdict() | resampled


def _differences(found: Sequence[Answers], key: Key, side_by_side: bool) -> Iterator[Record]:
    for about, part in _scopes(found):
        others = [name for name in key.models if name in part.columns and name != key.focus]
        if key.focus not in part.columns or not others:
            continue
        answered = [name for name in others if not np.isnan(part.column(name)).all()]
        rivals = [name for name in answered if name not in controls_of(key)]
        best = max(rivals, key=lambda name: float(np.nanmean(part.column(name))), default="")
        for versus in others:
            first, second, clusters = _pair(part, key.focus, versus, side_by_side)
            named = about | {"versus": versus, "best": versus == best}
            votes: Record = {}
            if side_by_side:
                votes = dict(zip(("wins", "losses", "p_exact"), discordant(first, second), strict=True))
            yield named | {"kind": "points"} | difference(first, second, clusters)._asdict() | votes
            yield named | {"kind": "ratio"} | ratio(first, second, clusters)._asdict() | votes


def _pair(part: Answers, first: str, second: str, side_by_side: bool) -> tuple[Floats, Floats, Clusters]:
    """Return the values of two models in the answers about both (side by side) or about either of them."""
    a, b = part.column(first), part.column(second)
    rows = ~(np.isnan(a) | np.isnan(b)) if side_by_side else ~(np.isnan(a) & np.isnan(b))
    return a[rows], b[rows], part.clusters[rows]


def _adjusted(differences: pd.DataFrame) -> pd.DataFrame:
    """Add p values adjusted over the competitors in one question, domain and kind."""
    keys = ["question", "domain", "kind"]
    for name in ("p", "p_exact"):
        if name in differences:
            grouped = differences.groupby(keys, sort=False)[name]
            differences[f"{name}_holm"] = grouped.transform(lambda p: holm(p.to_numpy(np.float64)))
    return differences


def _overall(found: Sequence[Answers]) -> Iterator[Record]:
    for about, part in _scopes(found):
        counts = np.nansum(part.values, axis=0).astype(int)
        yield about | {"p": equal_shares(counts.tolist()), "n": len(part)}


def _strengths(found: Sequence[Answers]) -> Iterator[Record]:
    for about, part in _scopes(found):
        for name, estimate in zip(part.columns, luce(part.values, part.clusters), strict=True):
            yield about | {"model": name} | estimate._asdict()


def _wins(found: Sequence[Answers], models: Sequence[str]) -> Iterator[Record]:
    """Yield every ordered pair of models: of the votes for either, the share for the first."""
    for answers in found:
        shown = [name for name in models if name in answers.columns]
        for first, second in combinations(shown, 2):
            a, b, _ = _pair(answers, first, second, side_by_side=True)
            wins, losses, p = discordant(a, b)
            about: Record = {"question": answers.question, "p_exact": p, "n": wins + losses}
            value = wins / (wins + losses) if wins + losses else np.nan
            yield about | {"model": first, "versus": second, "wins": wins, "losses": losses, "value": value}
            yield about | {
                "model": second,
                "versus": first,
                "wins": losses,
                "losses": wins,
                "value": 1 - value,
            }


def _agreement(found: Sequence[Answers], measurement: Measurement) -> Iterator[Record]:
    for answers in found:
        given = answers.meant.astype(float) if measurement == "ordinal" else answers.meant
        units, items = answers.units.tolist(), answers.items.tolist()
        estimate = krippendorff_alpha(units, given.tolist(), measurement, items)
        people = len(set(answers.participants))
        if people < FEWEST_PARTICIPANTS and not np.isnan(estimate.value):
            reason = f"an interval needs at least {FEWEST_PARTICIPANTS} participants"
            estimate = estimate._replace(low=np.nan, high=np.nan, reason=reason)
        yield estimate._replace(participants=people)._asdict() | {"question": answers.question}


def _confusion(found: Sequence[Answers]) -> pd.DataFrame:
    """Return how often each expression was named, by model and target."""
    rows = [
        {"model": answers.columns[column], "target": target, "predicted": meant}
        for answers in found
        for line, target, meant in zip(answers.values, answers.expressions, answers.meant, strict=True)
        for column in np.flatnonzero(~np.isnan(line))
    ]
    counts = pd.DataFrame(rows).value_counts(["model", "target", "predicted"], sort=False).rename("count")
    frame = counts.reset_index()
    total = frame.groupby(["model", "target"], sort=False)["count"].transform("sum")
    return frame.assign(share=frame["count"] / total)


def _sensitivity(found: Sequence[Answers]) -> Iterator[Record]:
    for about, part in _scopes(found):
        if IMPOSTOR in part.columns:
            for name in part.columns:
                if name != IMPOSTOR:
                    compared = _pair(part, name, IMPOSTOR, side_by_side=False)
                    yield about | {"model": name} | d_prime(*compared)._asdict()
