"""Whether models of other people's code give an edit the same output again, whatever else they are asked."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np

from fesbench.datasets.loading import ImageLoader, load_ahead

from ..core.contracts import Edit, Failure, Image
from ..generators.registry import is_foreign
from .models import Cell
from .store.store import RunStore

log = logging.getLogger(__name__)

EDITS = 3
"""Edits that a model is asked for again; more than one, so that one can be asked for alone."""

TOLERANCE = 2
"""Levels of 255 that outputs may differ by: kernels chosen by the size of a batch round differently."""


def repeatability(store: RunStore, cells: Sequence[Cell], loader: ImageLoader) -> dict[str, dict[str, str]]:
    """Ask models for a few outputs of their first shard again, and return how these differ.

    Only models in files and installed packages are asked, each once in a run.

    Args:
        store: The run, whose shards are complete.
        cells: The generators on their data sets.
        loader: Loads the images of edits.

    Returns:
        Generator to data set to a clause, empty where nothing differs; what was recorded before is kept.
    """
    record = store.record
    foreign = {name for asked, name in record.names.items() if is_foreign(asked)}
    found = {name: dict(datasets) for name, datasets in record.varying.items()}
    for cell in cells:
        name, dataset = cell.card.name, cell.dataset.name
        if name in foreign and dataset not in found.get(name, {}):
            found.setdefault(name, {})[dataset] = asked_again(cell, _answered(store, cell), loader)
    return found


def _answered(store: RunStore, cell: Cell) -> list[Edit]:
    """Return the first edits of the first shard that have an output."""
    numbers, name, dataset = cell.dataset.own_shards[:1], cell.card.name, cell.dataset.name
    return [
        edit
        for number in numbers
        for edit in cell.dataset.shards[number]
        if store.has_output(name, dataset, edit.id, number)
    ][:EDITS]


def asked_again(cell: Cell, edits: Sequence[Edit], loader: ImageLoader) -> str:
    """Return how the answers to edits differ when they are asked again and alone, a clause; else nothing."""
    if not edits:
        return ""
    loaded = next(load_ahead(iter([edits]), loader)).edits
    try:
        first, again = (cell.synthesizer.answer(loaded) for _ in range(2))
        alone = cell.synthesizer.answer(loaded[-1:])
    except MemoryError:
        log.warning("%s was not asked again: the memory is full", cell.card.name)
        return ""
    if (levels := _gap(first, again)) > TOLERANCE:
        return f"asked again for the same edits, it gives other outputs (by up to {levels} of 255 levels)"
    if (levels := _gap(first[-1:], alone)) > TOLERANCE:
        return f"asked for an edit alone, it gives another output (by up to {levels} of 255 levels)"
    return ""


def _gap(first: Sequence[Image | Failure], other: Sequence[Image | Failure]) -> int:
    """Return the largest difference of two rows of answers; 255 where one alone has an output or its size."""
    return max(_difference(*pair) for pair in zip(first, other, strict=True))


def _difference(first: Image | Failure, other: Image | Failure) -> int:
    if isinstance(first, Failure) or isinstance(other, Failure):
        return 0 if isinstance(first, Failure) and isinstance(other, Failure) else 255
    if first.shape != other.shape:
        return 255
    return int(np.abs(first.astype(np.int16) - other).max())
