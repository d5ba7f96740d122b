"""Where trainings in folders stand, read from what they have written so far."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import SpecError
from ..generators.hyperparameters import Settings, changed
from .checkpoint_selection import CANDIDATES, Selection, read_outcomes, read_record
from .log import LOSSES

TAIL = 1 << 16
"""Bytes at the end of the losses that hold the last line."""


class Standing(NamedTuple):
    """Where a training stands.

    Attributes:
        folder: Its folder.
        model: Name of the generator; empty before the first save, and so is all that follows but ``steps``.
        seed: The seed.
        steps: Steps made, those since the last save included.
        end: The last step, as far as the candidates tell now; None without an end.
        settled: Whether the schedule ``plateau`` has found its end; None with another schedule.
        kept: The step of the weights that the checkpoint holds.
        joint: Joint success of these weights on the validation edits; None where nothing was judged.
        error: Their mean absolute error to the true targets, in grey levels.
        seconds: Time taken until the last save.
    """

    folder: Path
    model: str
    seed: int | None
    steps: int
    end: int | None
    settled: bool | None
    kept: int | None
    joint: float | None
    error: float | None
    seconds: float | None


def standings(folder: Path) -> list[Standing]:
    """Return where each training in a folder stands; nothing is written, and a running one is not disturbed.

    Args:
        folder: Of one training, or of the folders of several.

    Raises:
        SpecError: there is no training in it.
        CheckpointError: a record in it is damaged.
    """
    found = [_standing(place) for place in training_folders(folder, LOSSES)]
    if not found:
        raise SpecError(f"no training in {folder}: neither it nor a folder in it has a {LOSSES}")
    return found


def training_folders(folder: Path, name: str) -> Iterator[Path]:
    """Yield the folder and those in it, two levels deep, that hold a file or folder of this name."""
    for place in (folder, *sorted(folder.glob("*/")), *sorted(folder.glob("*/*/"))):
        if (place / name).exists() and place.name != CANDIDATES:
            yield place


def checkpoint_of(folder: Path) -> Path | None:
    """Return the chosen weights of a training; None before its first save.

    Raises:
        SpecError: there are several, so that this is no folder of one training.
    """
    found = sorted(folder.glob("*.safetensors"))
    if len(found) > 1:
        raise SpecError(f"{folder} holds several checkpoints, so it is no folder of one training")
    return found[0] if found else None


def _standing(folder: Path) -> Standing:
    checkpoint, steps = checkpoint_of(folder), _last_step(folder / LOSSES)
    if checkpoint is None:
        return Standing(folder, "", None, steps, None, None, None, None, None, None)
    record = read_record(checkpoint.with_suffix(".json"))
    settings, selection = _settings(record, checkpoint), Selection(None, folder)
    selection.outcomes, _ = read_outcomes(folder)
    end, kept = selection.end(settings), record.get("steps")
    reached = selection.outcomes[kept].means() if kept in selection.outcomes else {}
    return Standing(
        folder,
        checkpoint.stem,
        settings.seed,
        steps,
        end,
        end != settings.steps or steps == end if settings.schedule == "plateau" else None,
        kept,
        reached.get("joint"),
        reached.get("error"),
        record.get("seconds"),
    )


def _settings(record: dict[str, Any], checkpoint: Path) -> Settings:
    return changed(Settings(), record.get("settings", {}), str(checkpoint.with_suffix(".json")))


def _last_step(losses: Path) -> int:
    """Return the step of the last whole line; 0 where there is none yet."""
    with losses.open("rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL))
        whole = file.read().rpartition(b"\n")[0]
    try:
        return int(json.loads(whole.rpartition(b"\n")[2])["step"]) if whole else 0
    except (ValueError, KeyError, TypeError) as error:
        raise SpecError(f"{losses} holds no losses of a training: {error}") from error
