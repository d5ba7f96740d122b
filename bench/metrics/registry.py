"""Metrics by name and backend. This module imports neither torch nor a network until a metric is loaded.

A metric's id says through which network it looks: ``fss@dlib``. A plain name (``fss``) stands for the id that
the chosen backend gives it. Installed packages add metrics through the entry-point group
``fesbench.metrics``: an id, and a callable without arguments that returns an ``ImageMetric`` or
``SetMetric``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .. import weights
from ..core.contracts import Metric
from ..core.errors import BenchError, UnknownName, WeightsMissing
from ..core.registry import Registry

NAMES = ("ecs", "fss", "quality", "fid", "kid", "movement", "fidelity")
"""Plain names; ``qualiclip`` is accepted for ``quality``."""

_HERE = "fesbench.metrics.backends"

METRICS = Registry(
    "metric",
    {
        "ecs@embedded": f"{_HERE}:final_judge",
        "ecs@embedded-judge1": f"{_HERE}:development_judge",
        "ecs@embedded-judge2": f"{_HERE}:final_judge",
        "fss@embedded": f"{_HERE}:embedded_similarity",
        "quality@embedded": f"{_HERE}:embedded_quality",
        "fid@embedded": f"{_HERE}:embedded_frechet",
        "kid@embedded": f"{_HERE}:embedded_kernel",
        "movement@embedded": f"{_HERE}:embedded_movement",
        "fidelity": "fesbench.metrics.fidelity:Fidelity",
        "ecs@fer": f"{_HERE}:fer_consistency",
        "fss@dlib": f"{_HERE}:dlib_similarity",
        "ecs@face-api": f"{_HERE}:face_api_consistency",
        "fss@face-api": f"{_HERE}:face_api_similarity",
        "ecs@deepface-emotion": f"{_HERE}:deepface_consistency",
        "fss@facenet512": f"{_HERE}:facenet_similarity",
        "fss@facenet512-bf16": f"{_HERE}:facenet_similarity_bf16",
        "fss@arcface": f"{_HERE}:arcface_similarity",
        "fss@vgg-face": f"{_HERE}:vgg_face_similarity",
        "fss@deepface-dlib": f"{_HERE}:deepface_dlib_similarity",
        "qualiclip": f"{_HERE}:qualiclip",
        "qualiclip@pyiqa": f"{_HERE}:pyiqa_qualiclip",
        "fid@inception-2015": f"{_HERE}:inception_frechet",
        "kid@inception-2015": f"{_HERE}:inception_kernel",
        "fid@inception-2015-bf16": f"{_HERE}:inception_frechet_bf16",
        "kid@inception-2015-bf16": f"{_HERE}:inception_kernel_bf16",
    },
    group="fesbench.metrics",
)

BACKENDS: Mapping[str, Mapping[str, str]] = {
    "embedded": {
        "ecs": "ecs@embedded",
        "fss": "fss@embedded",
        "quality": "quality@embedded",
        "fid": "fid@embedded",
        "kid": "kid@embedded",
        "movement": "movement@embedded",
    },
    "portable": {"ecs": "ecs@fer", "fss": "fss@dlib"},
    "face-api": {"ecs": "ecs@face-api", "fss": "fss@face-api"},
    "paper": {
        "ecs": "ecs@deepface-emotion",
        "fss": "fss@facenet512",
        "quality": "qualiclip",
        "fid": "fid@inception-2015",
        "kid": "kid@inception-2015",
    },
    "paper-bf16": {
        "ecs": "ecs@deepface-emotion",
        "fss": "fss@facenet512-bf16",
        "quality": "qualiclip",
        "fid": "fid@inception-2015-bf16",
        "kid": "kid@inception-2015-bf16",
    },
}
"""The id that each backend gives to the plain names it can serve. ``paper-bf16`` is ``paper`` with the two
networks of identity and of sets in bfloat16: faster, not exact, and under names of their own."""


def metric_names() -> list[str]:
    """Ids of all metrics: registered ones, and ``ecs@NAME`` of each classifier that the user trained."""
    return [*METRICS.names(), *(f"ecs@{name}" for name in weights.classifiers())]


def metric_id(name: str, backend: str) -> str:
    """The id of a metric given by plain name or id; backends without it give ``name@backend``.

    Raises:
        UnknownName: there is no such metric or backend.
        BenchError: it is a metric that only sounds like one of these.
    """
    _refuse_lookalikes(name)
    if backend not in BACKENDS:
        raise UnknownName("backend", backend, BACKENDS)
    plain = "quality" if name == "qualiclip" else name
    if plain in NAMES and plain != "fidelity":
        return BACKENDS[backend].get(plain, f"{plain}@{backend}")
    if name not in metric_names():
        raise UnknownName("metric", name, [*NAMES, *metric_names()])
    return name


def served_metrics(backend: str) -> tuple[str, ...]:
    """Plain names of all metrics that a backend has networks for, and fidelity, which needs none.

    Raises:
        UnknownName: there is no such backend.
    """
    if backend not in BACKENDS:
        raise UnknownName("backend", backend, BACKENDS)
    return (*BACKENDS[backend], "fidelity")


def load_metric(identifier: str) -> Metric:
    """The metric of an id.

    Raises:
        UnknownName: there is no such metric.
        WeightsMissing: its backend's weights are not on this machine, or its backend has no such metric.
        BenchError: a file or package that the backend needs is unusable, or it is a metric that only sounds
            like one of these.
    """
    _refuse_lookalikes(identifier)
    plain, _, backend = identifier.partition("@")
    if plain in NAMES and backend in BACKENDS and identifier not in METRICS.names():
        raise WeightsMissing(_not_served(plain, backend))
    if plain == "ecs" and identifier not in METRICS.names() and backend in weights.classifiers():
        from .backends import trained_classifier

        return trained_classifier(backend)
    metric: Metric = METRICS.load(identifier)()
    return metric


def load_metrics(names: Iterable[str], backend: str) -> tuple[list[Metric], list[tuple[str, str]]]:
    """The metrics that this machine can compute, and why it cannot compute the others.

    Args:
        names: Plain names or ids; repeated ones count once.
        backend: What plain names stand for: ``embedded``, ``portable``, ``face-api`` or ``paper``.

    Returns:
        The metrics in the order of the registry, whatever the order of ``names``, and (id, reason) of those
        that are not available. Another backend never steps in for one that is missing.

    Raises:
        UnknownName: there is no such metric or backend.
    """
    known = metric_names()
    identifiers = sorted(
        dict.fromkeys(metric_id(name, backend) for name in names),
        key=lambda name: known.index(name) if name in known else len(known),
    )
    metrics: dict[str, Metric] = {}
    unavailable: list[tuple[str, str]] = []
    for identifier in identifiers:
        try:
            metric = load_metric(identifier)
        except UnknownName:
            raise
        except BenchError as error:
            unavailable.append((identifier, str(error)))
        else:
            metrics.setdefault(metric.card.id, metric)
    return list(metrics.values()), unavailable


def _refuse_lookalikes(name: str) -> None:
    if name.casefold().startswith("qualiclip+"):
        raise BenchError(
            f"{name} is another metric than QualiCLIP: its prompts were trained on people's opinion scores "
            "of one data set, while QualiCLIP saw none; ask for 'qualiclip'"
        )


def _not_served(plain: str, backend: str) -> str:
    others = sorted(served[plain] for served in BACKENDS.values() if plain in served)
    return (
        f"the {backend} backend has no network for {plain}, and no other backend's number stands in for it; "
        f"ask for one of {', '.join(others)} by id"
    )
