"""The metrics of a run and the features that they need."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..core.contracts import (
    SHARD,
    FeatureExtractor,
    ImageMetric,
    Metric,
    MetricCard,
    SetMetric,
)
from ..core.host_process import HostError
from ..metrics.isolation.metric import IsolatedExtractor
from ..metrics.registry import networks_of
from ..statistics.measures import OUTPUT
from .feature_cache import FeatureCache

T = TypeVar("T")


Array = NDArray[np.float32]


PADDING = 8
"""Batches are padded to a multiple of this, so that few batch sizes occur."""


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Scorer:
    """The metrics of a run and the networks they share; without a cache, all features are computed."""

    image_metrics: Sequence[ImageMetric]
    set_metrics: Sequence[SetMetric]
    resolution: int
    device: str = "cpu"
    cache: FeatureCache | None = None

    @classmethod
    def of(
        cls,
        metrics: Iterable[Metric],
        resolution: int,
        device: str = "cpu",
        cache: FeatureCache | None = None,
    ) -> Self:
        """Make a scorer of metrics of both kinds, and move their networks to ``device``."""
        metrics = list(metrics)
        of_images = [metric for metric in metrics if isinstance(metric, ImageMetric)]
        of_sets = [metric for metric in metrics if isinstance(metric, SetMetric)]
        scorer = cls(of_images, of_sets, resolution, device, cache)
        for network in scorer.networks.values():
            network.to(device)
        return scorer

    @property
    def of_images(self) -> Scorer:
        """The same scorer with only its metrics of single outputs."""
        return replace(self, set_metrics=())

    @property
    def of_sets(self) -> Scorer:
        """The same scorer with only its metrics of sets."""
        return replace(self, image_metrics=())

    @property
    def networks(self) -> dict[str, FeatureExtractor]:
        """The distinct networks of all metrics, by name; the suite's own before those of others."""
        found = [network for _, networks in self.networks_by_metric for network in networks]
        own = [network for network in found if not isinstance(network, IsolatedExtractor)]
        return {network.card.name: network for network in (*found, *own)}

    @property
    def networks_by_metric(self) -> list[tuple[str, tuple[FeatureExtractor, ...]]]:
        """The id of each metric with the networks whose features it reads."""
        metrics: list[Metric] = [*self.image_metrics, *self.set_metrics]
        return [(metric.card.id, networks_of(metric)) for metric in metrics]

    def network_records(self) -> dict[str, dict[str, Any]]:
        """Return the card of each network as plain data; ``metrics`` holds the ids of those that read it."""
        readers = self.networks_by_metric
        return {
            name: asdict(network.card)
            | {"metrics": [identifier for identifier, networks in readers if network in networks]}
            for name, network in self.networks.items()
        }

    @property
    def metric_ids(self) -> frozenset[str]:
        """The ids of all metrics."""
        return frozenset(card.id for card in self.cards)

    @property
    def cards(self) -> list[MetricCard]:
        """The cards of all metrics."""
        return [m.card for m in self.image_metrics] + [m.card for m in self.set_metrics]

    @property
    def columns(self) -> list[str]:
        """All values of ``metric`` in rows of scores, in the order of the rows."""
        return [OUTPUT, *(column for card in self.cards for column in card.column_names)]

    def only(self, ids: frozenset[str]) -> Scorer:
        """Return the same scorer with some of its metrics."""
        return replace(
            self,
            image_metrics=[metric for metric in self.image_metrics if metric.card.id in ids],
            set_metrics=[metric for metric in self.set_metrics if metric.card.id in ids],
        )

    def features(self, images: NDArray[np.uint8], lost: dict[str, str] | None = None) -> dict[str, Array]:
        """Compute features of images, ``SHARD`` at a time.

        Args:
            images: (N, R, R, 3) uint8.
            lost: Receives the networks of other people's code that failed, with the reason.

        Returns:
            (N, d) float32 by network; NaN of images that a network failed on.
        """
        found = {name: [np.empty((0, net.card.dimension), np.float32)] for name, net in self.networks.items()}
        for start in range(0, len(images), SHARD):
            batch = images[start : start + SHARD]
            for name, network in self.networks.items():
                try:
                    found[name].append(self._compute(network, batch))
                except HostError as error:
                    log.warning("%s gives no features: %s", name, error)
                    found[name].append(np.full((len(batch), network.card.dimension), np.nan, np.float32))
                    if lost is not None:
                        lost[name] = str(error)
        return {name: np.concatenate(parts) for name, parts in found.items()}

    def _compute(self, network: FeatureExtractor, batch: NDArray[np.uint8]) -> Array:
        compute = partial(_features, network, batch, self.device)
        return self.cache.features(network, batch, compute) if self.cache else compute()

    def reading(self, role: Literal["source", "truth"]) -> Scorer:
        """Return the same scorer with only the metrics that read the features of sources or of truths."""
        return self.only(frozenset(m.card.id for m in self.image_metrics if role in m.compared_with))


def _features(network: FeatureExtractor, images: NDArray[np.uint8], device: str) -> Array:
    """Compute (N, d) features of (N, H, W, 3) images, at least one, in one pass."""
    padded = np.concatenate([images, np.repeat(images[:1], -len(images) % PADDING, axis=0)])
    channels_first = torch.from_numpy(np.ascontiguousarray(padded.transpose(0, 3, 1, 2)))
    with torch.inference_mode():
        return network.features(channels_first.to(device)).float().cpu().numpy()[: len(images)].copy()
