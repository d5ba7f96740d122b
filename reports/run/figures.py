"""Draws the figures of a finished run: those of scores from its tables, those of images from its outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fesbench.core.contracts import NO_TRUTH, Edit, Failure, Image
from fesbench.core.names import safe_name
from fesbench.datasets.loading import load_sample
from fesbench.datasets.workers import available_cores
from fesbench.runs.plan import DatasetPlan
from fesbench.runs.progress import SILENT, Listener
from fesbench.runs.results import DatasetResults
from fesbench.statistics.breakdown import confusion
from fesbench.statistics.comparisons import ALL, IN_DISTRIBUTION, OOD
from fesbench.statistics.measures import backend, stem

from ..figures.canvas import Axis, Model, models_of
from ..figures.grid import GridRow
from ..figures.images import image_grid
from ..figures.matrices import confusions, metric_agreement
from ..figures.perturbations import perturbation_curves
from ..figures.scores import dots, rank_lines, slopes, trade_off
from ..figures.truth import metric_truth
from ..figures.writer import FigureWriter
from ..html.content import Picture
from .captions import caption_of, file_name
from .further_tables import robustness_cells
from .grids import chosen_edits, load_image_of, read_output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GRID_ROWS = 8
MANY_SCORES = 20_000
"""Scores of a run whose figures several processes write: its figures show several models and domains."""


def write_figures(
    results: Sequence[DatasetResults],
    plans: Mapping[str, DatasetPlan],
    folder: Path,
    listener: Listener = SILENT,
) -> dict[str, list[Picture]]:
    """Draw every figure that a run allows, each as PDF and PNG.

    Args:
        results: Those of each data set of the run.
        plans: Data set to plan, of those whose images may be shown: only they have figures of images.
        folder: Where the files go.
        listener: Is told of each figure.

    Returns:
        Data set to its figures.
    """
    listener.stage("figures")
    with FigureWriter(folder, _workers(results)) as writer:
        return {
            one.dataset: list(_written(one, plans.get(one.dataset), writer, _prefix(results, one), listener))
            for one in results
        }


def _workers(results: Sequence[DatasetResults]) -> int:
    """Return how many processes write: one for each core, and none for a run that is as quick without."""
    many, cores = sum(len(one.scores) for one in results) >= MANY_SCORES, available_cores()
    return cores if many and cores > 1 else 0


def _written(
    results: DatasetResults, plan: DatasetPlan | None, writer: FigureWriter, prefix: str, listener: Listener
) -> Iterator[Picture]:
    of_images = image_figures(results, plan.edits, results.run.spec.seed) if plan else ()
    for figures, images in ((score_figures(results), False), (of_images, True)):
        for stem_, figure in figures:
            listener.step(stem_)
            file = writer.write(figure, prefix + stem_)
            yield Picture(file, caption_of(results, stem_), of_images=images)


def _prefix(results: Sequence[DatasetResults], one: DatasetResults) -> str:
    return f"{safe_name(one.dataset)}-" if len(results) > 1 else ""


def score_figures(results: DatasetResults) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of scores of one data set, by the stem of their files."""
    models, axes = _models(results), _axes(results)
    domains = [name for name in results.domains if name != ALL or OOD not in results.domains]
    for axis in axes:
        known = _known(results, axis, domains)
        if known:
            yield f"dots-{file_name(axis.column)}", dots(results.cells, models, axis, known)
    for y, x in product(_stems(axes, "ecs"), _stems(axes, "fss")):
        name = "trade-off" if backend(x.column) == backend(y.column) == "embedded" else ""
        name = name or f"trade-off-{safe_name(f'{backend(y.column)}-{backend(x.column)}')}"
        yield name, trade_off(results.cells, models, x, y, domains)
    if IN_DISTRIBUTION in domains and OOD in domains:
        both = [axis for axis in axes if len(_known(results, axis, [IN_DISTRIBUTION, OOD])) == 2]
        if both:
            yield "slopes", slopes(results.cells, models, both, IN_DISTRIBUTION, OOD)
    yield from _rank_figure(results, models, axes, domains)
    yield from _agreement_figures(results, domains)
    perturbed = robustness_cells(results)
    if perturbed:
        yield "robustness", perturbation_curves(perturbed, models, axes)
    for column, labels in results.labels.items():
        seen = confusion(results.scores, column, labels)
        yield f"confusion-{safe_name(backend(column))}", confusions(seen, models, labels)


def _models(results: DatasetResults) -> list[Model]:
    cards = sorted(results.cards.items(), key=lambda item: item[1].control)
    return models_of([(name, card.title or name, card.control) for name, card in cards])


def _axes(results: DatasetResults) -> list[Axis]:
    """Return the headline metrics."""
    present = list(dict.fromkeys(results.cells["metric"]))
    measures = [results.measures[name] for name in present]
    return [Axis(m.column, m.direction, m.unit) for m in measures if m.headline and m.direction]


def _stems(axes: Sequence[Axis], name: str) -> list[Axis]:
    return [axis for axis in axes if stem(axis.column) == name]


def _known(results: DatasetResults, axis: Axis, domains: Sequence[str]) -> list[str]:
    """Return the domains in which a metric has a value."""
    cells = results.cells[(results.cells["metric"] == axis.column) & results.cells["value"].notna()]
    return [name for name in domains if name in set(cells["domain"])]


def _rank_figure(
    results: DatasetResults, models: Sequence[Model], axes: Sequence[Axis], domains: Sequence[str]
) -> Iterator[tuple[str, Figure]]:
    """Yield ranks over domains, where several models are ranked in several domains."""
    ranks = results.run.summary.ranks
    own = ranks[(ranks["dataset"] == results.dataset) & (ranks["block"] == "main")].dropna(subset="rank")
    ranked = [model for model in models if model.name in set(own["generator"])]
    own = own[own["domain"].isin(list(domains))]
    places = own.groupby("metric")["domain"].nunique()
    shown = [axis for axis in axes if places.get(axis.column, 0) > 1]
    if len(ranked) > 1 and len(domains) > 1 and shown:
        yield "ranks", rank_lines(own, ranked, shown, domains)


def _agreement_figures(results: DatasetResults, domains: Sequence[str]) -> Iterator[tuple[str, Figure]]:
    """Yield metrics against the truth and against each other, where several models are compared."""
    if len(results.compared) < 2:
        return
    truth = results.truthfulness
    if truth["tau"].notna().any():
        ends = [name for name in (IN_DISTRIBUTION, OOD) if name in domains] or list(domains[:1])
        yield "truth", metric_truth(truth, results.judged, results.truths, ends)
    columns = [*results.judged, *results.truths]
    pairs = list(combinations(columns, 2))
    found = results.agreement(pairs) if pairs else truth
    scope = ALL if ALL in results.domains else results.domains[0]
    if found["tau"].notna().any():
        yield "metrics", metric_agreement(found[found["domain"] == scope], columns)


def image_figures(results: DatasetResults, edits: Sequence[Edit], seed: int) -> Iterator[tuple[str, Figure]]:
    """Yield the figures of images of one data set, by the stem of their files."""
    for name, picked in _selections(results, edits, seed):
        yield name, _grid(results, picked, _has_truth(edits))
    yield from _strips(results, _uncontrolled(results), edits, seed)


def edits_grid(results: DatasetResults, edits: Sequence[Edit]) -> Figure:
    """Draw edits, a row for each: the input, the outputs of all models but controls, and the truth."""
    return _grid(results, [_labelled(edit) for edit in edits], _has_truth(edits))


def _grid(results: DatasetResults, picked: Sequence[tuple[str, Edit]], with_truth: bool) -> Figure:
    models = _uncontrolled(results)
    columns = ["Input", *(model.label for model in models), *(["Truth"] if with_truth else [])]
    rows = [
        GridRow(label, [load_image_of(edit), *_answers(results, models, edit), *_truth(edit, columns)])
        for label, edit in picked
    ]
    return image_grid(rows, columns)


def _uncontrolled(results: DatasetResults) -> list[Model]:
    return [model for model in _models(results) if model.name not in results.run.record.controls]


def _has_truth(edits: Sequence[Edit]) -> bool:
    return any(edit.truth for edit in edits)


def _selections(
    results: DatasetResults, edits: Sequence[Edit], seed: int
) -> Iterator[tuple[str, list[tuple[str, Edit]]]]:
    """Yield named selections of labelled edits: curated, random, and the best and worst by each metric.

    Controls are not graded, so there is no best and worst where nothing else has a score.
    """
    draw = np.random.default_rng(seed)
    places = sorted(draw.choice(len(edits), min(GRID_ROWS, len(edits)), replace=False).tolist())
    yield "grid-curated", [_labelled(edit) for edit in chosen_edits(edits, seed)]
    yield "grid-random", [_labelled(edits[place]) for place in places]
    by_id = {edit.id: edit for edit in edits}
    for column in results.graded:
        order = _order(results, column)
        for name, ranked in (("best", order), ("worst", order[::-1])) if len(order) else ():
            picked = [(by_id[edit], value) for edit, value in ranked.items() if edit in by_id][:GRID_ROWS]
            rows = [(f"{_labelled(edit)[0]} {value:.2f}", edit) for edit, value in picked]
            yield f"grid-{name}-{file_name(column)}", rows


def _labelled(edit: Edit) -> tuple[str, Edit]:
    return f"{edit.source.domain} {edit.target}", edit


def _order(results: DatasetResults, column: str) -> pd.Series[float]:
    """Return edit to the mean score of the models that are no controls, the best first."""
    scored = results.scores["metric"] == column
    rows = results.scores[scored & results.scores["generator"].isin(results.compared)]
    means = rows.groupby("edit")["value"].mean().dropna()
    return means.sort_values(ascending=results.measures[column].direction == "lower", kind="stable")


def _strips(
    results: DatasetResults, models: Sequence[Model], edits: Sequence[Edit], seed: int
) -> Iterator[tuple[str, Figure]]:
    """Yield one subject of each domain in every expression, where there are several: a row for each model."""
    domains = list(dict.fromkeys(edit.source.domain for edit in edits))
    for domain in domains:
        sources = list(dict.fromkeys(edit.source.id for edit in edits if edit.source.domain == domain))
        source = sources[int(np.random.default_rng(seed).integers(len(sources)))]
        own = [edit for edit in edits if edit.source.id == source]
        if len(own) < 2:
            continue
        first = load_image_of(own[0])
        rows = [
            GridRow(model.label, [first, *(_output(results, model.name, edit) for edit in own)])
            for model in models
        ]
        if _has_truth(own):
            rows.append(GridRow("Truth", [first, *(_shown_truth(edit) for edit in own)]))
        if rows:
            yield f"strip-{safe_name(domain)}", image_grid(rows, ["Input", *(edit.target for edit in own)])


def _shown_truth(edit: Edit) -> Image | Failure:
    if edit.truth is None:
        return Failure(NO_TRUTH)
    loaded = load_sample(edit.truth.load, None)
    return loaded if isinstance(loaded, Failure) else loaded[0]


def _truth(edit: Edit, columns: Sequence[str]) -> list[Image | Failure]:
    return [_shown_truth(edit)] if columns[-1] == "Truth" else []


def _answers(results: DatasetResults, models: Sequence[Model], edit: Edit) -> list[Image | Failure]:
    return [_output(results, model.name, edit) for model in models]


def _output(results: DatasetResults, model: str, edit: Edit) -> Image | Failure:
    return read_output(results.run.store, model, results.dataset, edit)
