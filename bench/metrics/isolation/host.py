"""The process of a metric: ``python -m fesbench.metrics.isolation.host``, for ``metric.MetricProcess``."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from ...core.code import code_digest
from ...core.contracts import (
    Batch,
    Edit,
    FeatureExtractor,
    FeatureExtractorCard,
    ImageMetric,
    Metric,
    MetricCard,
    SetMetric,
)
from ...core.errors import BenchError, invalid_fields
from ...core.host_process import serve
from ...core.text import plain_text
from ..registry import METRICS
from .requests import LoadedExtractor, LoadedMetric, MetricRequest

Card = TypeVar("Card", MetricCard, FeatureExtractorCard)

Scores = dict[str, NDArray[np.float64]]
Reasons = list[dict[str, str]]


class MetricHost:
    """Holds one metric."""

    def load(self, request: MetricRequest) -> LoadedMetric:
        """Load the metric.

        Raises:
            BenchError: it is no metric, or a card has fields of other types.
        """
        sys.path[:] = request.path
        metric = METRICS.load(request.identifier)()
        if not isinstance(metric, ImageMetric | SetMetric):
            raise BenchError(f"{request.identifier} gives {type(metric).__name__}, not a metric")
        self._metric: Metric = metric
        self._networks = metric.networks if isinstance(metric, ImageMetric) else (metric.network,)
        if self._networks:
            import torch  # most metrics of others need no network, and start in a third of the time

            torch.set_num_threads(request.threads)
        self._device = "cpu"
        return self._described()

    def features(self, index: int, images: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
        """Return (B, d) features of (B, 3, H, W) images by one of the metric's networks.

        Raises:
            BenchError: the network gives another shape.
        """
        import torch

        network = self._networks[index]
        if device != self._device:
            for each in self._networks:
                each.to(device)
            self._device = device
        with torch.inference_mode():
            found = network.features(torch.from_numpy(images).to(device)).float().cpu().numpy()
        if found.shape != (len(images), network.card.dimension):
            raise BenchError(f"{network.card.name} gives features {found.shape} of {len(images)} images")
        return np.array(found, np.float32)

    def score(self, batch: Batch) -> Scores:
        """Return (N,) scores of each column."""
        assert isinstance(self._metric, ImageMetric)
        found, count = self._metric.score(batch), len(batch.outputs)
        columns = self._metric.card.column_names
        return {name: np.array(found[name], np.float64).reshape(count) for name in columns}

    def reasons(self, edits: Sequence[Edit]) -> Reasons:
        """Return the reasons of each edit by column; those without one are left out."""
        assert isinstance(self._metric, ImageMetric)
        return [
            {
                column: plain_text(str(reason))
                for column in self._metric.card.column_names
                if (reason := self._metric.reason(edit, column))
            }
            for edit in edits
        ]

    def compute(self, outputs: NDArray[np.float32], references: NDArray[np.float32]) -> float:
        """Return the score of a set."""
        assert isinstance(self._metric, SetMetric)
        return float(self._metric.compute(outputs, references))

    def on_subsets(
        self, outputs: NDArray[np.float32], references: NDArray[np.float32], subsets: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the (K,) scores of subsets."""
        assert isinstance(self._metric, SetMetric)
        found = self._metric.on_subsets(outputs, references, subsets)
        return np.array(found, np.float64).reshape(len(subsets))

    def _described(self) -> LoadedMetric:
        metric, networks = self._metric, tuple(map(_described, self._networks))
        card = _plain(metric.card, MetricCard)
        if isinstance(metric, SetMetric):
            return LoadedMetric(card, True, networks, suite=_suite(metric))
        return LoadedMetric(
            card,
            False,
            networks,
            tuple(role for role in ("source", "truth") if role in metric.compared_with),
            {str(column): float(value) for column, value in metric.failed().items()},
            type(metric).reason is not ImageMetric.reason,
            _suite(metric),
        )


def _described(network: FeatureExtractor) -> LoadedExtractor:
    if not isinstance(network, FeatureExtractor):
        raise BenchError(f"{type(network).__name__} is no FeatureExtractor")
    learned: Mapping[str, frozenset[str]] | None = network.learned_from
    if learned is not None:
        learned = {str(name): frozenset(map(str, people)) for name, people in learned.items()}
    digest = code_digest(type(network))
    code = f"{type(network).__qualname__} {digest}" if digest else ""
    return LoadedExtractor(_plain(network.card, FeatureExtractorCard), learned, code)


def _plain(card: Card, kind: type[Card]) -> Card:
    """Return a card of checked fields, without texts that a terminal would obey.

    Raises:
        BenchError: it is no such card, or a field is of another type.
    """
    if not isinstance(card, kind):
        raise BenchError(f"its card is {type(card).__name__}, not a {kind.__name__}")
    try:
        return TypeAdapter(kind).validate_python(_plain_texts(asdict(card)))
    except ValidationError as error:
        raise BenchError(f"its card cannot be used: {invalid_fields(error)}") from error


def _plain_texts(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, dict):
        return {name: _plain_texts(item) for name, item in value.items()}
    return tuple(map(_plain_texts, value)) if isinstance(value, tuple | list) else value


def _suite(metric: Metric) -> bytes:
    """Return a metric whose class is the suite's, pickled without its networks; else nothing."""
    if not type(metric).__module__.startswith("fesbench."):
        return b""
    shell: Any = copy.copy(metric)
    if isinstance(metric, SetMetric):
        del shell.network
    else:
        shell.networks = ()
    try:
        return pickle.dumps(shell)
    except Exception:  # it holds something of the package's own: all of it stays here
        return b""


def main() -> None:
    """Answer calls until stdin ends."""
    serve(MetricHost())


if __name__ == "__main__":
    main()
