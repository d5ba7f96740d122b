"""A metric of other people's code, as a run uses it: every call goes to a process of its own."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ...core.contracts import Batch, Edit, FeatureExtractor, ImageMetric, Metric, SetMetric
from ...core.host_process import TIMEOUT, HostError, RestartedProcess
from .requests import LoadedExtractor, LoadedMetric, MetricRequest, sendable

HOST = f"{__package__}.host"

SET_TIMEOUTS = 20
"""A score of a set, or of all its subsets, may take that many times as long as that of a batch."""


class MetricProcess:
    """The process of a metric, which is started again whenever it ended.

    Args:
        identifier: The id of the metric.
        timeout: Seconds that it may take to load, and for each batch.

    Raises:
        HostError: the metric cannot be loaded, whatever it does instead.
    """

    def __init__(self, identifier: str, timeout: float = TIMEOUT) -> None:
        self._identifier = identifier
        request = MetricRequest(identifier, torch.get_num_threads(), tuple(sys.path))
        self._process = RestartedProcess(HOST, request, timeout)
        self.loaded: LoadedMetric = self._process.start()

    def call(self, method: str, *arguments: object, patience: int = 1) -> Any:
        """Return what a method of ``host.MetricHost`` returns.

        Raises:
            HostError: it raised something, its process ended, or it took longer than the time-out.
        """
        self._process.refuse_if_hopeless(self._identifier)
        if not self._process.running:
            self._process.start()
        found = self._process.call(method, *arguments, patience=patience)
        self._process.answered = True
        return found


def isolated_metric(identifier: str, timeout: float = TIMEOUT) -> Metric:
    """Load a metric of an installed package in a process of its own, which ends with this one.

    A class of the suite on a network of the package keeps its class here, and only its network is there.

    Raises:
        HostError: it cannot be loaded.
    """
    process = MetricProcess(identifier, timeout)
    loaded = process.loaded
    networks = tuple(IsolatedExtractor(process, i, network) for i, network in enumerate(loaded.networks))
    if loaded.suite:
        metric: Metric = pickle.loads(loaded.suite)
        if isinstance(metric, SetMetric):
            metric.network = networks[0]
        else:
            metric.networks = networks
        return metric
    if loaded.of_sets:
        return IsolatedSetMetric(process, networks[0])
    return IsolatedImageMetric(process, networks)


class IsolatedExtractor(FeatureExtractor):
    """A feature extractor of an isolated metric.

    Attributes:
        code: What identifies its code; empty where that is not known.
    """

    def __init__(self, process: MetricProcess, index: int, loaded: LoadedExtractor) -> None:
        self._process, self._index, self._device = process, index, "cpu"
        self.card, self.learned_from, self.code = loaded.card, loaded.learned_from, loaded.code

    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB to (B, card.dimension) float32 on the CPU.

        Raises:
            HostError: there are none.
        """
        found = self._process.call("features", self._index, images.cpu().numpy(), self._device)
        return torch.from_numpy(found)

    def to(self, device: str) -> FeatureExtractor:
        """Have the features computed on a device."""
        self._device = device
        return self


class IsolatedImageMetric(ImageMetric):
    """A metric of single outputs in a process of its own."""

    def __init__(self, process: MetricProcess, networks: tuple[FeatureExtractor, ...]) -> None:
        self._process, self.networks = process, networks
        loaded = process.loaded
        self.card, self.compared_with = loaded.card, loaded.compared_with
        self._failed = dict(loaded.failed or {})
        self._reasons: dict[str, dict[str, str]] = {}

    def score(self, batch: Batch) -> Mapping[str, NDArray[np.float64]]:
        """Return (N,) float64 for each column.

        Raises:
            HostError: there are none.
        """
        names = {network.card.name for network in self.networks}
        features = {name: roles for name, roles in batch.features.items() if name in names}
        sent = replace(batch, edits=sendable(batch.edits), features=features)
        if self._process.loaded.gives_reasons:
            given = self._process.call("reasons", sent.edits)
            self._reasons = dict(zip((edit.id for edit in batch.edits), given, strict=True))
        scores: dict[str, NDArray[np.float64]] = self._process.call("score", sent)
        return scores

    def reason(self, edit: Edit, column: str) -> str:
        """Return why an edit has no score in a column; empty where nothing is known of that."""
        if not self._process.loaded.gives_reasons:
            return ""
        if edit.id not in self._reasons:
            try:
                (self._reasons[edit.id],) = self._process.call("reasons", sendable([edit]))
            except HostError:
                self._reasons[edit.id] = {}
        return self._reasons[edit.id].get(column, "")

    def failed(self) -> Mapping[str, float]:
        """Return the score of an edit without a usable output."""
        return self._failed


class IsolatedSetMetric(SetMetric):
    """A metric of sets of outputs in a process of its own."""

    def __init__(self, process: MetricProcess, network: FeatureExtractor) -> None:
        self._process, self.network = process, network
        self.card = process.loaded.card

    def compute(self, outputs: NDArray[np.float32], references: NDArray[np.float32]) -> float:
        """Return the score of a set.

        Raises:
            HostError: there is none.
        """
        score: float = self._process.call("compute", outputs, references, patience=SET_TIMEOUTS)
        return score

    def on_subsets(
        self, outputs: NDArray[np.float32], references: NDArray[np.float32], subsets: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Return the (K,) scores of subsets of the outputs.

        Raises:
            HostError: there are none.
        """
        scores: NDArray[np.float64] = self._process.call(
            "on_subsets", outputs, references, subsets, patience=SET_TIMEOUTS
        )
        return scores
