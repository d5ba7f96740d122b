"""Chooses anew among the candidates that a training kept, without training again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from fesbench.datasets.registry import load_dataset

from ..core.errors import SpecError
from ..generators.checkpoints import save_checkpoint
from ..generators.neural import NeuralGenerator
from ..generators.registry import GENERATORS
from ..runs.store.storage import storage_at
from .checkpoint_selection import CANDIDATES, Selection, Validation, read_outcomes, read_record
from .progress import NoListener, TrainingListener
from .standing import checkpoint_of, training_folders
from .validation import expression_validation


class Choice(NamedTuple):
    """A choice that was made anew.

    Attributes:
        folder: Of the training.
        checkpoint: The file that holds the chosen weights now.
        before: The step of the weights that it held before.
        kept: The step of those that it holds now.
    """

    folder: Path
    checkpoint: Path
    before: int
    kept: int


def choose(folder: Path, judge: str | None = None, listener: TrainingListener | None = None) -> list[Choice]:
    """Choose anew among the kept candidates of each training in a folder, by the rule of this version.

    The checkpoint and its card are written as the training would have written them. Nothing else changes:
    candidates keep the outcomes that they were judged by in training.

    Args:
        folder: Of one training, or of the folders of several.
        judge: Id of an expression metric that judges the candidates anew, on the validation subjects of the
            data set of the training. None takes the outcomes that the candidates' cards hold.
        listener: Receives the paths of the checkpoints.

    Raises:
        SpecError: there are no candidates, or the judge cannot be used; see ``expression_validation``.
        CheckpointError: a candidate or a record is damaged.
        BenchError: a training still holds its folder.
    """
    places = list(training_folders(folder, CANDIDATES))
    if not places:
        raise SpecError(f"nothing to choose from in {folder}: no training in it kept candidates")
    made = []
    for place in places:
        with storage_at(place).lock():
            made.append(_chosen_anew(place, judge))
        (listener or NoListener()).wrote(made[-1].checkpoint)
    return made


def _chosen_anew(folder: Path, judge: str | None) -> Choice:
    checkpoint = checkpoint_of(folder)
    if checkpoint is None:
        raise SpecError(f"{folder} has candidates but no checkpoint; let its training save once")
    record, kind = read_record(checkpoint.with_suffix(".json")), GENERATORS.load(checkpoint.stem)
    if not issubclass(kind, NeuralGenerator):
        raise SpecError(f"{checkpoint} is named like a model without a network")
    selection = _judged(folder, kind, record, judge)
    if selection.chosen is None:
        raise SpecError(f"nothing to choose from in {folder}: its candidates are missing")
    chosen, card = selection.chosen, kind.from_checkpoint(checkpoint).card
    generator = kind.from_checkpoint(selection.weights(chosen))
    guided_by = card.guided_by
    if guided_by is not None:
        guided_by = tuple(dict.fromkeys((*guided_by, *selection.networks)))
    generator.card = replace(generator.card, guided_by=guided_by)
    training = {**record, "selection": selection.record(), "steps": chosen}
    save_checkpoint(generator, checkpoint, training, half=True)
    return Choice(folder, checkpoint, record["steps"], chosen)


def _judged(
    folder: Path, kind: type[NeuralGenerator], record: Mapping[str, Any], judge: str | None
) -> Selection:
    """Return the candidates with their outcomes, those of training or of another judge."""
    outcomes, by = read_outcomes(folder)
    if judge is None:
        selection = Selection(Validation(_refuse_to_judge, by, ()), folder)
        selection.outcomes = outcomes
        return selection
    validation = expression_validation(judge, load_dataset(record["data"], split="val"))
    selection = Selection(validation, folder)
    for step in outcomes:
        selection.outcomes[step] = validation.score(kind.from_checkpoint(selection.weights(step)))
    return selection


def _refuse_to_judge(generator: NeuralGenerator) -> Any:
    raise SpecError("the candidates were judged before")
