"""The contracts of data sets, generators and metrics, and the types that they exchange.

Data flows one way: ``Dataset`` gives ``Sample`` and ``Edit``; a ``Generator`` (through the harness) or
any other ``Synthesizer`` turns edits into outputs; a ``FeatureExtractor`` turns images into features; metrics
turn features into scores. This module imports neither torch nor any other part of the suite.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
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

Landmarks = NDArray[np.float32]
"""68 points of a face in the order of iBUG 300-W: (68, 2) float32, x to the right and y down.

The unit is the side of the image's centre square, the origin its top left corner, so that
``datasets.images.resize`` leaves them as they are."""

Features = NDArray[np.float32]
"""Features of images: (N, d) float32."""

Floats = NDArray[np.float64]

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
Block = Literal["main", "transfer", "registered", "registered transfer", "control"]
"""The part of a table in which a generator stands: only those of one part are ranked against each other."""
Inference = Literal["float32", "compiled", "bfloat16"]
"""How networks compute: ``compiled`` differs from ``float32`` by rounding, ``bfloat16`` enough for metrics to
show it; see docs/speed.md."""

Upscale = Literal["change", "output"]
"""How outputs smaller than the run's images reach their size; see docs/fairness.md."""


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
    ``load_mask``, where known, returns the face region at the same size, ``annotate`` where its features lie,
    ``load_landmarks`` the 68 points that registration uses, or a ``LandmarkError``.
    """

    id: str
    subject: str
    expression: str | None
    domain: str
    load: Callable[[], Image] = field(repr=False, compare=False)
    load_mask: Callable[[], Mask] | None = field(default=None, repr=False, compare=False)
    path: Path | None = None
    annotate: Callable[[], Annotation] | None = field(default=None, repr=False, compare=False)
    load_landmarks: Callable[[], Landmarks] | None = field(default=None, repr=False, compare=False)


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

    @property
    def notes(self) -> Sequence[str]:
        """What whoever uses the data should know of it; empty where there is nothing."""
        return ()

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """All samples of the split, in a fixed order."""

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.samples())

    def __getitem__(self, index: int) -> Sample:
        """Return the sample at a position; samples can be iterated over."""
        return self.samples()[index]

    def __bool__(self) -> bool:
        """Return True, also without samples: a data set is not missing because it is empty."""
        return True

    @property
    @abstractmethod
    def digest(self) -> str:
        """sha256 that changes when any sample of the split changes."""

    def references(self) -> Sequence[Sample]:
        """Real images of subjects outside this split, for set metrics; empty where there are none."""
        return ()

    @property
    def references_digest(self) -> str:
        """sha256 that changes when any of the references changes; empty where ``digest`` tells that."""
        return ""

    @property
    def split_is_stated(self) -> bool:
        """Whether the data set itself says who is tested, so that few subjects are not divided otherwise."""
        return False

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
        assumed: What nothing states of a checkpoint, such as the order of its labels, and what is assumed; of
            finished images, what is unusual about them and what is done about it.
        driven_by: What the network takes as its target, where a method can take different things: ``labels``
            or ``action units``.
        registered: Whether it sees faces registered by their landmarks; such models are ranked apart.
        learned_registered: Whether it learned from registered faces, so that every run shows it such faces.
        training_of: Name of the model that this is one of several trainings of; empty for a model itself.
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
    driven_by: str = ""
    registered: bool = False
    learned_registered: bool = False
    training_of: str = ""


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


class LandmarkGenerator(Generator):
    """A generator that is told where the landmarks of each face are.

    Attributes:
        fallback: Whether it has an answer for faces whose landmarks nobody found. If not, such an edit fails
            with the reason why they were not found.
    """

    fallback: bool = False

    @abstractmethod
    def synthesize(
        self, images: Tensor, source: Tensor, target: Tensor, landmarks: Tensor | None = None
    ) -> Tensor:
        """Synthesize the target expressions; see ``Generator.synthesize``.

        Args:
            images: As there.
            source: As there.
            target: As there.
            landmarks: (B, 68, 2) float32, see ``Landmarks``; NaN where they are not known, which only a
                generator with a ``fallback`` receives. None: the generator finds them in the images.
        """


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
class FeatureExtractorCard:
    """What identifies a frozen network whose features metrics read.

    Features are comparable only where name, digest and preprocessing agree.

    Attributes:
        name: Unique name; ``Batch.features`` is keyed by it.
        backend: The backend that it belongs to.
        digest: sha256 of its weights file.
        preprocessing: Crop, size, filter and value range, with a version.
        dimension: Length of a feature vector.
        licence: Licence of the weights.
        source: Where the weights come from.
        labels: The classes of a classifier, in the order of its outputs; empty for other networks.
        reached: Accuracy of a classifier on real images, in words: the ceiling of scores computed with it.
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


class FeatureExtractor(ABC):
    """A frozen network that turns images into features.

    Attributes:
        learned_from: Name and digest of a training data set, each to the subjects it was trained on; None
            where they were not recorded.
    """

    card: FeatureExtractorCard
    learned_from: Mapping[str, frozenset[str]] | None = None

    @abstractmethod
    def features(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) uint8 RGB to (B, card.dimension) float32 on the CPU; no grad, batch-independent."""

    def to(self, device: str) -> FeatureExtractor:
        """Move the parameters."""
        return self


NetworkCard = FeatureExtractorCard
"""Earlier name of ``FeatureExtractorCard``, kept for plug-ins."""
Network = FeatureExtractor
"""Earlier name of ``FeatureExtractor``, kept for plug-ins."""

SHARE = "share"
"""The unit of values that are 1 or 0 for each output."""


@dataclass(frozen=True)
class Column:
    """One value that a metric gives for each output, and how to read it.

    Attributes:
        name: Id of the column, unique over all metrics and with the backend: ``fss.distance@dlib``.
        title: What it measures, in words.
        direction: Which end is better; None for a value that does not rank generators.
        low: Lower end of its range.
        high: Upper end of its range.
        unit: Its unit; ``SHARE`` for values that are 1 or 0.
        headline: Whether main tables show it; they show the first column of a metric in any case.
        same_order: Whether it ranks generators as the headline column does, or nearly so. Tables that compare
            metrics with each other leave such a column out, as it would count one finding twice.
        score: False for what a classifier predicts, such as a label: stored for each output, never averaged.
    """

    name: str
    title: str
    direction: Direction | None = None
    low: float = -inf
    high: float = inf
    unit: str = ""
    headline: bool = False
    same_order: bool = False
    score: bool = True


@dataclass(frozen=True)
class MetricCard:
    """What a metric measures and how to read, rank and cite it.

    Attributes:
        id: Name and backend, as in ``fss@dlib``.
        title: Full name.
        direction: Which end of the headline column is better.
        low: Lower end of its range.
        high: Upper end of its range.
        unit: Its unit.
        meaning: What the number says and what it does not, in a sentence or two.
        columns: Every value that the metric gives for one output, the headline column first; empty where the
            only one has the metric's id. A plain name in the first place is described by the card itself. A
            plain name further on is a value that is shown but not ranked: state a ``Column`` to rank it.
        needs_truth: Whether an edit without a true target has no score.
        citations: What a paper that uses the metric cites: keys of the suite's bibliography, or BibTeX
            entries.
    """

    id: str
    title: str
    direction: Direction
    low: float
    high: float
    unit: str
    meaning: str
    columns: tuple[Column | str, ...] = ()
    needs_truth: bool = False
    citations: tuple[str, ...] = ()

    @property
    def described_columns(self) -> tuple[Column, ...]:
        """Every column with its description, the headline column first."""
        first, *others = self.columns or (self.id,)
        if isinstance(first, str):
            first = Column(first, self.title, self.direction, self.low, self.high, self.unit)
        return first, *(Column(other, self.title) if isinstance(other, str) else other for other in others)

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of all columns, the headline column first."""
        return tuple(column.name for column in self.described_columns)


@dataclass(frozen=True)
class Batch:
    """N outputs and what they are compared with; row i of everything belongs to edit i.

    Attributes:
        edits: The N edits.
        outputs: (N, H, W, 3) uint8 RGB.
        sources: (N, H, W, 3) uint8 RGB.
        truths: True targets; None where an edit has none.
        masks: Face regions; None where none is known.
        features: Name of an extractor, then role (output, source or truth), to (N, d) float32. Rows of
            missing truths are NaN; roles that no metric reads are absent.
    """

    edits: Sequence[Edit]
    outputs: NDArray[np.uint8]
    sources: NDArray[np.uint8]
    truths: Sequence[Image | None]
    masks: Sequence[Mask | None]
    features: Mapping[str, Mapping[str, NDArray[np.float32]]]


class ImageMetric(ABC):
    """A metric that scores each output by itself.

    Attributes:
        networks: The feature extractors that ``score`` reads.
        compared_with: The roles whose features ``score`` reads in addition to those of outputs; no others are
            computed.
    """

    card: MetricCard
    networks: tuple[FeatureExtractor, ...] = ()
    compared_with: tuple[Literal["source", "truth"], ...] = ("source", "truth")

    @abstractmethod
    def score(self, batch: Batch) -> Mapping[str, NDArray[np.float64]]:
        """Return (N,) float64 for each of ``card.column_names``; NaN where a score does not exist."""

    def reason(self, edit: Edit, column: str) -> str:
        """Return why the edit rules out a score in a column; empty where it does not."""
        return ""

    def failed(self) -> Mapping[str, float]:
        """Return the score of an edit without a usable output: wrong, not verified; NaN leaves it out.

        Columns that ``reason`` rules out for an edit stay without a score.
        """
        return dict.fromkeys(self.card.column_names, float("nan"))


class SetMetric(ABC):
    """A metric that compares a set of outputs with a set of reference images, by features.

    Attributes:
        network: The feature extractor.
    """

    card: MetricCard
    network: FeatureExtractor

    @abstractmethod
    def compute(self, outputs: NDArray[np.float32], references: NDArray[np.float32]) -> float:
        """Return the score of (N, d) features of outputs against (M, d) features of reference images."""

    def on_subsets(
        self,
        outputs: NDArray[np.float32],
        references: NDArray[np.float32],
        subsets: NDArray[np.bool_],
    ) -> NDArray[np.float64]:
        """Return the scores of subsets of the outputs, from which intervals are computed.

        Override it where subsets can share work; the result must equal ``compute`` up to rounding.

        Args:
            outputs: (N, d) features.
            references: (M, d) features.
            subsets: (K, N), True for the outputs in each subset.

        Returns:
            (K,) float64.
        """
        return np.array([self.compute(outputs[subset], references) for subset in subsets])


Metric = ImageMetric | SetMetric


SHARD = 32
"""Edits in a shard: the unit of work, and the most that a kill can lose.

Also the most images in one pass through a network. A pass holds images of one shard alone, and is padded to
a multiple of ``scoring.scorer.PADDING`` where there are fewer. Shards are cut by position in the plan, so no
score depends on what was resumed, or on how many other shards there are.
"""
