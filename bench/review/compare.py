"""Compares two runs: what their scores differ by on the edits that they share, and why they may.

Two runs of different models share no output; ``merge_runs`` puts their scores into the same tables instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import BenchError
from ..runs.results import RunResults
from ..runs.spec import BY_MODEL, GROWING, RunSpec
from ..runs.store.records import DatasetRecord, plain
from ..scoring.sets import COLUMNS
from ..statistics.comparisons import ALL, OOD, by_edit, interval_columns, scopes
from ..statistics.intervals import NONE, clustered_means, of_differences
from ..statistics.measures import OUTPUT, Measure, backend
from ..statistics.multiplicity import holm
from ..statistics.summary import summarise, with_joint

CHANGE_COLUMNS = [
    "dataset", "domain", "metric", "generator", "before", "after", "difference", "low", "high", "p", "p_holm",
    "n_common", "n_scored", "n_changed", "subjects", "method", "reason",
]  # fmt: skip
NO_PAIRS = "no paired difference for the score of a set"
OTHER_EDITS = "the score of a set, and the two runs have outputs of other edits here"
OF_SCORES = frozenset({"spec", "data", "metric", "network"})
"""The kinds of causes that keep scores of different models apart."""
OF_MODELS = ("names", "models", "unavailable", "synthesis", "checkpoints", "varying", "fits")
"""The fields of a record that hold entries of models."""
MADE_WITH = ("version", "code")
"""The kinds of causes that are told of models in one table."""
UNEXPLAINED = (
    "nothing that the runs record tells them apart here; `bench verify` shows whether files were changed"
)


@dataclass(frozen=True)
class Cause:
    """A difference between the records of two runs.

    ``kind`` is 'spec', 'data', 'model', 'metric', 'network', 'version', 'code' or 'device'; ``name`` says of
    which one, ``before`` and ``after`` are what the runs record, empty where one records nothing.
    """

    kind: str
    name: str
    before: str
    after: str

    def touches(self, dataset: str, generator: str, backends: frozenset[str]) -> bool:
        """Return whether it can move a score of this data set and generator, measured by these networks."""
        owners = {"data": {dataset}, "model": {generator}, "metric": backends, "network": backends}
        return self.kind not in owners or self.name.partition(": ")[0] in owners[self.kind]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.before or 'nothing'} → {self.after or 'nothing'}"


@dataclass(frozen=True)
class Comparison:
    """The result of ``compare_runs``.

    ``changes``: ``CHANGE_COLUMNS``, a row for each data set, domain, metric and generator that both runs
    have. ``causes``: all that their records disagree on. ``reasons``: (data set, metric, generator) with any
    changed score to the causes that can have moved it. ``only``: how many (data set, generator, edit) are in
    the first run, and in the second one, alone.
    """

    changes: pd.DataFrame
    causes: tuple[Cause, ...]
    reasons: Mapping[tuple[str, str, str], tuple[str, ...]]
    only: tuple[int, int]

    @property
    def uncompared(self) -> pd.DataFrame:
        """The rows of ``changes`` without a difference because the sets are of other edits."""
        return self.changes[self.changes["reason"] == OTHER_EDITS]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready content; null for numbers that do not exist."""
        changes = self.changes.astype(object).where(self.changes.notna(), None)
        keys = ("dataset", "metric", "generator")
        return {
            "changes": changes.to_dict("records"),
            "causes": [asdict(cause) for cause in self.causes],
            "changed_cells": [
                dict(zip(keys, key, strict=True)) | {"why": list(why)} for key, why in self.reasons.items()
            ],
            "only_before": self.only[0],
            "only_after": self.only[1],
        }


def compare_runs(before: RunResults, after: RunResults) -> Comparison:
    """Compare every cell of two runs on the edits that both asked for.

    Differences are those of ``after`` minus ``before``, edit by edit, with 95% intervals clustered by
    subject; ``p_holm`` is adjusted by Holm's method over the generators in (data set, domain, metric).

    Raises:
        BenchError: the runs share no data set and generator.
    """
    old, new = before.scores, after.scores
    keys = ["dataset", "generator", "edit"]
    asked = [set(rows.loc[rows["metric"] == OUTPUT, keys].itertuples(index=False)) for rows in (old, new)]
    if not asked[0] & asked[1]:
        raise BenchError(
            f"{before.store.location} and {after.store.location} share no edit of a data set and generator; "
            "there is nothing to compare"
        )
    new, moved = _placed_as(old, new)
    frames = [*_paired(before, after, old, new), _sets(before, after)]
    filled = [frame for frame in frames if len(frame)]
    changes = (
        pd.concat(filled, ignore_index=True)[CHANGE_COLUMNS]
        if filled
        else pd.DataFrame(columns=CHANGE_COLUMNS)
    )
    causes = (*_causes(before, after), *moved)
    return Comparison(
        changes,
        causes,
        _reasons(changes, causes, after),
        (len(asked[0] - asked[1]), len(asked[1] - asked[0])),
    )


@dataclass(frozen=True)
class MergedResults(RunResults):
    """The results of two runs of different models: ``store`` is the first one's, ``rows`` are all scores."""

    rows: pd.DataFrame

    @cached_property
    def scores(self) -> pd.DataFrame:
        """The rows of both runs."""
        return self.rows


def have_same_models(first: RunResults, second: RunResults) -> bool:
    """Return whether two runs have a model in common."""
    return bool(first.record.models.keys() & second.record.models.keys())


def merge_runs(first: RunResults, second: RunResults) -> MergedResults:
    """Return the results of two runs of different models as if one run had been asked for all of them.

    Tests and ranks are computed anew over all models. Sets have no tests between models of different runs.

    Raises:
        BenchError: the runs differ in data, edits, metrics or a field of the specification such as the
            resolution.
    """
    differing = [*_obstacles(first, second)]
    if differing:
        raise BenchError(
            f"the models of {first.location} and {second.location} cannot stand in one table:\n  "
            + "\n  ".join(differing)
        )
    both = first, second
    rows = pd.concat([run.scores for run in both], ignore_index=True)
    sets = pd.concat([run.cells[run.cells["references"].notna()] for run in both], ignore_index=True)
    known = pd.concat([run.differences for run in both], ignore_index=True)
    summary = summarise(
        rows,
        sets.assign(n_outputs=sets["n_scored"])[COLUMNS],
        first.metrics,
        first.blocks | second.blocks,
        unfit=first.unfit | second.unfit,
        set_differences=known[known["metric"].isin(set(sets["metric"]))],
    )
    joined = {name: getattr(first.record, name) | getattr(second.record, name) for name in OF_MODELS}
    ours, theirs = first.record.outputs, second.record.outputs
    record = first.record.updated(
        **joined,
        outputs={name: ours.get(name, {}) | theirs.get(name, {}) for name in ours | theirs},
        failed=first.record.failed + second.record.failed,
        unscored=first.record.unscored + second.record.unscored,
    )
    notes = (*summary.notes, *_made_with(first, second))
    return MergedResults(first.store, record, replace(summary, notes=notes), rows)


def _made_with(first: RunResults, second: RunResults) -> Iterator[str]:
    """Say where models of one table were run by other versions or other code."""
    differing = [str(cause) for cause in _causes(first, second) if cause.kind in MADE_WITH]
    if differing:
        yield f"The models of {first.name} and of {second.name} were run by different software: " + "; ".join(
            differing
        )


def _obstacles(first: RunResults, second: RunResults) -> Iterator[str]:
    """Yield what keeps the scores of two runs out of one table."""
    for kind, old, new in (
        ("data set", first.record.datasets, second.record.datasets),
        ("metric", first.record.metrics, second.record.metrics),
    ):
        yield from (f"{kind} {name}: only in {first.location}" for name in sorted(old.keys() - new.keys()))
        yield from (f"{kind} {name}: only in {second.location}" for name in sorted(new.keys() - old.keys()))
    yield from (str(cause) for cause in _causes(first, second) if cause.kind in OF_SCORES)
    edits = [set(run.scores[["dataset", "edit"]].itertuples(index=False)) for run in (first, second)]
    if edits[0] != edits[1]:
        only = len(edits[0] - edits[1]), len(edits[1] - edits[0])
        yield f"edits: {only[0]} only in {first.location}, {only[1]} only in {second.location}"


def _placed_as(old: pd.DataFrame, new: pd.DataFrame) -> tuple[pd.DataFrame, list[Cause]]:
    """Return the second rows with each edit's domain and subject as in the first, and where they differed."""
    keys, places = ["dataset", "edit"], ["domain", "subject"]
    known = old.drop_duplicates(keys)[[*keys, *places]]
    both = new.merge(known, on=keys, how="left", suffixes=("", "_old"))
    placed = new.reset_index(drop=True)
    differs = pd.Series(False, index=placed.index)
    for name in places:
        as_before = both[f"{name}_old"].where(both[f"{name}_old"].notna(), placed[name])
        differs |= as_before != placed[name]
        placed[name] = as_before
    moved = new.reset_index(drop=True)[differs].groupby("dataset", sort=False)["edit"].nunique()
    text = "{} edits have another domain or subject, and count as in the first run"
    return placed, [
        Cause("data", f"{name}: places of edits", "", text.format(n)) for name, n in moved.items()
    ]


def _paired(
    before: RunResults, after: RunResults, old: pd.DataFrame, new: pd.DataFrame
) -> Iterator[pd.DataFrame]:
    """Yield the changes of scores of single outputs."""
    measures = {name: after.measures[name] for name in before.measures if name in after.measures}
    old, new = (with_joint(rows[rows["metric"].isin(list(measures))], measures)[0] for rows in (old, new))
    for (dataset, metric), part in old.groupby(["dataset", "metric"], sort=False):
        other = new[(new["dataset"] == dataset) & (new["metric"] == metric)]
        if not len(other) or metric not in measures:
            continue
        first, second = by_edit(part).align(by_edit(other), join="inner")
        if first.size:
            found = _changes_in(first, second, measures[str(metric)])
            yield found.assign(dataset=str(dataset), metric=str(metric))


def _changes_in(first: pd.DataFrame, second: pd.DataFrame, measure: Measure) -> pd.DataFrame:
    subjects, domains = (
        first.index.get_level_values(name).to_numpy(object) for name in ("subject", "domain")
    )
    values = first.to_numpy(np.float64), second.to_numpy(np.float64)
    differences = values[1] - values[0]
    changed = ~((differences == 0) | (np.isnan(values[0]) & np.isnan(values[1])))
    scored = [np.where(np.isnan(differences), np.nan, table) for table in values]
    frames = []
    for scope in scopes(domains):
        means = [
            clustered_means(table[scope.rows], subjects[scope.rows], measure.bounds, scope.strata).mean
            for table in scored
        ]
        found = clustered_means(
            differences[scope.rows],
            subjects[scope.rows],
            of_differences(measure.bounds),
            scope.strata,
            null=0.0,
            limits=of_differences(measure.limits),
        )
        frames.append(
            pd.DataFrame(
                {
                    "domain": scope.domain,
                    "generator": first.columns,
                    "before": means[0],
                    "after": means[1],
                    "difference": found.mean,
                    "p_holm": holm(found.p),
                    "n_common": int(scope.rows.sum()),
                    "n_changed": changed[scope.rows].sum(axis=0),
                    **interval_columns(found),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _sets(before: RunResults, after: RunResults) -> pd.DataFrame:
    """Return the changes of scores of sets, which have no paired difference.

    Sets of different edits have no difference at all: a distance depends on how many images there are.
    """
    keys = ["dataset", "domain", "metric", "generator"]
    names = _names_of_domains(before.scores, after.scores)
    equal = _equal_sets(before.scores, _renamed(after.scores, names))
    old, new = (run.cells[run.cells["references"].notna()] for run in (before, after))
    both = old.merge(_renamed(new, names), on=keys, suffixes=("_old", "_new"))
    places = both[["dataset", "generator", "domain"]].itertuples(index=False, name=None)
    same = np.array([place in equal for place in places], dtype=bool)
    change = both["value_new"].fillna(np.inf) != both["value_old"].fillna(np.inf)
    return both[keys].assign(
        before=both["value_old"],
        after=both["value_new"],
        difference=(both["value_new"] - both["value_old"]).where(same),
        low=np.nan,
        high=np.nan,
        p=np.nan,
        p_holm=np.nan,
        n_common=both[["n_asked_old", "n_asked_new"]].min(axis=1),
        n_scored=both[["n_scored_old", "n_scored_new"]].min(axis=1),
        n_changed=(change & same).astype(int),
        subjects=0,
        method=NONE,
        reason=np.where(same, NO_PAIRS, OTHER_EDITS),
    )


def _names_of_domains(old: pd.DataFrame, new: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return (data set, domain) of the second scores to what the first ones call the domain of these edits.

    Domains that were split or joined are left out: they are other sets.
    """
    keys, places = ["dataset", "edit"], ["dataset", "domain"]
    known, own = (rows.drop_duplicates(keys)[[*keys, "domain"]] for rows in (old, new))
    both = own.merge(known, on=keys, suffixes=("", "_old"))[[*places, "domain_old"]].drop_duplicates()
    clear = both[~both.duplicated(places, keep=False)].itertuples(index=False, name=None)
    names = {(dataset, domain): first for dataset, domain, first in clear}
    domains = own[places].drop_duplicates().itertuples(index=False, name=None)
    taken = Counter((dataset, names.get((dataset, domain), domain)) for dataset, domain in domains)
    return {place: name for place, name in names.items() if taken[place[0], name] == 1}


def _renamed(frame: pd.DataFrame, names: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """Return the rows with other names of their domains."""
    places = frame[["dataset", "domain"]].itertuples(index=False, name=None)
    domains = [names.get(place, place[1]) for place in places]
    return frame.assign(domain=pd.Series(domains, frame.index, dtype=object))


def _equal_sets(old: pd.DataFrame, new: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Return (data set, generator, domain or mean) where the scores of two runs are of the same edits."""
    answered = [_edits_by_domain(scores) for scores in (old, new)]
    equal: set[tuple[str, str, str]] = set()
    for model, domains in answered[0].items():
        others = answered[1].get(model, {})
        equal |= {(*model, domain) for domain, edits in domains.items() if edits == others.get(domain)}
        if domains == others:
            equal |= {(*model, mean) for mean in (OOD, ALL)}
    return equal


def _edits_by_domain(scores: pd.DataFrame) -> dict[tuple[str, str], dict[str, frozenset[str]]]:
    """Return (data set, generator) to domain to the edits that have an output."""
    rows = scores[scores["metric"] == OUTPUT]
    found: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    for (dataset, generator, domain), part in rows.groupby(["dataset", "generator", "domain"]):
        edits = frozenset(part.loc[part["value"] == 1, "edit"])
        found.setdefault((str(dataset), str(generator)), {})[str(domain)] = edits
    return found


def _reasons(
    changes: pd.DataFrame, causes: tuple[Cause, ...], after: RunResults
) -> dict[tuple[str, str, str], tuple[str, ...]]:
    changed = changes[changes["n_changed"] > 0].drop_duplicates(["dataset", "metric", "generator"])
    return {
        (dataset, metric, generator): tuple(
            str(cause) for cause in causes if cause.touches(dataset, generator, _sources(metric, after))
        )
        or (UNEXPLAINED,)
        for dataset, metric, generator in changed[["dataset", "metric", "generator"]].itertuples(index=False)
    }


def _sources(column: str, run: RunResults) -> frozenset[str]:
    """Return the backends of a column, their networks, and the metrics that give the column."""
    backends = set(backend(column).split("+"))
    networks = {name for name, card in run.record.networks.items() if card.backend in backends}
    metrics = {card.id for card in run.metrics if column in card.column_names or column == card.id}
    return frozenset(backends | networks | metrics)


def _causes(before: RunResults, after: RunResults) -> Iterator[Cause]:
    old, new = before.record, after.record
    yield from _unequal("spec", _fixed(before.spec), _fixed(after.spec))
    for name in sorted(old.datasets.keys() & new.datasets.keys()):
        yield from _unequal("data", _data(old.datasets[name]), _data(new.datasets[name]), name)
    for (kind, first), (_, second) in zip(before.identities.kinds(), after.identities.kinds(), strict=True):
        for name in sorted(first.keys() & second.keys()):
            owner = new.names.get(name, name)
            yield from _unequal(kind.removesuffix("s"), first[name], second[name], owner)
    yield from _unequal("version", old.versions, new.versions)
    yield from _unequal("code", plain(old.code), plain(new.code))
    yield from _unequal("device", plain(old.device), plain(new.device))


def _fixed(spec: RunSpec) -> dict[str, Any]:
    """Return the fields that may not change while a run grows."""
    return {name: value for name, value in plain(spec).items() if name not in (*GROWING, *BY_MODEL)}


def _data(entry: DatasetRecord) -> dict[str, Any]:
    trained = {f"trained on, {key}": value for key, value in plain(entry.trained_on).items()}
    references = {"reference images": entry.references_digest} if entry.references_digest else {}
    return {"digest": entry.digest} | references | trained


def _unequal(kind: str, old: Mapping[str, Any], new: Mapping[str, Any], owner: str = "") -> Iterator[Cause]:
    for name in sorted(old.keys() | new.keys()):
        if old.get(name) != new.get(name):
            texts = ("" if value is None else str(value) for value in (old.get(name), new.get(name)))
            yield Cause(kind, f"{owner}: {name}" if owner else name, *texts)
