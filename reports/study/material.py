"""The material of a study: edits with an output of every model, and their images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fesbench.core.contracts import Image

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Candidate:
    """An edit that can be drawn as an item. ``source_expression`` is ``UNKNOWN`` where it is not stated.

    ``source`` names the real photo that is edited; ``has_truth`` says whether a real photo of the target
    expression exists.
    """

    dataset: str
    domain: str
    subject: str
    expression: str
    edit: str
    source: str
    source_expression: str
    has_truth: bool


class Material(ABC):
    """The images of a run, all squares of one size: (S, S, 3) uint8.

    Attributes:
        run: The name of the run.
        size: The side S of the images in pixels.
        models: The models to compare.
        anchors: Controls of the run that ratings and naming show among the models.
        titles: The display names of models and anchors.
        candidates: The edits that can be drawn.
        left_out: The edits that cannot be drawn, each with the reason.
        layouts: The file layout of each data set, empty where it has none.
    """

    run: str
    size: int
    models: tuple[str, ...]
    anchors: tuple[str, ...]
    titles: Mapping[str, str]
    candidates: Sequence[Candidate]
    left_out: Mapping[str, str]
    layouts: Mapping[str, str]

    @abstractmethod
    def output(self, candidate: Candidate, model: str) -> Image:
        """Return the output of a model or an anchor."""

    @abstractmethod
    def source(self, candidate: Candidate) -> Image:
        """Return the real input."""

    @abstractmethod
    def truth(self, candidate: Candidate) -> Image:
        """Return the real photo of the target expression of a candidate that ``has_truth``."""
