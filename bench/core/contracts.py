"""The contracts of data sets, generators and metrics, and the types that they exchange.

Data flows one way: a ``Dataset`` gives ``Sample`` and ``Edit`` objects; a ``Generator`` (through the harness)
or any other ``Synthesizer`` turns edits into outputs; a ``Network`` turns images into features; metrics turn
features into scores. This module imports neither torch nor any other part of the suite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Image = NDArray[np.uint8]
"""An RGB image: (H, W, 3) uint8."""

Mask = NDArray[np.bool_]
"""A region of an image: (H, W) bool."""

NEUTRAL = "neutral"
UNKNOWN_LABEL = -1
"""The source label of an image whose expression is not known."""

FROM_FILES = "outputs"
"""``GeneratorCard.weights`` of images that are read from a folder."""

STUDIO = "studio"
"""The domain that generators are trained on; the others test them out of distribution."""

COPY, TRUTH = "copy", "truth"
"""The suite's own controls: the input itself, and the real image of the target expression."""

CONTROLS = (TRUTH, COPY)
"""Gaps in their outputs are the data set's, not a generator's."""

NO_TRUTH = "no true target"
"""Prefix of a ``Failure``'s reason where the data set has no true target: the edit is left out, not wrong."""

Supervision = Literal["none", "paired", "unpaired"]
Direction = Literal["higher", "lower"]
Inference = Literal["float32", "compiled", "bfloat16"]
"""How networks compute: ``compiled`` differs from ``float32`` by rounding, ``bfloat16`` enough for metrics to
show it; see docs/speed.md."""


class Annotation(NamedTuple):
    """What is known of a face beyond its picture.

    ``landmarks`` is (26, 2) float32, shares of width and height, in the order of
    ``datasets.rendered.LANDMARKS``; ``action_units`` is (17,) float32 in 0..1, in that of
    ``datasets.rendered.AU_NUMBERS``.
    """

    landmarks: NDArray[np.float32]
    action_units: NDArray[np.float32]


@dataclass(frozen=True)
class Sample:
    """One image of one subject.

    ``load`` returns the whole image and raises ``ImageError`` when the file behind it is unusable;
    ``load_mask``, where known, returns the face region at the same size, ``annotate`` where its features lie.
    """

    id: str
    subject: str
    expression: str | None
    domain: str
    load: Callable[[], Image] = field(repr=False, compare=False)
    load_mask: Callable[[], Mask] | None = field(default=None, repr=False, compare=False)
    path: Path | None = None
    annotate: Callable[[], Annotation] | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Edit:
    """One request: show the subject of ``source`` with the expression ``target``."""

    source: Sample
    target: str
    truth: Sample | None = None

    @property
    def id(self) -> str:
        """Names the edit's output file; unique in its data set and safe on any file system."""
        return f"{self.source.id}--{self.target}"


class Problem(NamedTuple):
    """An input that was left out, and why."""

    path: str
    reason: str


class Dataset(ABC):
    """Samples of one split, with stable ids; images are loaded only when asked for."""

    name: str
    split: str
    expressions: tuple[str, ...]
    problems: Sequence[Problem] = ()

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """All samples of the split, in a fixed order."""

    @property
    @abstractmethod
    def digest(self) -> str:
        """sha256 that changes when any sample of the split changes."""

    def references(self) -> Sequence[Sample]:
        """Real images of subjects outside this split, for set metrics; empty where there are none."""
        return ()

    @cached_property
    def domains(self) -> tuple[str, ...]:
        """The domains present, in order of first appearance."""
        return tuple(dict.fromkeys(sample.domain for sample in self.samples()))

    @cached_property
    def _by_shot(self) -> Mapping[tuple[str, str, str | None], Sample]:
        shots: dict[tuple[str, str, str | None], Sample] = {}
        for sample in self.samples():
            shots.setdefault((sample.domain, sample.subject, sample.expression), sample)
        return shots

    def edits(self) -> Sequence[Edit]:
        """Every neutral or unlabelled sample to every non-neutral expression of the data set."""
        targets = [name for name in self.expressions if name != NEUTRAL]
        return [
            Edit(sample, target, self._by_shot.get((sample.domain, sample.subject, target)))
            for sample in self.samples()
            if sample.expression in (NEUTRAL, None)
            for target in targets
        ]

    def pairs(self) -> Sequence[tuple[Sample, Sample]]:
        """(neutral, other expression) of the same subject and domain, for paired training."""
        return [(edit.source, edit.truth) for edit in self.edits() if edit.truth is not None]


@dataclass(frozen=True)
class GeneratorCard:
    """A generator's description, shown beside its results.

    Attributes:
        name: Short name for files and tables: letters, digits, ``.``, ``_`` and ``-``.
        title: Name for readers.
        year: Of publication.
        citation: Of the method.
        source: Where its code or its description is.
        licence: Of its code and weights.
        resolution: Native square size in pixels; None accepts any size.
        expressions: Names of the integer labels, in order; empty accepts any expression of a data set.
        needs_source: Whether the source expression must be known.
        parameters: Number of weights.
        supervision: What it learned from: pairs of images of one person, unpaired images, or nothing.
        trained_on: The training data; models with other data are ranked apart.
        weights: Where its weights come from.
        choices: Where it departs from its publication.
        control: Whether it marks a floor or a ceiling and is no method.
        guided_by: Networks of metrics, by name or sha256, that took part in training or in choosing settings;
            empty if none did, None if that was not recorded.
        assumed: What nothing states of a checkpoint, such as the order of its labels, and what is assumed.
    """

    name: str
    title: str
    year: int | None = None
    citation: str = ""
    source: str = ""
    licence: str = ""
    resolution: int | None = None
    expressions: tuple[str, ...] = ()
    needs_source: bool = False
    parameters: int = 0
    supervision: Supervision = "none"
    trained_on: str = ""
    weights: str = ""
    choices: tuple[str, ...] = ()
    control: bool = False
    guided_by: tuple[str, ...] | None = None
    assumed: tuple[str, ...] = ()


class Generator(ABC):
    """A model that maps images and target expressions to images; pure inference."""

    card: GeneratorCard

    @abstractmethod
    def synthesize(self, images: Tensor, source: Tensor, target: Tensor) -> Tensor:
        """Synthesize the target expressions.

        Args:
            images: (B, 3, R, R) float32 RGB in [-1, 1]; R is ``card.resolution`` where that is set.
            source: (B,) int64 labels into ``card.expressions``; ``UNKNOWN_LABEL`` where not known.
            target: (B,) int64 labels into ``card.expressions``.

        Returns:
            (B, 3, R, R) float32 in [-1, 1] on the device of ``images``; each output depends on its own
            input alone, inputs are left unchanged, and repeated calls give the same result.
        """

    def to(self, device: str) -> Generator:
        """Move the model to a device and return it; a model without parameters needs no override."""
        return self


class ClosedForm(Generator):
    """A generator with a deterministic closed-form fit, which a run performs on the training split."""

    @abstractmethod
    def fit(self, train: Dataset, val: Dataset | None, seed: int) -> None:
        """Fit to ``train.pairs()`` and set ``card.expressions`` to the target expressions among them.

        Args:
            train: The training split.
            val: A split for choosing settings only, if there is one.
            seed: For random choices, if the fit makes any.
        """

    @abstractmethod
    def state(self) -> Mapping[str, NDArray[np.generic]]:
        """Return the fitted arrays by name, for the cache and for safetensors files."""

    @abstractmethod
    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Restore the arrays of an earlier ``state()``."""


class Failure(NamedTuple):
    """The reason why an edit has no output."""

    reason: str


class Synthesizer(ABC):
    """Answers edits with images: by a generator, from a folder of files, or with the true targets."""

    card: GeneratorCard

    @abstractmethod
    def answer(self, edits: Sequence[Edit]) -> list[Image | Failure]:
        """Return an image or a failure for each edit, in order; a single bad edit raises nothing."""


@dataclass(frozen=True)
class NetworkCard:
    """A frozen network that metrics look through. ``digest`` is the sha256 of its weights file.

    ``preprocessing`` states crop, size, filter and value range, with a version: features are comparable
    only where name, digest and preprocessing agree. ``labels`` orders a classifier's outputs; ``reached``
    says what it gets right on real images, the ceiling of scores through it, where that was measured.
    """

    name: str
    backend: str
    digest: str
    preprocessing: str
    dimension: int
    licence: str = ""
    source: str = ""
    labels: tuple[str, ...] = ()
    reached: str = ""


class Network(ABC):
    """Turns images into features.

    ``learned_from`` maps the name and the digest of a data set to the subjects that the network learned from;
    None where nobody recorded them.
    """

    card: NetworkCard
    learned_from: Mapping[str, frozenset[str]] | None = None

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB to (B, card.dimension) float32 on the CPU; no grad, batch-independent."""

    def to(self, device: str) -> Network:
        """Move the parameters."""
        return self


@dataclass(frozen=True)
class MetricCard:
    """What a score means.

    ``id`` carries the backend, as in ``fss@dlib``; ``columns`` names every value that the metric gives for
    one output, the headline one first.
    """

    id: str
    title: str
    direction: Direction
    low: float
    high: float
    unit: str
    meaning: str
    columns: tuple[str, ...] = ()
    needs_truth: bool = False


@dataclass(frozen=True)
class Batch:
    """Outputs to be scored, beside what they are judged against; row i of everything is edit i.

    ``truths`` and ``masks`` hold None where there is none. ``features[network][role]`` is (N, d) float32,
    role one of output, source, truth; rows of missing truths are NaN, roles that no metric reads are missing.
    """

    edits: Sequence[Edit]
    outputs: NDArray[np.uint8]
    sources: NDArray[np.uint8]
    truths: Sequence[Image | None]
    masks: Sequence[Mask | None]
    features: Mapping[str, Mapping[str, NDArray[np.float32]]]


class ImageMetric(ABC):
    """Scores each output by itself.

    ``beside`` names the roles whose features ``score`` reads beside those of outputs; no others are computed.
    """

    card: MetricCard
    networks: tuple[Network, ...] = ()
    beside: tuple[Literal["source", "truth"], ...] = ("source", "truth")

    @abstractmethod
    def score(self, batch: Batch) -> Mapping[str, NDArray[np.float64]]:
        """(N,) float64 for each of ``card.columns``; NaN where the score does not exist."""

    def reason(self, edit: Edit, column: str) -> str:
        """Why an edit has no score in a column, where that can be told from the edit; else empty."""
        return ""

    def failed(self) -> Mapping[str, float]:
        """What an edit without a usable output counts as: wrong, unverified; NaN leaves it out.

        Columns that ``reason`` rules out for an edit stay without a score.
        """
        return dict.fromkeys(self.card.columns, float("nan"))


class SetMetric(ABC):
    """Scores a set of outputs against a set of references, by the features of one network."""

    card: MetricCard
    network: Network

    @abstractmethod
    def compute(self, outputs: NDArray[np.float32], references: NDArray[np.float32]) -> float:
        """(N, d) and (M, d) features to one number."""

    def on_subsets(
        self,
        outputs: NDArray[np.float32],
        references: NDArray[np.float32],
        subsets: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """(K,) the scores of the subsets of (N, d) outputs that the rows of (K, N) tell.

        What intervals rest on. Metrics that can share work between subsets say how; equal to ``compute`` on
        each up to rounding.
        """
        return np.array([self.compute(outputs[subset], references) for subset in subsets])


Metric = ImageMetric | SetMetric


SHARD = 32
"""Edits in a shard: the unit of work, and the most that a kill can lose.

Also the most images in one pass through a network. A pass holds images of one shard alone, and is padded to
a multiple of ``scoring.scorer.PADDING`` where there are fewer. Shards are cut by position in the plan, so no
score depends on what was resumed, or on how many other shards there are.
"""
