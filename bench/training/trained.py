"""The weights that trainings in a folder have made, as models of a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..core.errors import SpecError
from ..generators.cross_trained import SUFFIX
from .checkpoint_selection import read_record
from .log import LOSSES
from .standing import checkpoint_of, training_folders


def trained_models(folder: Path | str) -> dict[str, Path]:
    """Return the models that trainings in a folder have made so far, for ``evaluate``.

    Args:
        folder: Of one training, or of the folders of several.

    Returns:
        ``MODEL.seed-N``, the spec of a model of a run, to its checkpoint, or to the list of those that were
        trained in folds.

    Raises:
        SpecError: no training in it has made weights, or two of one model have the same seed.
        CheckpointError: a card is damaged.
    """
    found: dict[str, Path] = {}
    for path, name in _checkpoints(Path(folder)):
        if name in found:
            raise SpecError(f"{found[name]} and {path} are both {name}; give the folder of one of them")
        found[name] = path
    if not found:
        raise SpecError(f"no training in {folder} has made weights: see `bench train --status {folder}`")
    return found


def _checkpoints(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield each checkpoint, or list of them, with its spec; members of a list are not yielded."""
    lists = sorted({*folder.glob(f"*{SUFFIX}"), *folder.glob(f"*/*{SUFFIX}")})
    for path in lists:
        first = next(filter(None, map(checkpoint_of, sorted(path.parent.glob("fold-*/")))), None)
        if first:
            yield path, _spec(path.name.removesuffix(SUFFIX), first)
    members = {path.parent for path in lists}
    for place in training_folders(folder, LOSSES):
        checkpoint = checkpoint_of(place)
        if checkpoint and place.parent not in members:
            yield checkpoint, _spec(checkpoint.stem, checkpoint)


def _spec(model: str, checkpoint: Path) -> str:
    seed = read_record(checkpoint.with_suffix(".json")).get("settings", {}).get("seed")
    return f"{model}.seed-{seed}"
