"""The summary of a run: every cell with its interval and counts, comparisons, and what a reader must know."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..core.contracts import Block, MetricCard
from ..core.json_values import json_value
from .breakdown import cells_by_expression, confusions
from .classification import with_classification
from .comparisons import (
    ALL,
    CELL_COLUMNS,
    DIFFERENCE_COLUMNS,
    IN_DISTRIBUTION,
    OOD,
    UNFIT,
    gain_over,
    groups,
    interval_columns,
    joint_success,
    paired_differences,
    ranks,
    scopes,
)
from .intervals import NONE, clustered_means
from .jackknife import METHOD
from .measures import (
    OUTPUT,
    QUALITY,
    WORKS,
    Measure,
    joint_column,
    joint_measure,
    joint_pairs,
    measures_of,
    stem,
    works_column,
    works_measure,
)
from .works import floors_note, quality_floors, works

SCHEMA_VERSION = 2
FRAMES = ("measures", "cells", "ranks", "gains", "differences", "expressions", "confusion")
"""The frames of a summary, as its file names them."""
RELIABLE_FID = 2048
"""Fréchet distances of fewer images than this mostly measure the number of images."""

_METHOD_NOTES = (
    "Intervals are 95%, clustered by subject: for shares Wilson intervals with the effective sample size "
    "(outputs over the design effect), exact binomial ones where each subject has one output; for graded "
    "scores a t interval, bent into the range, widened for skewness and for failures that few subjects do "
    "not show; none where all subjects agree on a graded score.",
    "Scores of sets (FID, KID) and their differences on the same edits: a t interval by a jackknife that "
    "leaves out groups of subjects in turn, cut at 0 for FID. The bias of small sets is in the value. They "
    "are conditional on the reference images: how much others would move the scores is not in them.",
    "ECS macro is the mean over target expressions of the share that shows them; ECS auc the area under the "
    "ROC curve of the judge's probability of an expression, outputs that should show it against all others, "
    "averaged over expressions, ties counting half; an edit without output loses every comparison.",
    "'ood' is the plain mean of the domains other than {in_distribution}; 'all' that of all domains.",
    "p values of paired differences are adjusted by Holm's method within data set, domain and metric; ranks "
    "span what these tests cannot tell apart among models with the same training data.",
)


@dataclass(frozen=True)
class Summary:
    """What ``summarise`` found.

    ``cells``: one row for each generator, data set, domain ('ood' and 'all' included) and metric
    (``CELL_COLUMNS``). ``differences``, ``ranks``, ``gains``: see ``comparisons``. ``measures``: the columns'
    directions, ranges and units. ``expressions``: cells with the target expression in the place of the
    domain, each the plain mean over domains. ``confusion``: how often each judge saw what. ``notes``: what a
    reader must know of these numbers; ``methods``: how they were computed. Missing numbers are NaN here and
    null in files, always beside a reason.
    """

    cells: pd.DataFrame
    differences: pd.DataFrame
    ranks: pd.DataFrame
    gains: pd.DataFrame
    measures: pd.DataFrame
    expressions: pd.DataFrame
    confusion: pd.DataFrame
    notes: tuple[str, ...]
    methods: tuple[str, ...]

    def to_json(self) -> str:
        """JSON text: ``schema_version``, the sentences, and each frame as a list of records; never NaN."""
        frames = {name: _records(getattr(self, name)) for name in FRAMES}
        texts = {"notes": list(self.notes), "methods": list(self.methods)}
        content = {"schema_version": SCHEMA_VERSION, **texts, **frames}
        text: str = json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False)
        return text + "\n"


@dataclass(frozen=True)
class ImageResults:
    """What follows from the scores of single outputs: all of a summary that needs no scores of sets.

    ``measures`` are those of the cards, and joint success, macro accuracy and areas where they can be
    computed; ``order`` is the order of data sets, metrics, domains and generators; ``notes`` belong to those
    of the summary.
    """

    measures: Mapping[str, Measure]
    order: Mapping[str, Sequence[object]]
    cells: pd.DataFrame
    differences: pd.DataFrame
    expressions: pd.DataFrame
    confusion: pd.DataFrame
    notes: tuple[str, ...]


def image_results(scores: pd.DataFrame, cards: Iterable[MetricCard]) -> ImageResults:
    """Return the results of the metrics of single outputs; arguments as for ``summarise``."""
    cards = list(cards)
    measures, rows = measures_of(cards), scores
    scores, measures = with_joint(_that_exist(rows[rows["metric"].isin(list(measures))], measures), measures)
    expressions = cells_by_expression(rows, scores, measures)
    scores, measures = with_classification(rows, scores, measures)
    cells = _image_cells(scores, rows, measures)
    return ImageResults(
        measures=measures,
        order=_order(rows, [*scores["metric"].unique(), *measures]),
        cells=cells,
        differences=_differences(scores, measures),
        expressions=expressions,
        confusion=confusions(rows, cards),
        notes=tuple(_floors_of(scores, cells)),
    )


def summarise(
    scores: pd.DataFrame,
    set_scores: pd.DataFrame,
    cards: Iterable[MetricCard],
    blocks: Mapping[tuple[str, str], Block],
    unfit: Collection[tuple[str, str, str]] = (),
    set_differences: pd.DataFrame | None = None,
) -> Summary:
    """Summarise the scores of a run.

    Args:
        scores: Long-form: generator, dataset, domain, subject, edit, source, target, metric, value, reason;
            rows of the metric ``OUTPUT`` say which edits were asked for, and count for nothing else.
        set_scores: Long-form: generator, dataset, domain, metric, value, n_outputs, n_references, references,
            low, high; reason where value is null.
        cards: The cards of the metrics.
        blocks: (generator, dataset) to 'main', 'transfer' or 'control'.
        unfit: (dataset, domain, metric) where the metric cannot rank; see ``metrics.calibration``. There
            differences of sets keep their intervals and have no test.
        set_differences: ``DIFFERENCE_COLUMNS`` of set metrics; None where there are none.

    Returns:
        The summary; columns that hold labels and those beside a headline that no output of a data set can
        have are left out; joint success, macro accuracy and areas are added where they can be computed.
    """
    images = image_results(scores, cards)
    return with_sets(images, scores, set_scores, blocks, unfit, set_differences)


def with_sets(
    images: ImageResults,
    scores: pd.DataFrame,
    set_scores: pd.DataFrame,
    blocks: Mapping[tuple[str, str], Block],
    unfit: Collection[tuple[str, str, str]] = (),
    set_differences: pd.DataFrame | None = None,
) -> Summary:
    """Return the summary of a run from the ``image_results`` of its scores; else as ``summarise``."""
    set_cells = _set_cells(set_scores, scores, images.measures)
    parts = [part for part in (images.cells, set_cells) if len(part)] or [images.cells]
    cells = _in_order(pd.concat(parts), images.order)
    present = {column: images.measures[column] for column in cells["metric"].unique()}
    known = pd.DataFrame(columns=DIFFERENCE_COLUMNS) if set_differences is None else set_differences
    both = (images.differences, _untested(known, unfit))
    parts = [part for part in both if len(part)] or [images.differences]
    differences = _in_order(pd.concat(parts, ignore_index=True), images.order)
    return Summary(
        cells=cells,
        differences=differences,
        ranks=ranks(cells, differences, present, blocks, unfit),
        gains=gain_over(differences),
        measures=pd.DataFrame([asdict(measure) for measure in present.values()]),
        expressions=images.expressions,
        confusion=images.confusion,
        notes=(*_notes(cells), *images.notes),
        methods=tuple(note.format(in_distribution=IN_DISTRIBUTION) for note in _METHOD_NOTES),
    )


def _that_exist(scores: pd.DataFrame, measures: Mapping[str, Measure]) -> pd.DataFrame:
    """All scores but those beside a headline that no output of a data set can have."""
    headline = scores["metric"].map({column: measure.headline for column, measure in measures.items()})
    known = scores["value"].notna().groupby([scores["dataset"], scores["metric"]]).transform("any")
    return scores[headline.astype(bool) | known.astype(bool)]


def _order(rows: pd.DataFrame, metrics: Iterable[str]) -> dict[str, list[object]]:
    """Data sets, metrics, domains and generators in the order in which a reader meets them."""
    order: dict[str, list[object]] = {
        name: list(rows[name].unique()) for name in ("dataset", "metric", "domain", "generator")
    }
    return order | {"metric": list(dict.fromkeys(metrics)), "domain": [*order["domain"], OOD, ALL]}


def _in_order(frame: pd.DataFrame, order: Mapping[str, Sequence[object]]) -> pd.DataFrame:
    """``frame`` with its rows in ``order``."""
    keys = {
        name: frame[name].map({value: place for place, value in enumerate(values)})
        for name, values in order.items()
    }
    order_of_rows = pd.DataFrame(keys).reset_index(drop=True).sort_values(list(keys), kind="stable").index
    return frame.iloc[order_of_rows].reset_index(drop=True)


def with_joint(
    scores: pd.DataFrame, measures: Mapping[str, Measure]
) -> tuple[pd.DataFrame, dict[str, Measure]]:
    """Scores and measures with joint success of every pair of columns that allows it, and what works."""
    present = dict.fromkeys(scores["metric"].unique())
    floors = {name: quality_floors(scores, name) for name in present if stem(name) == QUALITY}
    parts, known = [scores], dict(measures)
    for expression, verified in joint_pairs(present):
        column = joint_column(expression, verified)
        joint = joint_success(scores, expression, verified)
        parts.append(joint)
        known[column] = joint_measure(column)
        for quality in (name for name, found in floors.items() if found):
            parts.append(works(scores, joint, quality, floors[quality]))
            known[works_column(column, quality)] = works_measure(works_column(column, quality))
    return (pd.concat(parts, ignore_index=True) if len(parts) > 1 else scores), known


def _differences(scores: pd.DataFrame, measures: Mapping[str, Measure]) -> pd.DataFrame:
    found = [
        paired_differences(scores, metric, measures[metric].bounds, limits=measures[metric].limits)
        for metric in scores["metric"].unique()
    ]
    filled = [frame for frame in found if len(frame)] or found[:1]
    return pd.concat(filled, ignore_index=True) if filled else paired_differences(scores, "")


def _untested(differences: pd.DataFrame, unfit: Collection[tuple[str, str, str]]) -> pd.DataFrame:
    """Differences of sets without tests where the metric cannot tell real images from degraded ones."""
    places = zip(differences["dataset"], differences["domain"], differences["metric"], strict=True)
    blind = np.array([place in unfit for place in places], dtype=bool)
    found = differences.copy()
    found.loc[blind, ["p", "p_holm"]] = np.nan
    found.loc[blind, "reason"] = UNFIT
    return found


def _image_cells(scores: pd.DataFrame, rows: pd.DataFrame, measures: Mapping[str, Measure]) -> pd.DataFrame:
    reasons = _main_reasons(scores[scores["value"].isna()])
    asked = rows.drop_duplicates(["dataset", "edit"])
    frames = [
        _cells_in(dataset, metric, table.reindex(_edits(asked, dataset)), measures[metric], reasons)
        for dataset, metric, table in groups(scores)
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=CELL_COLUMNS)


def _edits(asked: pd.DataFrame, dataset: str) -> pd.MultiIndex:
    """All edits of a data set that any generator was asked for, whatever was scored."""
    rows = asked[asked["dataset"] == dataset]
    return pd.MultiIndex.from_frame(rows[["domain", "subject", "edit"]]).sort_values()


def _cells_in(
    dataset: str,
    metric: str,
    table: pd.DataFrame,
    measure: Measure,
    reasons: Mapping[tuple[str, str, str], str],
) -> pd.DataFrame:
    subjects, domains = (
        table.index.get_level_values(name).to_numpy(object) for name in ("subject", "domain")
    )
    frames = []
    for scope in scopes(domains):
        values = table.to_numpy()[scope.rows]
        found = clustered_means(
            values, subjects[scope.rows], measure.bounds, scope.strata, limits=measure.limits
        )
        frame = pd.DataFrame(
            {
                "generator": table.columns,
                "dataset": dataset,
                "domain": scope.domain,
                "metric": metric,
                "value": found.mean,
                "n_asked": len(values),
                "complete": found.n == len(values),
                **interval_columns(found),
            }
        )
        missing = [reasons.get((name, dataset, metric), "not scored") for name in table.columns]
        frame["reason"] = np.where(frame["complete"], frame["reason"], missing)
        frames.append(frame.drop(columns="p"))
    return pd.concat(frames, ignore_index=True)


def _main_reasons(missing: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """(generator, dataset, metric) to the most frequent reason in rows where something is missing."""
    keys = ["generator", "dataset", "metric"]
    return {
        (str(key[0]), str(key[1]), str(key[2])): _most_frequent(part["reason"])
        for key, part in missing.groupby(keys, sort=False)
    }


def _most_frequent(reasons: pd.Series[str]) -> str:
    counts = reasons.fillna("").replace("", "no reason was recorded").value_counts(sort=True)
    return (
        f"{counts.index[0]} (and {len(counts) - 1} other reasons)"
        if len(counts) > 1
        else str(counts.index[0])
    )


def _set_cells(set_scores: pd.DataFrame, rows: pd.DataFrame, measures: Mapping[str, Measure]) -> pd.DataFrame:
    """Cells of set metrics; complete where every output that was asked for took part."""
    known = set_scores[set_scores["metric"].isin(list(measures))]
    if known.empty:
        return pd.DataFrame(columns=CELL_COLUMNS)
    asked = _asked(rows)
    counts = np.array(
        [
            asked.get((str(row[0]), str(row[1])), row[2])
            for row in known[["dataset", "domain", "n_outputs"]].to_numpy()
        ]
    )
    numbers = {name: pd.to_numeric(known[name]).astype(np.float64) for name in ("value", "low", "high")}
    reasons = known["reason"] if "reason" in known else pd.Series("", index=known.index)
    whole = known["n_outputs"].to_numpy() >= counts
    failures = _main_reasons(rows[(rows["metric"] == OUTPUT) & rows["reason"].notna()])
    gaps = [
        failures.get((str(name), str(dataset), OUTPUT), "outputs are missing")
        for name, dataset in zip(known["generator"], known["dataset"], strict=True)
    ]
    frame = known.assign(
        **numbers,
        n_asked=counts,
        n_scored=known["n_outputs"],
        subjects=0,
        complete=numbers["value"].notna() & whole,
        method=np.where(numbers["low"].notna(), METHOD, NONE),
        reason=np.where(reasons.isna() | (reasons == ""), np.where(whole, "", gaps), reasons),
    )
    return frame[CELL_COLUMNS]


def _asked(rows: pd.DataFrame) -> dict[tuple[str, str], int]:
    edits = rows.drop_duplicates(["dataset", "edit"])
    sizes = edits.groupby(["dataset", "domain"]).size()
    return {(str(key[0]), str(key[1])): int(size) for key, size in sizes.items()}  # type: ignore[index]


def _notes(cells: pd.DataFrame) -> list[str]:
    notes = []
    frechet = cells["metric"].map(stem) == "fid"
    small = cells[frechet & (cells["n_scored"] < RELIABLE_FID)]
    if len(small):
        notes.append(
            f"Fréchet distances here rest on {_span(small['n_scored'])} outputs; below {RELIABLE_FID} they "
            "are biased upwards and compare only at equal numbers of images: read KID beside them."
        )
    incomplete = int((~cells["complete"].astype(bool)).sum())
    if incomplete:
        notes.append(
            f"{incomplete} of {len(cells)} cells are incomplete: not ranked and never marked as best."
        )
    return notes


def _floors_of(scores: pd.DataFrame, cells: pd.DataFrame) -> list[str]:
    """Say what quality an output that works has, where any cell is of those."""
    if not (cells["metric"].map(stem) == WORKS).any():
        return []
    names = [name for name in scores["metric"].unique() if stem(name) == QUALITY]
    found = {name: quality_floors(scores, name) for name in names}
    return [floors_note(name, floors) for name, floors in found.items() if floors]


def _span(counts: pd.Series[int]) -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    columns: Sequence[str] = [str(name) for name in frame.columns]
    rows = frame.astype(object).to_numpy().tolist()
    return [dict(zip(columns, map(json_value, row), strict=True)) for row in rows]
