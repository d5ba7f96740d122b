"""Golden scores: five fixed outputs, and the score of each by every metric.

An installation with the same scores has the same networks, preprocessing and arithmetic as the one that made
the table. The outputs are rendered, one in each domain: a second photo of the sitting, which differs from the
true target in pose, light and grain, so that no metric is perfect. The five true targets are the references
of set metrics. Networks whose published weights were not available have no golden scores.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from fesbench.datasets.images import image_digest
from fesbench.datasets.rendered import EXPRESSIONS, RenderedDataset

from ..core.contracts import Edit, Image, Sample
from ..core.environment import versions
from ..metrics.registry import load_metrics
from ..scoring.scorer import Scorer
from ..scoring.shards import score_shard, shard_references

FILE = "golden_scores.json"
TOLERANCE = 1e-4
"""Absolute, or relative for scores above 1. Threads, batches and processors change scores by less."""
COLUMNS = 2
"""Columns of each metric in the table: the headline one, and a finer one."""

Scores = Mapping[str, Sequence[float | None]]
"""Column to its value for each output, or to the one value of the set; None where it is not defined."""


class Row(NamedTuple):
    """A golden score and the score computed here.

    Attributes:
        score: Its column.
        known: The golden score; empty where there is none.
        got: The score computed here.
        other_weights: Whether the network here has other weights, so that the scores do not compare.
    """

    score: str
    known: Sequence[float | None]
    got: Sequence[float | None]
    other_weights: bool = False

    @property
    def difference(self) -> float:
        """The largest, as a share of scores above 1; infinite where only one is defined; NaN if unknown."""
        if not self.known:
            return math.nan
        return max(_difference(a, b) for a, b in zip(self.known, self.got, strict=True))

    @property
    def state(self) -> str:
        """``ok``, ``differs``, ``other weights`` or ``unknown``."""
        if self.other_weights:
            return "other weights"
        return "ok" if self.difference <= TOLERANCE else "differs" if self.known else "unknown"


def _difference(known: float | None, got: float | None) -> float:
    if known is None or got is None:
        return 0.0 if known is got else math.inf
    return abs(got - known) / max(1.0, abs(known))


@dataclass(frozen=True)
class Comparison:
    """The outcome.

    Attributes:
        same_images: Whether the images are rendered as for the golden scores.
        rows: One for each score.
        unavailable: Id of a metric that cannot be computed here to the reason.
    """

    same_images: bool
    rows: Sequence[Row]
    unavailable: Mapping[str, str]

    @property
    def agrees(self) -> bool:
        """Whether there are scores, and none differs from a golden one."""
        return bool(self.rows) and all(row.state != "differs" for row in self.rows)


def compare(names: Sequence[str], backend: str) -> Comparison:
    """Score the five outputs and compare with the table.

    Args:
        names: Plain names or ids of metrics.
        backend: What plain names stand for.

    Raises:
        UnknownName: there is no such metric or backend.
    """
    scorer, unavailable = _scorer(names, backend)
    table, here = known(), measured(scorer)
    changed = _with_other_weights(table["networks"], here["networks"])
    strange = {column for card in scorer.cards if card.id in changed for column in card.column_names}
    rows = [
        Row(column, table["scores"].get(column, ()), got, column in strange)
        for column, got in here["scores"].items()
    ]
    return Comparison(here["images"] == table["images"], rows, unavailable)


def _with_other_weights(known: Mapping[str, Any], here: Mapping[str, Any]) -> set[str]:
    """Return the ids of metrics whose feature extractor has other weights in the table."""
    changed = [name for name in known.keys() & here.keys() if known[name]["digest"] != here[name]["digest"]]
    return {metric for name in changed for metric in here[name]["metrics"]}


def _scorer(names: Sequence[str], backend: str) -> tuple[Scorer, dict[str, str]]:
    metrics, unavailable = load_metrics(names, backend)
    return Scorer.of(metrics, _dataset().size), dict(unavailable)


def known() -> dict[str, Any]:
    """Return the table of golden scores, as ``measured`` returned it once."""
    content: dict[str, Any] = json.loads(files(__package__).joinpath(FILE).read_text("utf-8"))
    return content


def measured(scorer: Scorer) -> dict[str, Any]:
    """Measure here what the table holds.

    Returns:
        ``images``, a digest of all pixels; ``scores``, see ``Scores``; ``networks``, their extractors;
        ``versions`` of what can change a number.
    """
    edits, outputs = fixed_outputs()
    return {
        "versions": versions(),
        "images": _digest(edits, outputs),
        "networks": scorer.network_records(),
        "scores": _scores(scorer, edits, outputs),
    }


def _scores(scorer: Scorer, edits: Sequence[Edit], outputs: Sequence[Image]) -> Scores:
    scored = score_shard(outputs, shard_references(edits, {}, scorer), scorer)
    values = scored.rows.groupby("metric", sort=False)["value"].apply(list)
    columns = [column for metric in scorer.image_metrics for column in metric.card.column_names[:COLUMNS]]
    found = {column: [_plain(value) for value in values[column]] for column in columns}
    real = scorer.of_sets.features(np.stack([_truth(edit) for edit in edits]))
    for metric in scorer.set_metrics:
        network = metric.network.card.name
        found[metric.card.id] = [_plain(metric.compute(scored.features[network], real[network]))]
    return found


def _plain(value: float) -> float | None:
    return float(f"{value:.7g}") if math.isfinite(value) else None


@cache
def _dataset() -> RenderedDataset:
    return RenderedDataset("test", subjects=1)


@cache
def fixed_outputs() -> tuple[Sequence[Edit], Sequence[Image]]:
    """Five edits, one in each domain and to as many expressions, and a second photo that answers each."""
    data = _dataset()
    both = list(zip(data.edits(), data.pairs(), strict=True))[:: len(EXPRESSIONS)]
    edits = [
        replace(edit, source=_loaded(edit.source), truth=edit.truth and _loaded(edit.truth))
        for edit, _ in both
    ]
    return edits, [second.load() for _, (_, second) in both]


def _loaded(sample: Sample) -> Sample:
    """The sample with its image in memory."""
    image = sample.load()
    return replace(sample, load=lambda: image)


def _truth(edit: Edit) -> Image:
    assert edit.truth is not None
    return edit.truth.load()


def _digest(edits: Sequence[Edit], outputs: Sequence[Image]) -> str:
    images = [image for edit in edits for image in (edit.source.load(), _truth(edit))]
    return hashlib.sha256("".join(map(image_digest, (*images, *outputs))).encode()).hexdigest()
