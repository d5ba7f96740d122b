"""How long a run will take, by the rates of earlier runs on this machine, which the user's cache keeps."""

from __future__ import annotations

import logging
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..core.errors import BenchError
from ..core.files import read_limited, write_text
from ..core.paths import cache_folder
from ..metrics.registry import metric_id
from .execution.progress import FIT, SYNTHESIZE, Stopwatch
from .plan import DatasetPlan, Plan
from .store.store import RunStore

log = logging.getLogger(__name__)

LARGEST = 4 << 20
"""Bytes of the file of rates that are read; a larger one is begun anew."""

PER_EDIT = ("load images", "score", "store")
"""Stages whose time grows with the edits, beside that of the generators."""


class _Rates(BaseModel):
    """The content of the file.

    Attributes:
        models: Circumstances and model to the seconds that it takes for an edit.
        fits: Circumstances and model to the digest of what it was prepared for, to the seconds that took.
        edits: Circumstances and metrics to the seconds for an edit, generators left out.
        runs: The same to the seconds for the rest of a run, whatever its edits.
    """

    model_config = ConfigDict(strict=True, extra="forbid")

    models: dict[str, float] = Field(default_factory=dict)
    fits: dict[str, dict[str, float]] = Field(default_factory=dict)
    edits: dict[str, float] = Field(default_factory=dict)
    runs: dict[str, float] = Field(default_factory=dict)


@dataclass(frozen=True)
class Duration:
    """How long the rest of a run will take.

    Attributes:
        seconds: For all models whose rates are known.
        unknown: Models whose rates are not.
    """

    seconds: float
    unknown: tuple[str, ...]

    def __str__(self) -> str:
        without = f" without {', '.join(self.unknown)} (not measured yet)" if self.unknown else ""
        return f"about {_rounded(self.seconds)} (measured here){without}"


def _rounded(seconds: float) -> str:
    """Return a length of time as people say it."""
    if seconds < 55:
        return f"{max(5, round(seconds / 5) * 5)} s"
    if seconds < 55 * 60:
        return f"{round(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"


def expected_duration(plan: Plan, store: RunStore, device: str) -> Duration | None:
    """Return how long what a run lacks will take in this process; None where no rate is known."""
    rates, names = _read(), store.record.names
    metrics = _metrics_key(plan, device)
    if metrics not in rates.edits:
        return None
    seconds, unknown = rates.runs[metrics], []
    for model in plan.spec.models:
        key, missing = _model_key(plan, model, device), _missing_edits(plan, store, names.get(model))
        if key in rates.models:
            seconds += missing * (rates.models[key] + rates.edits[metrics])
            seconds += sum(_fit_seconds(rates, key, item) for item in plan.datasets)
        elif missing:
            unknown.append(model)
    return Duration(seconds, tuple(unknown)) if len(unknown) < len(plan.spec.models) else None


def _missing_edits(plan: Plan, store: RunStore, name: str | None) -> int:
    """Return how many edits a model still has to answer or to be scored on."""
    if name is None:
        return plan.edit_count
    wanted = {metric_id(metric, plan.spec.backend) for metric in plan.spec.metrics}
    return sum(
        len(item.shards[shard])
        for item in plan.datasets
        for shard in item.own_shards
        if wanted - store.parts.scored_metrics(name, item.name, shard)
    )


def _fit_seconds(rates: _Rates, key: str, dataset: DatasetPlan) -> float:
    """Return what preparing a model took for these images, else the longest that it took for others."""
    known = rates.fits.get(key, {})
    return known.get(dataset.train.digest, max(known.values(), default=0.0))


def record_rates(
    plan: Plan, names: Mapping[str, str], device: str, seconds: float, stopwatch: Stopwatch
) -> None:
    """Keep the rates of what a run computed in this process; what cannot be written is no error.

    Args:
        plan: The run.
        names: Model as it was asked for to its name.
        device: The torch device.
        seconds: How long all of it took.
        stopwatch: How long its stages took, and how many edits each model answered.
    """
    times, outputs = stopwatch.seconds, stopwatch.outputs
    answered = sum(outputs.values())
    if not answered:
        return
    rates, metrics = _read(), _metrics_key(plan, device)
    of_models = sum(time for stage, time in times.items() if stage.startswith((FIT, SYNTHESIZE)))
    of_edits = sum(times.get(stage, 0.0) for stage in PER_EDIT)
    rates.edits[metrics] = of_edits / answered
    rates.runs[metrics] = max(seconds - of_models - of_edits, 0.0)
    for model, name in names.items():
        key, count = _model_key(plan, model, device), outputs.get(name, 0)
        if count:
            rates.models[key] = times.get(f"{SYNTHESIZE}{name}", 0.0) / count
        fits = {item.train.digest: times.get(f"{FIT}{name} on {item.name}", 0.0) for item in plan.datasets}
        rates.fits[key] = rates.fits.get(key, {}) | fits
    try:
        write_text(_path(), rates.model_dump_json())
    except BenchError as error:
        log.warning("the time that this run took is not kept: %s", error)


def _path() -> Path:
    return cache_folder() / "rates" / "rates.json"


def _read() -> _Rates:
    """Return the kept rates; none where the file is missing, damaged or of another version."""
    try:
        return _Rates.model_validate_json(read_limited(_path(), LARGEST, "it is begun anew"))
    except (OSError, ValidationError):
        return _Rates()


def _circumstances(plan: Plan, device: str) -> Iterable[object]:
    """Return what rates hold for: a machine, its threads, and how images are computed."""
    spec, threads = plan.spec, os.environ.get("OMP_NUM_THREADS", "")
    return platform.node(), threads, device, spec.resolution, spec.inference, spec.upscale, spec.registered


def _model_key(plan: Plan, model: str, device: str) -> str:
    return repr((*_circumstances(plan, device), model, plan.spec.checkpoints.get(model, "")))


def _metrics_key(plan: Plan, device: str) -> str:
    metrics = sorted(metric_id(name, plan.spec.backend) for name in plan.spec.metrics)
    return repr((*_circumstances(plan, device), metrics))
