"""The choice of a training's weights: the last, or the best of several candidates by a validation score."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor

from ..core.errors import SpecError
from ..generators.neural import NeuralGenerator


class Validation(NamedTuple):
    """The score by which one of a training's candidate weights is kept.

    Attributes:
        score: Of a generator; larger is better. The weights with the largest score are kept, the latest of
            equals.
        judge: The metric and the images that it is measured on, for the training record.
        networks: Names of the metric's networks, for ``guided_by`` on the generator's card.
    """

    score: Callable[[NeuralGenerator], float]
    judge: str
    networks: tuple[str, ...]


class Selection:
    """The scores of the candidates so far, and the weights of the best.

    Args:
        validation: Scores candidates; None to choose nothing.
    """

    def __init__(self, validation: Validation | None) -> None:
        self.validation = validation
        self.scores: dict[int, float] = {}
        self.weights: dict[str, Tensor] = {}

    @property
    def chosen(self) -> int | None:
        """The step of the best candidate; None while none was scored."""
        return max(self.scores, key=lambda step: (self.scores[step], step), default=None)

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that decided between two or more candidates."""
        return self.validation.networks if self.validation and len(self.scores) > 1 else ()

    def judge(self, step: int, generator: NeuralGenerator) -> None:
        """Score the weights of a step, unless they were scored before, and keep the best."""
        if self.validation is None or step in self.scores:
            return
        self.scores[step] = self.validation.score(generator)
        if self.chosen == step:
            state = generator.network.state_dict()
            self.weights = {name: value.detach().cpu().clone() for name, value in state.items()}

    def record(self) -> dict[str, Any] | str:
        """Return the entry of the training record."""
        if not self.validation:
            return "the averaged weights after the last step"
        candidates = {f"{step} steps": round(score, 4) for step, score in sorted(self.scores.items())}
        return {"by": self.validation.judge, "candidates": candidates}

    def state(self) -> dict[str, Any]:
        """Return the state from which ``restore`` continues."""
        judge = self.validation.judge if self.validation else ""
        return {"judge": judge, "scores": self.scores, "weights": self.weights}

    def restore(self, saved: Mapping[str, Any], folder: Path) -> None:
        """Load what ``state`` returned; ``folder`` is named in messages.

        Raises:
            SpecError: another judge scored the candidates.
        """
        now = self.validation.judge if self.validation else ""
        if saved["scores"] and saved["judge"] != now:
            raise SpecError(
                f"the weights in {folder} were judged by {saved['judge']}, not by {now or 'nothing'}; "
                "pass the same --judge, or train into another folder"
            )
        self.scores, self.weights = dict(saved["scores"]), dict(saved["weights"])
