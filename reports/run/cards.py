"""Model and data cards, with the results of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fesbench.core.contracts import Dataset
from fesbench.core.errors import BenchError
from fesbench.core.names import safe_name
from fesbench.datasets.folders.folder import FolderDataset
from fesbench.datasets.overview import overview
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.splits import PARTS
from fesbench.generators.registry import identifying_files, load_model
from fesbench.runs.results import RunResults
from fesbench.weights.tensors import read_checkpoint

from ..cards import data_card, model_card, origin_of
from ..citations import DATA, KEYS, bibtex, bibtex_of_card
from ..tables.table import Table
from .main_tables import main_table, main_tables, origin_line

LICENCE_FILES = ("attribution", "copying", "license", "licence", "readme", "terms")
"""Beginnings of the names of files that state a data set's licence or origin."""


def card_of_model(
    reference: str,
    checkpoint: Path | None = None,
    run: RunResults | None = None,
    labels: Sequence[str] = (),
    native_size: int | None = None,
) -> str:
    """Return the model card of a registered name, FILE.py:CLASS or outputs:DIR, as Markdown.

    With a run, card and results are those that the run recorded. ``labels`` and ``native_size`` describe the
    checkpoint; see ``load_model``.

    Raises:
        BenchError: there is no such model, or the run has no results of it.
    """
    card = load_model(reference, checkpoint, expressions=labels, resolution=native_size).card
    tables: Sequence[Table] = ()
    if run is not None:
        entries = run.record.models.get(run.record.names.get(reference, card.name))
        if not entries:
            known = ", ".join(run.record.models)
            raise BenchError(
                f"the run in {run.store.location} has no results of {reference}; it has {known or 'none'}"
            )
        card = next(iter(entries.values())).card
        tables = main_tables(run)
    entry = bibtex(reference) if reference in KEYS else bibtex_of_card(card)
    return model_card(card, _training(reference, checkpoint), tables, entry, origin_line(run) if run else "")


def _training(reference: str, checkpoint: Path | None) -> Mapping[str, Any]:
    """Return the training record of the weights in use; empty where they have none."""
    weights = [
        path for path in identifying_files(reference, checkpoint).values() if path.suffix == ".safetensors"
    ]
    return read_checkpoint(weights[0]).training if weights else {}


def card_of_data(name_or_path: str, run: RunResults | None = None) -> str:
    """Return the data card of a registered, built-in or installed data set, or of a folder, as Markdown.

    Raises:
        BenchError: there is no such data set, or the run has no results on it.
    """
    splits: dict[str, Dataset] = {part: load_dataset(name_or_path, part) for part in PARTS}
    any_split = splits["test"]
    layout = str(getattr(any_split, "layout", ""))
    tables = [main_table(run.dataset(safe_name(any_split.name)))] if run else []
    root = getattr(any_split, "root", None)
    spec = any_split.spec if isinstance(any_split, FolderDataset) else None
    origin = origin_of(any_split.name, layout)
    entry = _citation(any_split.name, layout)
    if spec and spec.licence:
        origin = replace(origin, distribution=spec.licence)
    if spec and spec.citation:
        entry = spec.citation
    return data_card(overview(splits) | {"layout": layout}, origin, _licence_files(root), tables, entry)


def _citation(name: str, layout: str) -> str:
    """Return the entry of a data set that is known by its file names or its name; empty for others."""
    key = "cfee" if layout == "cfee" else name
    return bibtex(key) if key in DATA and (key != "cfee" or layout == "cfee") else ""


def _licence_files(root: Path | None) -> list[str]:
    if root is None:
        return []
    return sorted(
        path.name
        for path in root.iterdir()
        if path.is_file() and path.name.casefold().startswith(LICENCE_FILES)
    )
