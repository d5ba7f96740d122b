"""Scores of a folder of images against the photos they were made from, without a run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fesbench.datasets.folders.inspection import inspect_images
from fesbench.datasets.images import load_image, resize, trait_notes
from fesbench.datasets.pairs import DOMAIN, PATTERN, Pairing, pair_images
from fesbench.datasets.survey import Survey, survey

from .. import weights
from ..core.allocator import return_freed_memory
from ..core.contracts import SHARD, Failure, Image, SetMetric
from ..core.environment import versions
from ..core.errors import DatasetError, ImageError, WeightsMissing
from ..core.files import file_digest
from ..core.host_process import TIMEOUT
from ..core.json_values import json_value
from ..core.paths import other_weights_allowed
from ..core.plurals import counted
from ..core.reasons import UNSCORED
from ..metrics.fss import FaceSimilarity
from ..metrics.networks.bfloat16 import SUFFIX
from ..metrics.registry import load_metrics
from ..statistics.jackknife import subject_groups
from ..statistics.measures import stem
from ..statistics.summary import summarise
from .feature_cache import default_cache
from .reference_images import OF_IMAGES as OF_SETS
from .reference_images import ReferenceFeatures, ReferenceImages, save_statistics
from .score_rows import concatenate
from .scorer import Scorer
from .sets import COLUMNS, SMALLEST_SET, SetScore, set_score
from .shards import References, score_shard, shard_references

SCHEMA_VERSION = 1
NAME = "images"
OF_IMAGES = ("ecs", "fss", "qualiclip")
SHOWN = 5

Features = dict[str, NDArray[np.float32]]


class Request(NamedTuple):
    """The arguments of ``score_folders``.

    ``reference`` is a folder, or an ``.npz`` of statistics; ``save_statistics`` a file to write those of the
    folder to. ``targets`` is a pattern or a CSV file, see ``pair_images``; no ``metrics`` means all that the
    folders allow; no ``resolution`` means that images are scored as they are. ``timeout`` is for metrics of
    other people's code, see ``load_metric``.
    """

    images: Path
    sources: Path
    reference: Path | None = None
    targets: str = PATTERN
    metrics: tuple[str, ...] = ()
    backend: str = "embedded"
    resolution: int | None = None
    device: str = "cpu"
    save_statistics: Path | None = None
    timeout: float = TIMEOUT


@dataclass(frozen=True)
class Scores:
    """The result of ``score_folders``: ``cells`` by measure, ``rows`` by image and measure."""

    cells: pd.DataFrame
    rows: pd.DataFrame
    by_expression: pd.DataFrame
    confusions: Mapping[str, pd.DataFrame]
    unavailable: Mapping[str, str]
    warnings: Sequence[str]
    record: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON content without NaN."""
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
        One row for each measure, with 95% intervals clustered by source, and the provenance of the numbers:
        networks with digest and preprocessing, counts, formats, and what could not be computed.

    Raises:
        DatasetError: folders are empty, names do not pair, sizes differ, images are grey or too few.
        ImageError: a source or a reference is unusable.
        WeightsMissing: no metric that was asked for can be computed here.
        UnknownName: there is no such metric or backend.
    """
    pairing = pair_images(request.images, request.sources, request.targets)
    given = ReferenceImages.at(request.reference) if request.reference else None
    sources = {edit.source.path: None for edit in pairing.edits if edit.source.path}
    roles = {
        "images": pairing.images,
        "sources": list(sources),
        "references": given.images if given else [],
    }
    seen = survey(roles, request.resolution)
    noted = list(_examined(request, roles))
    names = request.metrics or (*OF_IMAGES, *(given.metrics if given else ()))
    _check_counts(names, pairing, given, request.save_statistics)
    scorer, unavailable = _scorer(names, request, seen.size)
    rows, features, broken, photos = _score_images(pairing, scorer)
    sets = _score_sets(features, pairing, given, scorer, request.save_statistics)
    found = _report(request, pairing, seen, given, scorer, rows, sets, unavailable, [*noted, *broken])
    return replace(found, record={**found.record, "face_levels": _face_levels(photos, scorer)})


def _examined(request: Request, roles: Mapping[str, Sequence[Path]]) -> Iterator[str]:
    """Yield notes on unusual images of every role.

    Raises:
        ImageError: sources or references are unusable; images that are count as missing outputs instead.
    """
    folders = {"images": request.images, "sources": request.sources, "references": request.reference}
    for role, paths in roles.items():
        root = folders[role] or Path()
        findings = inspect_images(root, [path.relative_to(root).as_posix() for path in paths])
        broken = [f"{root / name}: {found.reason}" for name, found in findings.items() if found.reason]
        if broken and role != "images":
            raise ImageError(f"{len(broken)} of {counted(len(paths), role[:-1])} cannot be used: {broken[0]}")
        usable = {name: found.noted for name, found in findings.items() if not found.reason}
        yield from trait_notes(usable, role[:-1])


def _check_counts(
    names: Sequence[str], pairing: Pairing, given: ReferenceImages | None, statistics: Path | None
) -> None:
    plain = {name.partition("@")[0] for name in names}
    of_sets = [name for name in OF_SETS if name in plain]
    if of_sets and not given:
        raise DatasetError(f"{' and '.join(of_sets)} need real images to compare with: --reference DIR")
    if statistics and not (given and given.images and "fid" in of_sets):
        raise DatasetError("statistics need a folder of real images and fid: --reference DIR --metric fid")
    if given and not set(of_sets) <= set(given.metrics):
        raise DatasetError(f"kid needs the images themselves, not {given.path}: give their folder")
    counts = [len(pairing.images), *([len(given.images)] if given and given.images else [])]
    if of_sets and min(counts) < SMALLEST_SET:
        raise DatasetError(
            f"{' and '.join(of_sets)} need {SMALLEST_SET} images and references or more, not "
            f"{' and '.join(map(str, counts))}; leave them out with --metric"
        )
    if "ecs" in plain and not any(edit.target for edit in pairing.edits):
        raise DatasetError(
            "ecs needs the expression that each image should show: name images like s01--happy.png, say how "
            "they are named with --targets, or leave it out with --metric"
        )


def _scorer(names: Sequence[str], request: Request, size: int) -> tuple[Scorer, dict[str, str]]:
    metrics, unavailable = load_metrics(names, request.backend, request.timeout)
    if not metrics:
        raise WeightsMissing("; ".join(reason for _, reason in unavailable))
    return Scorer.of(metrics, size, request.device, default_cache(request.device)), dict(unavailable)


def _score_images(
    pairing: Pairing, scorer: Scorer
) -> tuple[pd.DataFrame, Features, list[str], list[References]]:
    """Return the rows of all images, features for set metrics, decoding errors, and the sources."""
    items, scored, photos = pairing.answers, [], []
    broken: dict[str, None] = {}
    for start in range(0, len(items), SHARD):
        shard = items[start : start + SHARD]
        outputs = [_output(path, scorer.resolution) for path, _ in shard]
        broken |= {output.reason: None for output in outputs if isinstance(output, Failure)}
        references = shard_references([edit for _, edit in shard], {}, scorer)
        photos.append(references)
        scored.append(score_shard(outputs, references, scorer))
        return_freed_memory()
    rows = concatenate([part.rows for part in scored]).assign(generator=NAME, dataset=NAME)
    networks = set.intersection(*(set(part.features) for part in scored))
    features = {name: np.concatenate([part.features[name] for part in scored]) for name in sorted(networks)}
    return rows, features, list(broken), photos


def _face_levels(photos: Sequence[References], scorer: Scorer) -> dict[str, dict[str, Any]]:
    """Return the levels of each face similarity; with one photo a person, that of two people alone."""
    subjects = [edit.source.subject for part in photos for edit in part.edits]
    found = {}
    for metric in scorer.image_metrics:
        if isinstance(metric, FaceSimilarity):
            network = metric.networks[0].card.name
            sources = np.concatenate([part.features[network]["source"] for part in photos]).astype(np.float64)
            levels = metric.levels(sources, np.full_like(sources, np.nan), subjects)
            found[metric.card.id] = {name: json_value(value) for name, value in levels._asdict().items()}
    return found


def _output(path: Path, size: int) -> Image | Failure:
    try:
        return resize(load_image(path), size)
    except ImageError as error:
        return Failure(str(error))


def _score_sets(
    features: Features,
    pairing: Pairing,
    given: ReferenceImages | None,
    scorer: Scorer,
    statistics: Path | None,
) -> pd.DataFrame:
    if not scorer.set_metrics or given is None:
        return pd.DataFrame(columns=COLUMNS)
    reference_features = given.features(scorer)
    if statistics:
        save_statistics(statistics, reference_features, scorer)
    groups = subject_groups(np.array([edit.source.subject for edit in pairing.edits]))
    first = ~pd.Series([answer.image for answer in pairing.answers]).duplicated().to_numpy()
    rows = []
    for metric in scorer.set_metrics:
        found = _set_score(metric, features, first, groups, reference_features)
        place = {"generator": NAME, "dataset": NAME, "domain": DOMAIN, "metric": metric.card.id}
        rows.append(place | {"references": str(given.path)} | found.columns())
    return pd.DataFrame(rows, columns=COLUMNS)


def _set_score(
    metric: SetMetric,
    features: Features,
    first: NDArray[np.bool_],
    groups: NDArray[np.int64],
    references: Mapping[str, ReferenceFeatures],
) -> SetScore:
    """Score the images that are the ``first`` of their file, by (N, d) features."""
    network = metric.network.card.name
    if network not in features:
        return SetScore(0, None, reason=f"{UNSCORED}{network} failed on images")
    values = features[network]
    whole = first & np.isfinite(values).all(axis=1)
    return set_score(metric, values[whole], groups[whole], references[network])


def _report(
    request: Request,
    pairing: Pairing,
    seen: Survey,
    given: ReferenceImages | None,
    scorer: Scorer,
    rows: pd.DataFrame,
    sets: pd.DataFrame,
    unavailable: Mapping[str, str],
    image_notes: Sequence[str],
) -> Scores:
    summary = summarise(rows, sets, scorer.cards, {(NAME, NAME): "main"})
    place = ["generator", "dataset"]
    cells = summary.cells[summary.cells["domain"] == DOMAIN].drop(columns=[*place, "domain"])
    expressions = summary.expressions[summary.expressions["metric"].map(stem).str.startswith("ecs")]
    expressions = expressions.rename(columns={"domain": "expression"})
    confusion = summary.confusion.drop(columns=place)
    warnings = [
        *seen.warnings,
        *_unused(pairing),
        *(_cautions(given, pairing) if given else ()),
        *image_notes,
        *_unpublished_weights(request.backend),
        *summary.notes,
    ]
    return Scores(
        cells=cells,
        rows=rows.drop(columns=["generator", "dataset", "domain"]),
        by_expression=expressions.drop(columns=[*place, "references", "n_references"]),
        confusions={f"ecs@{judge}": seen.drop(columns="judge") for judge, seen in confusion.groupby("judge")},
        unavailable=unavailable,
        warnings=warnings,
        record=_record(request, pairing, seen, scorer) | {"reference_digest": given.digest if given else ""},
    )


def _unused(pairing: Pairing) -> Iterator[str]:
    if pairing.unused:
        verb = "has" if len(pairing.unused) == 1 else "have"
        yield f"{counted(len(pairing.unused), 'source')} {verb} no image: {_first(pairing.unused)}"
    if pairing.unnamed:
        yield (
            f"{counted(len(pairing.unnamed), 'image')} not named in the table of targets, so not scored: "
            f"{_first(pairing.unnamed)}"
        )


def _first(names: Sequence[str]) -> str:
    """Return the first names, and a sign that there are more."""
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _cautions(given: ReferenceImages, pairing: Pairing) -> Iterator[str]:
    """Warn of reference images that are sources or outputs too, by content, and of unnamed statistics."""
    sources = {edit.source.path for edit in pairing.edits if edit.source.path}
    if shared := _shared(given, sources):
        yield (
            f"{shared} of {len(given.digests)} references are sources: the nearer an image stays to its "
            "source, the better its fid and kid; compare with images of other people"
        )
    if shared := _shared(given, pairing.images):
        yield (
            f"{shared} of {len(given.digests)} references are the scored images themselves: fid and kid "
            "compare them with themselves; give real images of other people as --reference"
        )
    if caution := given.caution():
        yield caution


def _shared(given: ReferenceImages, others: Iterable[Path]) -> int:
    """Return how many reference images have the content of one of the other files."""
    digests = {file_digest(path) for path in others}
    return sum(digest in digests for digest in given.digests.values())


def _unpublished_weights(backend: str) -> Iterator[str]:
    """Warn of weight files in use that are not the published ones."""
    for file in weights.FILES:
        used = file.backend == backend.removesuffix(SUFFIX) and file.path.is_file()
        if used and file.sha256 and file.state() != "ok":
            yield f"{file.path} is not the published {file.name}: numbers through it are nobody else's"
        elif used and not file.sha256 and other_weights_allowed():
            yield (
                f"{file.path} is used as {file.name}, of which no digest is published: compare its sha256 "
                "before you compare numbers"
            )


def _record(request: Request, pairing: Pairing, seen: Survey, scorer: Scorer) -> dict[str, Any]:
    """Return the provenance of the numbers."""
    return {
        "backend": request.backend,
        "resolution": {"pixels": scorer.resolution, "resized": request.resolution is not None},
        "folders": {role: str(getattr(request, role) or "") for role in ("images", "sources", "reference")},
        "images": len(pairing.images),
        "sources": len({edit.source.id for edit in pairing.edits}),
        "formats": {role: dict(counts) for role, counts in seen.formats.items()},
        "digest": _digest(pairing),
        "networks": scorer.network_records(),
        "metrics": {card.id: card.meaning for card in scorer.cards},
        "versions": versions(),
    }


def _digest(pairing: Pairing) -> str:
    """Return the sha256 over the edits and the contents of their images."""
    content = [(edit.id, file_digest(path)) for path, edit in pairing.answers]
    return hashlib.sha256(repr(content).encode("utf-8", "surrogateescape")).hexdigest()


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    rows = frame.astype(object).to_dict("records")
    return [{str(key): json_value(value) for key, value in row.items()} for row in rows]
