"""Means over several trainings of one model, with intervals for other people and other trainings.

How much a score changes from one training of a model to the next is a variance of its own; more test
subjects do not lessen it. With two or three trainings of each model it is known poorly for each and better
for all together, so it is pooled over the models with several trainings, for each data set, domain and
metric; a model whose own is larger keeps its own. Shares are pooled on the scale arcsin(√share), on which the
variance depends least on the share.

The end of an interval lies at

    mean ± t · √(E² − B + V),

where E is the distance of the end of the trainings' own intervals, which are for other people, over the
normal quantile (the root mean square over trainings), V that variance over the number of trainings, B
the part of the variance that is the same people's answers to one training only, which V holds as well, and t
the quantile with Satterthwaite's degrees of freedom, all but V taken as known. B is half the variance of the
difference of two trainings of a model, from the interval of that difference. No interval is narrower than if
each training had been judged by people of its own (E² / number of trainings). The p value of a difference
belongs to its interval: it is 0.05 where an end is 0. A model with one training gets the pooled variance of
the others; one without random choices, such as a closed form, none.

``benchmarks/trainings_simulation.py`` measures how often the intervals cover; the table is in
``docs/intervals.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy

from ..core.contracts import Floats
from .comparisons import CELL_COLUMNS, DIFFERENCE_COLUMNS
from .intervals import LEVEL, NONE
from .measures import Measure
from .multiplicity import holm

METHOD = "people and trainings"
PLACE = ["dataset", "domain", "metric"]
UNKNOWN = "no interval: one of a training is missing"


@dataclass(frozen=True)
class Trainings:
    """Which generators are trainings of which model.

    Attributes:
        model_of: Generator to the model that it is a training of, or to itself.
        fixed: Models without random choices, which no other training would change.
    """

    model_of: Mapping[str, str]
    fixed: Collection[str] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Model to the number of its trainings."""
        models = list(self.model_of.values())
        return {model: models.count(model) for model in dict.fromkeys(models)}

    @property
    def several(self) -> bool:
        """Whether a model has several trainings."""
        return any(count > 1 for count in self.counts.values())


class OverTrainings(NamedTuple):
    """The results of models, each the mean over its trainings.

    Attributes:
        cells: ``CELL_COLUMNS`` with the model in the place of the generator; a value or an interval is
            missing where that of a training is.
        differences: ``DIFFERENCE_COLUMNS``, each the mean over all pairs of trainings of two models, with p
            values adjusted by Holm's method over the pairs of models in a place. There is no p where a pair
            of trainings has none, as for sets that cannot rank.
    """

    cells: pd.DataFrame
    differences: pd.DataFrame


def over_trainings(
    cells: pd.DataFrame, differences: pd.DataFrame, measures: Mapping[str, Measure], trainings: Trainings
) -> OverTrainings:
    """Return the results of models from those of their trainings.

    Args:
        cells: ``CELL_COLUMNS`` of the trainings.
        differences: ``DIFFERENCE_COLUMNS`` of the trainings.
        measures: Column id to measure.
        trainings: Which generators are trainings of which model; at least one model has several.
    """
    named = cells.assign(model=cells["generator"].map(trainings.model_of))
    turned = _turned(differences, trainings)
    spreads = _spreads(named, turned, measures, trainings)
    return OverTrainings(_mean_cells(named, spreads, measures), _mean_differences(turned, spreads))


def _mean_cells(cells: pd.DataFrame, spreads: pd.DataFrame, measures: Mapping[str, Measure]) -> pd.DataFrame:
    means = _with_interval(_means(cells, ["model"], "value").join(spreads), "value")
    limits = means.index.get_level_values("metric").map(measures)
    clipped = means.assign(
        low=means["low"].clip(lower=np.array([measure.low for measure in limits])),
        high=means["high"].clip(upper=np.array([measure.high for measure in limits])),
    )
    return clipped.reset_index().rename(columns={"model": "generator"})[CELL_COLUMNS]


def _mean_differences(differences: pd.DataFrame, spreads: pd.DataFrame) -> pd.DataFrame:
    apart = differences[differences["first"] != differences["second"]]
    means = _means(apart, ["first", "second"], "difference")
    places = means.reset_index()
    first, second = (
        spreads.reindex(pd.MultiIndex.from_frame(places[[*PLACE, side]])).set_axis(means.index)
        for side in ("first", "second")
    )
    means = means.assign(
        between=first["between"] + second["between"],
        repeated=first["repeated"] + second["repeated"],
        trainings=np.maximum(first["trainings"], second["trainings"]),
        dof=first["dof"],
    )
    found = _with_interval(means.assign(p=_p(means)), "difference").reset_index()
    adjusted = found.groupby(PLACE, sort=False)["p"].transform(lambda p: holm(p.to_numpy(np.float64)))
    named = found.assign(p_holm=adjusted).rename(columns={"first": "generator", "second": "versus"})
    return named[DIFFERENCE_COLUMNS]


def _turned(differences: pd.DataFrame, trainings: Trainings) -> pd.DataFrame:
    """Return the differences of trainings with ``first`` and ``second`` model, in the order of the models."""
    places = {model: place for place, model in enumerate(trainings.counts)}
    models = [differences[name].map(trainings.model_of) for name in ("generator", "versus")]
    turned = models[0].map(places) > models[1].map(places)
    low, high = differences["low"], differences["high"]
    return differences.assign(
        first=models[0].where(~turned, models[1]),
        second=models[1].where(~turned, models[0]),
        difference=differences["difference"].where(~turned, -differences["difference"]),
        low=low.where(~turned, -high),
        high=high.where(~turned, -low),
    )


def _means(rows: pd.DataFrame, names: list[str], value: str) -> pd.DataFrame:
    """Return one row for each place and ``names``: means of ``value``, and ``below`` and ``above`` of them.

    These are the distances of the ends of the intervals for people, as root mean squares.
    """
    squares = rows.assign(
        below=np.square(rows[value] - rows["low"]), above=np.square(rows["high"] - rows[value])
    )
    groups = squares.groupby([*PLACE, *names], sort=False)
    numbers = [value, "below", "above", *(["p"] if "p" in rows else [])]
    whole = groups[numbers].count().eq(groups.size(), axis=0)
    means = groups[numbers].mean().where(whole)
    others = [name for name in ("n_asked", "subjects", "n_references", "references") if name in rows]
    return means.assign(
        below=np.sqrt(means["below"]),
        above=np.sqrt(means["above"]),
        n_scored=groups["n_scored"].min(),
        complete=groups["complete"].all() if "complete" in rows else True,
        reason=groups["reason"].max(),
        **{name: groups[name].first() for name in others},
    )


def _spreads(
    cells: pd.DataFrame, differences: pd.DataFrame, measures: Mapping[str, Measure], trainings: Trainings
) -> pd.DataFrame:
    """Return by place and model how its trainings vary; cells have a ``model``, differences are ``_turned``.

    ``between`` is the variance of the mean over ``trainings`` of them, with ``dof`` degrees of freedom;
    ``repeated`` the part of it that the intervals for other people hold too (B in the text above).
    """
    share = cells["metric"].map({name: bool(np.isfinite(one.bounds).all()) for name, one in measures.items()})
    values = cells["value"].astype(np.float64)
    scaled = pd.Series(np.where(share, np.arcsin(np.sqrt(values.clip(0, 1))), values), index=values.index)
    named = cells[[*PLACE, "model"]].assign(value=values, scaled=scaled, share=share)
    groups = named.groupby([*PLACE, "model"], sort=False)
    apart = scaled - groups["scaled"].transform("mean")
    by_place = named.assign(squares=np.square(apart)).groupby(PLACE, sort=False)
    found = pd.DataFrame(
        {
            "mean": groups["value"].mean(),
            "share": groups["share"].first(),
            "own": groups["scaled"].var().fillna(0.0),
            "trainings": groups.size(),
        }
    )
    dof = (groups["scaled"].count() - 1).clip(lower=0).groupby(PLACE, sort=False).sum()
    pooled = pd.DataFrame({"pooled": by_place["squares"].sum() / dof, "dof": dof})
    found = found.join(pooled, on=PLACE)
    slope = np.where(found["share"], 4 * found["mean"] * (1 - found["mean"]), 1.0)
    random = ~found.index.get_level_values("model").isin(list(trainings.fixed))
    return found.assign(
        between=np.where(random, found[["pooled", "own"]].max(axis=1) * slope / found["trainings"], 0.0),
        repeated=_repeated(differences).reindex(found.index).fillna(0.0),
    )[["between", "repeated", "trainings", "dof"]]


def _repeated(differences: pd.DataFrame) -> pd.Series[float]:
    """Return by place and model half the variance of the difference of two of its trainings."""
    inside = differences[differences["first"] == differences["second"]]
    halves = np.square((inside["high"] - inside["low"]) / (2 * _normal())) / 2
    keys = [*(inside[name] for name in PLACE), inside["first"].rename("model")]
    found: pd.Series[float] = halves.groupby(keys).mean()
    return found


def _with_interval(means: pd.DataFrame, value: str) -> pd.DataFrame:
    """Return means of ``value`` with the ends of their intervals, the method, and why one is missing."""
    below, above = (_distance(means[name], means) for name in ("below", "above"))
    low, high = means[value] - below, means[value] + above
    missing = low.isna()
    return means.assign(
        low=low,
        high=high,
        method=np.where(missing, NONE, METHOD),
        reason=np.where((means["reason"] == "") & missing, UNKNOWN, means["reason"]),
    )


def _distance(people: pd.Series[float], means: pd.DataFrame) -> Floats:
    """Return the distance of an end from the mean, given the one that holds for other people only."""
    errors, dof = _errors(people, means)
    quantile: Floats = scipy.special.stdtrit(dof, (1 + LEVEL) / 2).astype(np.float64)
    return quantile * np.sqrt(errors)


def _errors(people: pd.Series[float], means: pd.DataFrame) -> tuple[Floats, Floats]:
    """Return the squared standard error for other people and other trainings, and its degrees of freedom."""
    between, repeated, trainings, degrees = (
        means[name].to_numpy(np.float64) for name in ("between", "repeated", "trainings", "dof")
    )
    own = np.square(people.to_numpy(np.float64) / _normal())
    errors = np.maximum(np.maximum(own - repeated, 0.0) + between, own / trainings)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        dof = np.where(between > 0, np.square(errors / between) * degrees, np.inf)
    return errors, dof


def _p(means: pd.DataFrame) -> Floats:
    difference = means["difference"].to_numpy(np.float64)
    errors, dof = _errors(means["below"].where(means["difference"] > 0, means["above"]), means)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * scipy.special.stdtr(dof, -np.abs(difference) / np.sqrt(errors))
    p = np.where((errors == 0) & (difference == 0), 1.0, p)
    found: Floats = np.where(means["p"].isna(), np.nan, p)
    return found


def _normal() -> float:
    """Return the half width of an interval of the normal distribution, in standard errors."""
    return float(scipy.special.ndtri((1 + LEVEL) / 2))
