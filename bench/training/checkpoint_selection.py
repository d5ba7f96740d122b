"""The choice of a training's weights and of its end, by what candidate weights do on validation subjects."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor

from ..core.errors import CheckpointError, SpecError
from ..core.files import read_limited
from ..generators.checkpoints import save_checkpoint
from ..generators.hyperparameters import Settings
from ..generators.neural import NeuralGenerator
from ..weights.tensors import MAX_CARD_BYTES, read_checkpoint

CANDIDATES = "candidates"
"""The folder of the candidates' weights, ``STEP.safetensors`` with cards that hold their scores."""

CLOSE = 2.0
"""Standard errors within which the joint success of a candidate counts as that of the best."""


class Outcomes(NamedTuple):
    """What a candidate's outputs are on validation edits, in the same order for all candidates.

    Attributes:
        subjects: Whom each edit shows.
        expression: 1 where the output shows the target expression, else 0.
        identity: 1 where it is the same person, else 0.
        error: Mean absolute error to the true target in grey levels.
        texture: 1 where its fine texture is no stronger than that of true pictures, else 0; None where that
            was not judged.
    """

    subjects: Sequence[str]
    expression: Sequence[float]
    identity: Sequence[float]
    error: Sequence[float]
    texture: Sequence[float] | None = None

    @property
    def joint(self) -> NDArray[np.float64]:
        """1 where an output shows the target expression on the same person, without artefacts, else 0."""
        shown: NDArray[np.float64] = np.multiply(self.expression, self.identity)
        return shown if self.texture is None else np.multiply(shown, self.texture)

    def gain(self, other: Self) -> tuple[float, float]:
        """Return by how much the joint success exceeds another's, and the standard error of that.

        The error is that of the mean over subjects of their differences: both are of the same edits, and
        edits of one subject are not independent. It is infinite with a single subject.
        """
        differences = self.joint - other.joint
        subjects = np.asarray(self.subjects)
        means = np.array([differences[subjects == name].mean() for name in dict.fromkeys(self.subjects)])
        spread = means.std(ddof=1) / len(means) ** 0.5 if len(means) > 1 else np.inf
        return float(means.mean()), float(spread)

    def means(self) -> dict[str, float]:
        """Return the mean of each measure."""
        shares = {"joint": self.joint, "expression": self.expression, "identity": self.identity}
        if self.texture is not None:
            shares["texture"] = self.texture
        means = {name: round(float(np.mean(np.asarray(share))), 4) for name, share in shares.items()}
        return {**means, "error": round(float(np.mean(self.error)), 3)}


_OUTCOMES = TypeAdapter(Outcomes)


class Validation(NamedTuple):
    """How candidate weights are judged.

    Attributes:
        score: Judges a generator.
        judge: The measures and the images that they are taken on, for the training record.
        networks: Names of the networks that take part, for ``guided_by`` on the generator's card.
    """

    score: Callable[[NeuralGenerator], Outcomes]
    judge: str
    networks: tuple[str, ...]


class Selection:
    """The candidates of a training: their weights in a folder, their outcomes, and the best.

    Among those whose joint success is within two standard errors of the largest, the one with the least error
    to the true targets is kept, the latest of equals: a share of successes alone would prefer outputs that
    show an expression more and a face less. Success asks for a texture like that of true pictures, because
    classifiers recognise expressions in outputs with chequered artefacts too.

    Args:
        validation: Judges candidates; None to choose nothing.
        folder: Gets the candidates' weights.
    """

    def __init__(self, validation: Validation | None, folder: Path) -> None:
        self.validation, self.folder = validation, folder / CANDIDATES
        self.outcomes: dict[int, Outcomes] = {}

    @property
    def chosen(self) -> int | None:
        """The step of the best candidate; None while none was judged."""
        if not self.outcomes:
            return None
        close = [step for step, outcomes in self.outcomes.items() if self._is_close(outcomes)]
        return min(close, key=lambda step: (np.mean(self.outcomes[step].error), -step))

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks that decided between two or more candidates."""
        return self.validation.networks if self.validation and len(self.outcomes) > 1 else ()

    def end(self, settings: Settings) -> int | None:
        """Return the last step of the training, as far as the candidates tell now; None without an end.

        With the schedule ``plateau`` that is ``decay_steps`` after the first candidate, from ``plateau_from``
        on, at which the joint success has stopped rising: the best of the last ``patience`` candidates does
        not exceed the best before them by more than one standard error.
        """
        if settings.schedule != "plateau" or settings.steps is None:
            return settings.steps
        judged = sorted(step for step in self.outcomes if step in settings.candidates)
        settled = (
            step + settings.decay_steps
            for number, step in enumerate(judged, 1)
            if step >= settings.plateau_from and self._has_settled(judged[:number], settings.patience)
        )
        return min(next(settled, settings.steps), settings.steps)

    def judge(self, step: int, generator: NeuralGenerator, training: Mapping[str, Any]) -> None:
        """Judge the weights of a step, unless they were judged before, and store them.

        Args:
            step: The number of the step.
            generator: With these weights.
            training: The training record.
        """
        if self.validation is None or step in self.outcomes:
            return
        outcomes = self.validation.score(generator)
        record = {**training, "judged_by": self.validation.judge, "outcomes": outcomes._asdict()}
        save_checkpoint(generator, self.weights(step), record, half=True)
        self.outcomes[step] = outcomes

    def weights(self, step: int) -> Path:
        """Return the file of a candidate's weights."""
        return self.folder / f"{step:06d}.safetensors"

    def state_dict(self, step: int) -> dict[str, Tensor]:
        """Return the weights of a candidate.

        Raises:
            CheckpointError: its file is missing or damaged.
        """
        return dict(read_checkpoint(self.weights(step)).state)

    def record(self) -> dict[str, Any] | str:
        """Return the entry of the training record."""
        if not self.validation:
            return "the averaged weights after the last step"
        candidates = {f"{step} steps": outcomes.means() for step, outcomes in sorted(self.outcomes.items())}
        return {"by": self.validation.judge, "candidates": candidates}

    def state(self) -> dict[str, Any]:
        """Return the state from which ``restore`` continues."""
        judge = self.validation.judge if self.validation else ""
        outcomes = {step: outcomes._asdict() for step, outcomes in self.outcomes.items()}
        return {"judge": judge, "outcomes": outcomes}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Load what ``state`` returned.

        Raises:
            SpecError: another judge chose among the candidates.
        """
        now = self.validation.judge if self.validation else ""
        if saved["outcomes"] and saved["judge"] != now:
            raise SpecError(
                f"the weights in {self.folder} were judged by {saved['judge']}, not by {now or 'nothing'}; "
                "pass the same --judge, or train into another folder"
            )
        self.outcomes = {step: Outcomes(**columns) for step, columns in saved["outcomes"].items()}

    def _is_close(self, outcomes: Outcomes) -> bool:
        """Whether a candidate's joint success is, within ``CLOSE`` standard errors, that of the best."""
        gain, error = _best(self.outcomes.values()).gain(outcomes)
        return gain <= 0 or gain <= CLOSE * error

    def _has_settled(self, judged: Sequence[int], patience: int) -> bool:
        """Whether the last ``patience`` candidates are no better than those before them."""
        before, recent = judged[:-patience], judged[-patience:]
        if not before:
            return False
        newest = _best(self.outcomes[step] for step in recent)
        gain, error = newest.gain(_best(self.outcomes[step] for step in before))
        return gain <= error


def read_outcomes(folder: Path) -> tuple[dict[int, Outcomes], str]:
    """Return the outcomes of the candidates that a training kept, by step, and what judged them.

    Args:
        folder: Of the training; its candidates may be none.

    Raises:
        CheckpointError: a card is damaged, or another judge judged it than the one before.
    """
    outcomes: dict[int, Outcomes] = {}
    judges = set()
    for card in sorted((folder / CANDIDATES).glob("*.json")):
        record = read_record(card)
        try:
            found = _OUTCOMES.validate_python(record.get("outcomes"))
            outcomes[int(card.stem)] = found
        except ValueError as error:
            raise CheckpointError(f"{card} holds no outcomes of a candidate; remove it: {error}") from error
        if len({len(column) for column in found if column is not None}) != 1 or not found.subjects:
            raise CheckpointError(f"{card} holds outcomes of different numbers of edits; remove it")
        judges.add(str(record.get("judged_by", "")))
    if len(judges) > 1:
        raise CheckpointError(
            f"the candidates in {folder / CANDIDATES} were judged by {' and '.join(sorted(judges))}; "
            "choose with one --judge"
        )
    return outcomes, next(iter(judges), "")


def read_record(card: Path) -> dict[str, Any]:
    """Return the training record in a card.

    Raises:
        CheckpointError: the file cannot be read, or holds none.
    """
    try:
        text = read_limited(card, MAX_CARD_BYTES, "cards are smaller")
        record = json.loads(text)["training"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{card} is no card of a trained model: {error}") from error
    if not isinstance(record, dict):
        raise CheckpointError(f"{card} is no card of a trained model: its training is no record")
    return record


def _best(outcomes: Iterable[Outcomes]) -> Outcomes:
    """Return the outcomes with the largest joint success."""
    return max(outcomes, key=lambda one: float(one.joint.mean()))
