"""Measure the embedded networks on held-out subjects: the numbers on their cards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.contracts import FeatureExtractor
from ...metrics.frechet import frechet_distance
from ...metrics.kid import kernel_distance
from ...statistics.classification import auc_values
from .augmentation import DEGRADATIONS, blur
from .rendered_faces import Faces

FALSE_ACCEPTS = 0.01
"""Share of impostor pairs above the identity threshold on validation subjects."""

LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Levels of degradation at which the quality network is measured."""

Values = NDArray[np.float32]


def features_of(network: FeatureExtractor, faces: Faces) -> Values:
    """Return the features of all faces: (N, d) float32."""
    blocks = np.array_split(faces.images, max(1, len(faces) // 64))
    return np.concatenate([network.features(torch.from_numpy(block.copy())).numpy() for block in blocks])


def accuracy(network: FeatureExtractor, faces: Faces) -> dict[int, float]:
    """Return the share of correct labels by domain."""
    right = features_of(network, faces).argmax(axis=1) == faces.expression
    return {int(domain): float(right[faces.domain == domain].mean()) for domain in np.unique(faces.domain)}


def pair_similarity(embedding: Values, faces: Faces, domain: int) -> tuple[Values, Values]:
    """Return the cosines of genuine and of impostor pairs of a domain, each pair of two expressions.

    Args:
        embedding: (N, d) unit vectors of the faces.
        faces: N faces.
        domain: The domain's position in ``DOMAINS``.
    """
    rows = np.flatnonzero(faces.domain == domain)
    first, second = (rows[index] for index in np.triu_indices(len(rows), 1))
    differ = faces.expression[first] != faces.expression[second]
    first, second = first[differ], second[differ]
    cosine = (embedding[first] * embedding[second]).sum(axis=1)
    same = faces.subject[first] == faces.subject[second]
    return cosine[same], cosine[~same]


def area_under_curve(genuine: Values, impostor: Values) -> float:
    """Return the probability that a genuine pair is more similar than an impostor pair; ties count half."""
    similarity = np.concatenate([genuine, impostor]).astype(np.float64)
    is_genuine = np.arange(len(similarity)) < len(genuine)
    return float(auc_values(similarity, is_genuine).mean())


def identity(network: FeatureExtractor, faces: Faces) -> dict[int, dict[str, float]]:
    """Return ``auc`` of verification and mean cosines of ``genuine`` and ``impostor`` pairs by domain."""
    embedding = features_of(network, faces)
    measures: dict[int, dict[str, float]] = {}
    for domain in map(int, np.unique(faces.domain)):
        genuine, impostor = pair_similarity(embedding, faces, domain)
        measures[domain] = {
            "auc": area_under_curve(genuine, impostor),
            "genuine": float(genuine.mean()),
            "impostor": float(impostor.mean()),
        }
    return measures


def verification(network: FeatureExtractor, validation: Faces) -> dict[str, Any]:
    """Return the threshold at ``FALSE_ACCEPTS`` over all domains, and means over impostor pairs."""
    embedding = features_of(network, validation)
    pairs = [pair_similarity(embedding, validation, int(d))[1] for d in np.unique(validation.domain)]
    impostor = np.concatenate(pairs).astype(np.float64)
    return {
        "measure": "cosine",
        "threshold": float(np.quantile(impostor, 1 - FALSE_ACCEPTS)),
        "impostor_cosine": float(impostor.mean()),
        "impostor_distance": float(np.sqrt(np.maximum(2 - 2 * impostor, 0)).mean()),
        "origin": f"impostor pairs of {len(np.unique(validation.subject))} rendered validation subjects, "
        f"within a domain, expression and scene changed; {FALSE_ACCEPTS:.0%} of them pass the threshold",
    }


def quality_ladders(network: FeatureExtractor, faces: Faces, seed: int = 0) -> Mapping[str, list[float]]:
    """Return the mean quality at each level of ``LADDER``, by kind of degradation."""
    random = torch.Generator().manual_seed(seed)
    images = faces.batch(np.arange(len(faces)))
    ladders: dict[str, list[float]] = {}
    for kind, degrade in DEGRADATIONS.items():
        steps = (images if level == 0 else degrade(images, level, random) for level in LADDER)
        ladders[kind] = [float(_features(network, step)[:, 0].mean()) for step in steps]
    return ladders


def set_distances(
    network: FeatureExtractor, faces: Faces, neutral: int
) -> dict[int, dict[str, dict[str, float]]]:
    """Return Fréchet and kernel distances between real faces and several kinds of sets, by domain.

    The reference images are the non-neutral faces of half of the subjects. The sets are made from as many
    faces of the other half: as they are (``real``), blurred by 1 and by 2 pixels of 128, with noise, six of
    the faces repeated (``collapsed``), and the subjects' neutral faces instead (``unchanged``).

    Args:
        network: Gives the features.
        faces: From several domains.
        neutral: The position of neutral in ``EXPRESSIONS``.
    """
    return {
        int(domain): _set_distances(network, faces, int(domain), neutral)
        for domain in np.unique(faces.domain)
    }


def _set_distances(
    network: FeatureExtractor, faces: Faces, domain: int, neutral: int
) -> dict[str, dict[str, float]]:
    rows = faces.where(faces.domain == domain)
    subjects = np.unique(rows.subject)
    others = np.isin(rows.subject, subjects[::2])
    reference = features_of(network, rows.where(others & (rows.expression != neutral)))
    real = rows.where(~others & (rows.expression != neutral))
    images, random = real.batch(np.arange(len(real))), torch.Generator().manual_seed(domain)
    unchanged = rows.where(~others & (rows.expression == neutral))
    versions = {
        "real": images,
        "blurred by 1": blur(images, 1.0),
        "blurred by 2": blur(images, 2.0),
        "noisy": DEGRADATIONS["noise"](images, 0.4, random),
        "collapsed": images[np.resize(np.arange(6), len(images))],
        "unchanged": unchanged.batch(np.resize(np.arange(len(unchanged)), len(images))),
    }
    distances = {}
    for name, version in versions.items():
        features = _features(network, version)
        distances[name] = {
            "fid": frechet_distance(features, reference),
            "kid": kernel_distance(features, reference),
        }
    return distances


def _features(network: FeatureExtractor, images: torch.Tensor) -> Values:
    pixels = (images.clamp(0, 1) * 255).round().to(torch.uint8)
    return np.concatenate([network.features(block).numpy() for block in torch.split(pixels, 64)])
