"""The numbers of a study: preferences, differences, tests, strengths, agreement, correlation with metrics.

Every frame has a row for each number, with columns value, low, high, p, n (answers), participants, items and
reason beside those that say what it is of. Shares are between 0 and 1. Missing numbers are NaN with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from fesbench.core.errors import BenchError
from fesbench.statistics.comparisons import ALL
from fesbench.statistics.multiplicity import holm

from ..schema import IMPOSTOR, Form, Key, Measurement, Response, Study
from .answers import Answers, gather
from .correlation import point_biserial, spearman
from .detection import d_prime
from .estimates import Clusters, Estimate, Floats, bootstrap, difference, mean, ratio, share
from .quality import Rater, flow, judge
from .reliability import krippendorff_alpha
from .significance import discordant, equal_shares
from .strengths import luce

CHOICES = ("best-of-n", "2afc")
"""Designs in which models stand side by side."""


@dataclass(frozen=True)
class Metric:
    """A column of the run's scores; ``higher`` says that more is better."""

    id: str
    higher: bool


@dataclass(frozen=True)
class RunScores:
    """What the run says of the same outputs.

    ``outputs``: columns dataset, generator, edit, metric, value. ``models``: generator, metric, value, one
    row for each model and metric, set metrics too.
    """

    metrics: tuple[Metric, ...]
    outputs: pd.DataFrame
    models: pd.DataFrame


@dataclass(frozen=True)
class Analysis:
    """Everything that was computed; ``focus`` is the model that the differences are measured for.

    - ``shares``: question, domain, model; with ``bootstrap_low`` and ``bootstrap_high``.
    - ``differences``: question, domain, versus, best (whether ``versus`` is the best competitor there), kind
      ('points' or 'ratio'); for choices also wins, losses and the exact ``p_exact`` on them; ``p_holm`` and
      ``p_exact_holm`` are adjusted over competitors within (question, domain, kind).
    - ``overall``: question, domain, p of equal shares.
    - ``strengths``: question, domain, model. ``wins``: question, model, versus, wins, losses, value.
    - ``agreement``: question. ``confusion``: model, target, predicted, count, share.
    - ``sensitivity``: domain, model: d′ against pictures of other people.
    - ``correlations``: question, metric, level ('image' or 'model'); positive where the metric agrees.
    """

    study: Study
    focus: str
    titles: Mapping[str, str]
    raters: Sequence[Rater]
    flow: Sequence[tuple[str, int]]
    answers: Sequence[Answers]
    shares: pd.DataFrame
    differences: pd.DataFrame
    overall: pd.DataFrame
    strengths: pd.DataFrame
    wins: pd.DataFrame
    agreement: pd.DataFrame
    confusion: pd.DataFrame
    sensitivity: pd.DataFrame
    correlations: pd.DataFrame

    def frames(self) -> dict[str, pd.DataFrame]:
        """Name to frame, of those that have rows."""
        found = {name: value for name, value in vars(self).items() if isinstance(value, pd.DataFrame)}
        return {name: frame for name, frame in found.items() if len(frame)}


def analyse(
    study: Study,
    forms: Sequence[Form],
    key: Key,
    responses: Sequence[Response],
    scores: RunScores | None = None,
) -> Analysis:
    """Compute everything.

    Raises:
        BenchError: the rules leave nobody, or there is no answer about any model.
    """
    raters = judge(responses, forms, key, study.options.exclusion)
    kept = {rater.participant for rater in raters if rater.kept}
    found = gather(study, forms, key, [one for one in responses if one.participant in kept])
    if not found:
        counts = ", ".join(f"{text}: {count}" for text, count in flow(raters))
        raise BenchError(
            f"no answers are left to analyse ({counts}); the rules stand in the packet's study.json"
        )
    chosen = study.design in CHOICES
    shares = _frame(_shares(found, study))
    return Analysis(
        study=study,
        focus=key.focus,
        titles=key.titles,
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
        correlations=_frame(_correlations(found, key, scores, shares, chosen) if scores else ()),
    )


Record = dict[str, object]


def _frame(records: Iterable[Record]) -> pd.DataFrame:
    return pd.DataFrame(list(records))


def _scopes(found: Sequence[Answers]) -> Iterator[tuple[Record, Answers]]:
    for answers in found:
        for domain, part in answers.scopes():
            yield {"question": answers.question, "domain": domain}, part


def _estimator(study: Study, answers: Answers) -> Callable[[Floats, Clusters], Estimate]:
    """How a column of values is averaged: ratings by their mean, everything else as a share."""
    if study.design == "rating":
        return mean
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
        best = max(others, key=lambda name: float(np.nanmean(part.column(name))))
        for versus in others:
            first, second, clusters = _pair(part, key.focus, versus, side_by_side)
            named = about | {"versus": versus, "best": versus == best}
            votes: Record = {}
            if side_by_side:
                votes = dict(zip(("wins", "losses", "p_exact"), discordant(first, second), strict=True))
            yield named | {"kind": "points"} | difference(first, second, clusters)._asdict() | votes
            yield named | {"kind": "ratio"} | ratio(first, second, clusters)._asdict() | votes


def _pair(part: Answers, first: str, second: str, side_by_side: bool) -> tuple[Floats, Floats, Clusters]:
    """The values of two models: where both were shown together, or all there are."""
    a, b = part.column(first), part.column(second)
    rows = ~(np.isnan(a) | np.isnan(b)) if side_by_side else ~(np.isnan(a) & np.isnan(b))
    return a[rows], b[rows], part.clusters[rows]


def _adjusted(differences: pd.DataFrame) -> pd.DataFrame:
    """With p values adjusted over the competitors of one question, domain and kind."""
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
    """Every pair both ways: of the votes for one of the two, the share for the first."""
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
        estimate = krippendorff_alpha(answers.units, given, measurement)  # type: ignore[arg-type]
        people = len(set(answers.participants))
        yield estimate._replace(participants=people)._asdict() | {"question": answers.question}


def _confusion(found: Sequence[Answers]) -> pd.DataFrame:
    """What faces were named, by model and target."""
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


def _correlations(
    found: Sequence[Answers], key: Key, scores: RunScores, shares: pd.DataFrame, side_by_side: bool
) -> Iterator[Record]:
    for answers in found:
        whole = shares[(shares["question"] == answers.question) & (shares["domain"] == ALL)]
        human = whole.set_index("model")["value"].reindex(list(key.models)).to_numpy(np.float64)
        for metric in scores.metrics:
            sign = 1.0 if metric.higher else -1.0
            about: Record = {"question": answers.question, "metric": metric.id}
            values = scores.models[scores.models["metric"] == metric.id].set_index("generator")["value"]
            by_model = sign * values.reindex(list(key.models)).to_numpy(np.float64)
            yield about | {"level": "model"} | spearman(human, by_model)._asdict()
            image = _image_level(answers, key, scores, metric, side_by_side)
            if image is not None:
                yield about | {"level": "image"} | image._asdict()


def _image_level(
    answers: Answers, key: Key, scores: RunScores, metric: Metric, side_by_side: bool
) -> Estimate | None:
    """Correlation over answers and models; scores of pictures shown together are taken from their mean."""
    own = scores.outputs[scores.outputs["metric"] == metric.id]
    if own.empty:
        return None
    sign = 1.0 if metric.higher else -1.0
    table = own.pivot_table(index=["dataset", "edit"], columns="generator", values="value", aggfunc="first")
    edits = {item.id: (item.dataset, item.edit) for item in key.items}
    names = [name for name in answers.columns if name in key.models]
    places = pd.MultiIndex.from_tuples([edits.get(item, ("", "")) for item in answers.items])
    scored = sign * table.reindex(index=places, columns=names).to_numpy(np.float64)
    values = answers.values[:, [answers.columns.index(name) for name in names]]
    known = ~(np.isnan(values) | np.isnan(scored))
    if side_by_side:
        counts = np.maximum(known.sum(axis=1, keepdims=True), 1)
        scored = scored - np.where(known, scored, 0.0).sum(axis=1, keepdims=True) / counts
    rows = np.nonzero(known)
    return point_biserial(values[rows], scored[rows], answers.clusters[rows[0]])
