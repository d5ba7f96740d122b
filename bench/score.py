"""Scores any folder of images against the photos they were made from, without a run around it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fesbench.datasets.images import load_image, resize
from fesbench.datasets.pairs import DOMAIN, PATTERN, Pairing, listed, pair_images
from fesbench.datasets.survey import Survey, survey

from . import weights
from .contracts import Failure, Image, ImageMetric
from .errors import DatasetError, ImageError, WeightsMissing
from .execute.scoring import Scorer, score_shard, shard_references
from .files import file_digest
from .metrics.ecs import ExpressionConsistency
from .metrics.registry import load_metrics
from .plan import SHARD
from .provenance import versions
from .results import COLUMNS, SMALLEST_SET, set_value
from .statistics.breakdown import cells_by, confusion
from .statistics.measures import measures_of
from .statistics.summary import summarise
from .store import concatenate

SCHEMA_VERSION = 1
NAME = "images"
OF_SETS = ("fid", "kid")
OF_IMAGES = ("ecs", "fss", "qualiclip")
SHOWN = 5

Features = dict[str, NDArray[np.float32]]


class Request(NamedTuple):
    """What is to be scored, and by what.

    ``targets`` is a pattern or a CSV file, see ``pair_images``; no ``metrics`` means all that the folders
    allow; no ``resolution`` means that images are scored as they are.
    """

    images: Path
    sources: Path
    reference: Path | None = None
    targets: str = PATTERN
    metrics: tuple[str, ...] = ()
    backend: str = "embedded"
    resolution: int | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class Scores:
    """What ``score_folders`` found: ``cells`` by measure, ``rows`` by image and measure."""

    cells: pd.DataFrame
    rows: pd.DataFrame
    by_expression: pd.DataFrame
    confusions: Mapping[str, pd.DataFrame]
    unavailable: Mapping[str, str]
    warnings: Sequence[str]
    record: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON content; never NaN."""
        return {
            "schema_version": SCHEMA_VERSION,
            **self.record,
            "scores": _records(self.cells),
            "by_expression": _records(self.by_expression),
            "confusion": {name: _records(frame) for name, frame in self.confusions.items()},
            "unavailable": dict(self.unavailable),
            "warnings": list(self.warnings),
        }


def score_folders(request: Request) -> Scores:
    """Score a folder of images.

    Returns:
        One row for each measure, with 95% intervals clustered by source, and all that a reader must know of
        the numbers: networks with digest and preprocessing, counts, formats, what could not be computed.

    Raises:
        DatasetError: folders are empty, names do not pair, sizes differ, images are grey or too few.
        ImageError: a source or a reference cannot be decoded.
        WeightsMissing: no metric that was asked for can be computed here.
        UnknownName: there is no such metric or backend.
    """
    pairing = pair_images(request.images, request.sources, request.targets)
    references = [request.reference / name for name in listed(request.reference)] if request.reference else []
    sources = {edit.source.path: None for edit in pairing.edits.values() if edit.source.path}
    roles = {"images": list(pairing.edits), "sources": list(sources), "references": references}
    seen = survey(roles, request.resolution)
    names = request.metrics or (*OF_IMAGES, *(OF_SETS if references else ()))
    _check_counts(names, pairing, len(references))
    scorer, unavailable = _scorer(names, request.backend, seen.size, request.device)
    rows, features, broken = _score_images(pairing, scorer)
    sets = _score_sets(features, pairing, references, scorer)
    return _report(request, pairing, seen, scorer, rows, sets, unavailable, broken)


def _check_counts(names: Sequence[str], pairing: Pairing, references: int) -> None:
    plain = {name.partition("@")[0] for name in names}
    of_sets = [name for name in OF_SETS if name in plain]
    if of_sets and not references:
        raise DatasetError(f"{' and '.join(of_sets)} need real images to compare with: --reference DIR")
    if of_sets and min(len(pairing.edits), references) < SMALLEST_SET:
        raise DatasetError(
            f"{' and '.join(of_sets)} need {SMALLEST_SET} images and references or more, not "
            f"{len(pairing.edits)} and {references}; leave them out with --metric"
        )
    if "ecs" in plain and not any(edit.target for edit in pairing.edits.values()):
        raise DatasetError(
            "ecs needs the expression that each image should show: name images like s01--happy.png, say how "
            "they are named with --targets, or leave it out with --metric"
        )


def _scorer(names: Sequence[str], backend: str, size: int, device: str) -> tuple[Scorer, dict[str, str]]:
    metrics, unavailable = load_metrics(names, backend)
    if not metrics:
        raise WeightsMissing("; ".join(reason for _, reason in unavailable))
    images = [metric for metric in metrics if isinstance(metric, ImageMetric)]
    sets = [metric for metric in metrics if not isinstance(metric, ImageMetric)]
    scorer = Scorer(images, sets, size, device)
    for network in scorer.networks.values():
        network.to(device)
    return scorer, dict(unavailable)


def _score_images(pairing: Pairing, scorer: Scorer) -> tuple[pd.DataFrame, Features, list[str]]:
    """Rows of all images, features for the set metrics, and what could not be decoded."""
    items, scored, broken = list(pairing.edits.items()), [], []
    for start in range(0, len(items), SHARD):
        shard = items[start : start + SHARD]
        outputs = [_output(path, scorer.resolution) for path, _ in shard]
        broken += [output.reason for output in outputs if isinstance(output, Failure)]
        references = shard_references([edit for _, edit in shard], {}, scorer)
        scored.append(score_shard(outputs, references, scorer))
    rows = concatenate([part.rows for part in scored]).assign(generator=NAME, dataset=NAME)
    networks = scored[0].features
    return rows, {name: np.concatenate([part.features[name] for part in scored]) for name in networks}, broken


def _output(path: Path, size: int) -> Image | Failure:
    try:
        return resize(load_image(path), size)
    except ImageError as error:
        return Failure(str(error))


def _score_sets(
    features: Features, pairing: Pairing, references: Sequence[Path], scorer: Scorer
) -> pd.DataFrame:
    if not scorer.set_metrics:
        return pd.DataFrame(columns=COLUMNS)
    real = _reference_features(references, scorer)
    subjects = np.array([edit.source.subject for edit in pairing.edits.values()])
    rows = []
    for metric in scorer.set_metrics:
        values = features[metric.network.card.name]
        whole = np.isfinite(values).all(axis=1)
        found = set_value(metric, values[whole], subjects[whole], real[metric.network.card.name])
        place = {"generator": NAME, "dataset": NAME, "domain": DOMAIN, "metric": metric.card.id}
        rows.append(place | {"references": str(references[0].parent)} | found)
    return pd.DataFrame(rows, columns=COLUMNS)


def _reference_features(paths: Sequence[Path], scorer: Scorer) -> Features:
    looking = scorer.only(frozenset(metric.card.id for metric in scorer.set_metrics))
    parts = []
    for start in range(0, len(paths), SHARD):
        images = [resize(load_image(path), scorer.resolution) for path in paths[start : start + SHARD]]
        parts.append(looking.features(np.stack(images)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _report(
    request: Request,
    pairing: Pairing,
    seen: Survey,
    scorer: Scorer,
    rows: pd.DataFrame,
    sets: pd.DataFrame,
    unavailable: Mapping[str, str],
    broken: Sequence[str],
) -> Scores:
    summary = summarise(rows, sets, scorer.cards, {(NAME, NAME): "main"})
    judges = [metric for metric in scorer.image_metrics if isinstance(metric, ExpressionConsistency)]
    cells = summary.cells[summary.cells["domain"] == DOMAIN].drop(columns=["generator", "dataset", "domain"])
    warnings = [
        *seen.warnings,
        *_unused(pairing),
        *broken,
        *_strange_weights(request.backend),
        *summary.notes,
    ]
    return Scores(
        cells=cells,
        rows=rows.drop(columns=["generator", "dataset", "domain"]),
        by_expression=_by_expression(rows, judges, scorer),
        confusions={judge.card.id: _confusion(rows, judge) for judge in judges},
        unavailable=unavailable,
        warnings=warnings,
        record=_record(request, pairing, seen, scorer),
    )


def _by_expression(
    rows: pd.DataFrame, judges: Sequence[ExpressionConsistency], scorer: Scorer
) -> pd.DataFrame:
    """Cells of the expression metrics for each target expression."""
    columns = {column for judge in judges for column in judge.card.columns}
    measures = {name: measure for name, measure in measures_of(scorer.cards).items() if name in columns}
    found = cells_by(rows, measures, "target").rename(columns={"domain": "expression"})
    return found.drop(columns=["generator", "dataset", "references", "n_references"])


def _confusion(rows: pd.DataFrame, judge: ExpressionConsistency) -> pd.DataFrame:
    column = next(name for name in judge.card.columns if name.startswith("ecs.predicted"))
    return confusion(rows, column, judge.labels).drop(columns=["generator", "dataset"])


def _unused(pairing: Pairing) -> Iterator[str]:
    if pairing.unused:
        names = ", ".join(pairing.unused[:SHOWN])
        more = ", …" if len(pairing.unused) > SHOWN else ""
        yield f"{len(pairing.unused)} sources have no image: {names}{more}"


def _strange_weights(backend: str) -> Iterator[str]:
    """Weight files that are in use though they are not the published ones."""
    for file in weights.FILES:
        if file.backend == backend and file.sha256 and file.path.is_file() and file.state() != "ok":
            yield f"{file.path} is not the published {file.name}: numbers through it are nobody else's"


def _record(request: Request, pairing: Pairing, seen: Survey, scorer: Scorer) -> dict[str, Any]:
    """What the numbers were made from."""
    return {
        "backend": request.backend,
        "resolution": {"pixels": scorer.resolution, "resized": request.resolution is not None},
        "folders": {role: str(getattr(request, role) or "") for role in ("images", "sources", "reference")},
        "images": len(pairing.edits),
        "sources": len({edit.source.id for edit in pairing.edits.values()}),
        "formats": {role: dict(counts) for role, counts in seen.formats.items()},
        "digest": _digest(pairing),
        "networks": {name: asdict(network.card) for name, network in scorer.networks.items()},
        "metrics": {card.id: card.meaning for card in scorer.cards},
        "versions": versions(),
    }


def _digest(pairing: Pairing) -> str:
    """sha256 over the edits and the contents of the images that answer them."""
    content = [(edit.id, file_digest(path)) for path, edit in pairing.edits.items()]
    return hashlib.sha256(repr(content).encode("utf-8", "surrogateescape")).hexdigest()


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.astype(object).to_dict("records")
    return [{str(key): _plain(value) for key, value in row.items()} for row in rows]


def _plain(value: Any) -> Any:
    """A JSON value: null for what is missing or not finite."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if value is None or (isinstance(value, float) and not math.isfinite(value)) else value
