"""Computes the tables and the record of a finished run again: from its scores, features and references."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields, replace

from pydantic import BaseModel

from fesbench.datasets.loading import ImageLoader

from ..core.contracts import ClosedForm, GeneratorCard
from ..core.errors import BenchError
from ..generators.cross_trained import CrossTrained
from ..generators.registry import OUTPUTS, Model, is_foreign, load_model
from ..runs.models import Cell, block_of, recorded_cells, sees_registered
from ..runs.plan import DatasetPlan, Plan
from ..runs.results import RunResults
from ..runs.scores.rows import calibrations, ceilings, face_levels
from ..runs.scores.sets import SetResults, set_results
from ..runs.scores.summary import references_of, summary_of
from ..runs.spec import RunSpec
from ..runs.store.records import CalibrationRecord, ModelRecord, plain
from ..scoring.scorer import Scorer
from ..scoring.sets import COLUMNS
from ..statistics.summary import Summary, image_results, summarise
from .checks import Check, compared, differing_entries, equal_values

KEYS: Mapping[str, Sequence[str]] = {
    "cells": ("generator", "dataset", "domain", "metric"),
    "differences": ("generator", "versus", "dataset", "domain", "metric"),
    "ranks": ("generator", "dataset", "domain", "metric", "block"),
    "gains": ("generator", "versus", "dataset", "domain", "metric"),
    "expressions": ("generator", "dataset", "domain", "metric"),
    "confusion": ("judge", "dataset", "generator", "target", "predicted"),
}
"""The frames of a summary that are compared, and what identifies their rows."""

SETS = 10
"""Scores of sets may differ by that many times the tolerance of single scores."""

FITTED = frozenset({"expressions", "resolution", "trained_on", "parameters"})
"""What a fit states on the card of a closed-form model."""


def table_checks(
    plan: Plan, results: RunResults, scorer: Scorer, tolerance: float, everything: bool
) -> Iterator[Check]:
    """Compare the summary, and what the record says of real images, with what is found again.

    Args:
        plan: The work of the run.
        results: Its results.
        scorer: All its metrics.
        tolerance: Of scores; see ``verify.Depth``.
        everything: Whether scores of sets and calibrations are computed again, which needs the features of
            all reference images; else what rests on them is.
    """
    cells = recorded_cells(plan, results.record)
    tested = list({cell.dataset.name: cell.dataset for cell in cells}.values())
    parts, loose = results.store.parts, SETS * tolerance
    calibrated: Sequence[CalibrationRecord] = results.record.calibrations
    if everything:
        sets, calibrated = _sets_again(results, cells, tested, scorer)
        summary = summary_of(
            image_results(results.scores, scorer.cards), results.scores, sets, calibrated, cells
        )
        yield _compared_summaries("summary.json against features and references", results, summary, loose)
    again: dict[str, Sequence[BaseModel]] = {
        "calibrations": calibrated,
        "ceilings": ceilings(parts, tested, scorer),
        "face_levels": face_levels(parts, tested, scorer),
    }
    for name, entries in again.items():
        recorded_entries: Sequence[BaseModel] = getattr(results.record, name)
        old, new = ([plain(entry) for entry in side] for side in (recorded_entries, entries))
        differing = differing_entries(old, new, ("dataset", "domain", "metric"), loose)
        yield compared(f"{name} of run.json, computed again", len(new), differing, "entries")


def _sets_again(
    results: RunResults, cells: Sequence[Cell], plans: Sequence[DatasetPlan], scorer: Scorer
) -> tuple[SetResults, Sequence[CalibrationRecord]]:
    """Compute the scores of sets from the stored features and the reference images."""
    with closing(ImageLoader(0)) as loader:
        references = references_of(plans, scorer, loader)
    return set_results(results.store.parts, cells, scorer, references), calibrations(scorer, references)


def summary_check(results: RunResults, tolerance: float) -> Check:
    """Compare the summary with one of the scores and of the recorded scores of sets."""
    known = results.cells[results.cells["references"].notna()]
    sets = known.assign(n_outputs=known["n_scored"])[COLUMNS]
    differences = results.differences[results.differences["metric"].isin(set(known["metric"]))]
    summary = summarise(
        results.scores,
        sets,
        results.metrics,
        results.blocks,
        unfit=results.unfit,
        set_differences=differences,
    )
    return _compared_summaries("summary.json against scores.parquet", results, summary, tolerance)


def _compared_summaries(what: str, results: RunResults, summary: Summary, tolerance: float) -> Check:
    recorded, found = results.store.read_summary(), json.loads(summary.to_json())
    differing = [
        f"{name}: {text}"
        for name, keys in KEYS.items()
        for text in differing_entries(recorded[name], found[name], keys, tolerance)
    ]
    return compared(what, sum(len(found[name]) for name in KEYS), differing, "rows")


def card_checks(plan: Plan, results: RunResults, device: str) -> Iterator[Check]:
    """Compare the recorded cards and blocks of models with those of the suite's own models.

    Models of code or of folders of others are not loaded.
    """
    spec = results.spec
    stated = spec.labels.keys() | spec.native_sizes.keys() | spec.action_units.keys()
    wrong: list[str] = []
    count = 0
    for reference, name in results.record.names.items():
        if is_foreign(reference) or reference.startswith(OUTPUTS):
            continue
        try:
            model = load_model(reference, results.spec.checkpoints.get(reference), device)
        except BenchError as error:
            yield Check(f"card of {name}", "not checked", str(error))
            continue
        for item in plan.datasets:
            entry = results.record.models_on(item.name).get(name)
            if entry is not None:
                count += 1
                wrong += _wrong_fields(model, entry, item, spec, name, stated=reference in stated)
    yield compared("cards and blocks of the suite's own models", count, wrong, "cards")


def _wrong_fields(
    model: Model, entry: ModelRecord, plan: DatasetPlan, spec: RunSpec, name: str, stated: bool
) -> Iterator[str]:
    """Yield descriptions of the fields of a recorded card, and of its block, that are not the model's."""
    fitted = isinstance(model, ClosedForm | CrossTrained)
    card = replace(model.card, registered=sees_registered(model.card, spec))
    for field in fields(GeneratorCard):
        old, new = getattr(entry.card, field.name), getattr(card, field.name)
        if not stated and not (fitted and field.name in FITTED) and not equal_values(old, new, 0):
            yield f"{field.name} of {name} on {plan.name}: {old!r} in the record, {new!r} on its card"
    block = block_of(entry.card, plan, fitted)
    if entry.block != block:
        yield f"block of {name} on {plan.name}: {entry.block} in the record, {block} by its training data"
