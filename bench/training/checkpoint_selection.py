"""Which weights of a training are kept: the last, or those of several candidates that a judge likes best."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..core.errors import SpecError
from ..generators.neural import NeuralGenerator


class Validation(NamedTuple):
    """What decides which of a training's candidate weights are kept.

    Attributes:
        score: Larger is better; the weights with the largest are kept, the latest where several are equal.
        judge: What it is, on which images, for the record.
        networks: Names of the networks that it looks through: the generator's card tells them.
    """

    score: Callable[[NeuralGenerator], float]
    judge: str
    networks: tuple[str, ...]


class Selection:
    """The candidates that were judged so far, and the weights of the best.

    Args:
        validation: Judges; without it nothing is ever chosen.
    """

    def __init__(self, validation: Validation | None) -> None:
        self.validation = validation
        self.scores: dict[int, float] = {}
        self.weights: dict[str, Tensor] = {}

    @property
    def chosen(self) -> int | None:
        """The step of the best candidate; None while none was judged."""
        return max(self.scores, key=lambda step: (self.scores[step], step), default=None)

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that had a choice."""
        return self.validation.networks if self.validation and len(self.scores) > 1 else ()

    def judge(self, step: int, generator: NeuralGenerator) -> None:
        """Score the weights of a step, unless they were scored before."""
        if self.validation is None or step in self.scores:
            return
        self.scores[step] = self.validation.score(generator)
        if self.chosen == step:
            state = generator.network.state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    def record(self) -> dict[str, Any] | str:
        """What the training record says of it."""
        if not self.validation:
            return "the averaged weights after the last step"
        candidates = {f"{step} steps": round(score, 4) for step, score in sorted(self.scores.items())}
        return {"by": self.validation.judge, "candidates": candidates}

    def state(self) -> dict[str, Any]:
        """What ``restore`` takes."""
        judge = self.validation.judge if self.validation else ""
        return {"judge": judge, "scores": self.scores, "weights": self.weights}

    def restore(self, saved: Mapping[str, Any], folder: Path) -> None:
        """Go on with the candidates of a training that was stopped.

        Raises:
            SpecError: another judge scored them.
        """
        now = self.validation.judge if self.validation else ""
        if saved["scores"] and saved["judge"] != now:
            raise SpecError(
                f"the weights in {folder} were judged by {saved['judge']}, not by {now or 'nothing'}; "
                "pass the same --judge, or train into another folder"
            )
        self.scores, self.weights = dict(saved["scores"]), dict(saved["weights"])
