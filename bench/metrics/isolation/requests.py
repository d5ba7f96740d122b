"""What is sent to the process of a metric, and what it tells of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from fesbench.datasets.loading import in_memory, load_sample
from fesbench.datasets.workers import picklable

from ...core.contracts import Edit, FeatureExtractorCard, MetricCard, Sample


@dataclass(frozen=True)
class MetricRequest:
    """How to load a metric.

    Attributes:
        identifier: The id that an installed package registers.
        threads: The number of threads that torch uses.
        path: Where modules are imported from.
    """

    identifier: str
    threads: int = 1
    path: tuple[str, ...] = ()


@dataclass(frozen=True)
class LoadedExtractor:
    """A feature extractor that was loaded.

    Attributes:
        card: Its card.
        learned_from: See ``FeatureExtractor``.
        code: What identifies its code, for the cache of features; empty where that is not known.
    """

    card: FeatureExtractorCard
    learned_from: Mapping[str, frozenset[str]] | None
    code: str


@dataclass(frozen=True)
class LoadedMetric:
    """A metric that was loaded.

    Attributes:
        card: Its card.
        of_sets: Whether it scores sets.
        networks: Its feature extractors.
        compared_with: See ``ImageMetric``.
        failed: What ``ImageMetric.failed`` returns.
        gives_reasons: Whether it states why edits have no score.
        suite: The metric without its networks, where its class is one of the suite's.
    """

    card: MetricCard
    of_sets: bool
    networks: tuple[LoadedExtractor, ...]
    compared_with: tuple[Literal["source", "truth"], ...] = ()
    failed: Mapping[str, float] | None = None
    gives_reasons: bool = False
    suite: bytes = b""


def sendable(edits: Sequence[Edit]) -> list[Edit]:
    """Return edits that can be sent to another process: images are loaded where their loader cannot be."""
    return [
        replace(edit, source=_sendable(edit.source), truth=_sendable(edit.truth) if edit.truth else None)
        for edit in edits
    ]


def _sendable(sample: Sample) -> Sample:
    bare = replace(sample, annotate=None, load_landmarks=None)
    return bare if picklable(bare) else in_memory(bare, load_sample(bare.load, bare.load_mask))
