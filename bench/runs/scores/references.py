"""Features of the reference images of set metrics, and of the real images that calibrate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fesbench.datasets.images import resize
from fesbench.datasets.loading import ImageLoader

from ...core.contracts import Failure, Sample, SetMetric
from ...metrics.calibration import Calibration, calibrate, degraded, hold_out
from ...scoring.scorer import Scorer
from ..plan import DatasetPlan, ReferenceSet
from ..progress import SILENT, Listener

Array = NDArray[np.float32]
ByNetwork = Mapping[str, Array]


@dataclass(frozen=True)
class HeldOut:
    """Held-out real images: features of them and of their degraded versions, and their subjects.

    ``rest`` are the features of the reference images that they are compared with.
    """

    real: ByNetwork
    versions: Mapping[str, ByNetwork]
    rest: ByNetwork
    subjects: Sequence[str]


@dataclass(frozen=True)
class DomainReferences:
    """The features of a domain's reference images, (M, d) by network, and the held-out images."""

    features: ByNetwork
    held_out: HeldOut

    def calibration(self, metric: SetMetric) -> Calibration:
        """Calibrate ``metric``: which differences it detects at this number of images."""
        network, held_out = metric.network.card.name, self.held_out
        return calibrate(
            metric,
            held_out.real[network],
            {name: features[network] for name, features in held_out.versions.items()},
            held_out.rest[network],
            held_out.subjects,
        )


def domain_references(
    plan: DatasetPlan, scorer: Scorer, loader: ImageLoader, listener: Listener = SILENT
) -> dict[str, DomainReferences]:
    """Return the reference images of each domain that has any that can be loaded."""
    networks = scorer.of_sets
    counts = {domain: sum(edit.source.domain == domain for edit in plan.edits) for domain in plan.references}
    found = {}
    for domain, images in plan.references.items():
        listener.step(f"{plan.name} {domain}")
        found[domain] = _features(images, counts[domain], networks, loader)
    return {domain: references for domain, references in found.items() if references}


def _features(
    chosen: ReferenceSet, count: int, networks: Scorer, loader: ImageLoader
) -> DomainReferences | None:
    """Return the features of a domain for ``count`` outputs; some are held out where there are no others."""
    images, subjects = _loaded(chosen.samples, networks.resolution, loader)
    if not len(images):
        return None
    features = networks.features(images)
    real, shown = _loaded(chosen.held_out, networks.resolution, loader)
    rest = features
    if not len(real):
        held = hold_out(subjects, count)
        real, shown = images[held], [name for name, out in zip(subjects, held, strict=True) if out]
        rest = {name: values[~held] for name, values in features.items()}
    versions = {name: networks.features(worse) for name, worse in degraded(real).items()}
    return DomainReferences(features, HeldOut(networks.features(real), versions, rest, shown))


def _loaded(
    samples: Sequence[Sample], size: int, loader: ImageLoader
) -> tuple[NDArray[np.uint8], Sequence[str]]:
    """Return (N, size, size, 3) images of the samples that can be loaded, and their subjects."""
    usable = [
        (resize(loaded[0], size), sample.subject)
        for sample, loaded in loader.load(samples)
        if not isinstance(loaded, Failure)
    ]
    images = np.stack([image for image, _ in usable]) if usable else np.empty((0, size, size, 3), np.uint8)
    return images, [subject for _, subject in usable]
