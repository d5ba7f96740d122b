"""Gathers what the cards of models and data sets are made of, and makes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fesbench.core.contracts import Dataset
from fesbench.core.errors import BenchError
from fesbench.core.names import safe_name
from fesbench.datasets.overview import overview
from fesbench.datasets.registry import load_dataset
from fesbench.datasets.splits import PARTS
from fesbench.generators.registry import identifying_files, load_model
from fesbench.reports.citations import KEYS, bibtex, bibtex_of_card

from ..cards import data_card, model_card, origin_of
from ..tables.table import Table
from .publish import Published, card_of, provenance

SPEAKING = ("attribution", "copying", "license", "licence", "readme", "terms")
"""How the names of files begin that speak of a data set's licence or origin."""


def card_of_model(reference: str, checkpoint: Path | None = None, run: Published | None = None) -> str:
    """The model card of a registered name, FILE.py:CLASS or outputs:DIR, as Markdown.

    With a run, card and results are those that the run recorded.

    Raises:
        BenchError: there is no such model, or the run has no results of it.
    """
    card = load_model(reference, checkpoint).card
    tables: Sequence[Table] = ()
    if run is not None:
        name = run.record["names"].get(reference, card.name)
        entries = run.record["models"].get(name)
        if not entries:
            known = ", ".join(run.record["models"])
            raise BenchError(
                f"the run in {run.store.location} has no results of {reference}; it has {known or 'none'}"
            )
        card = card_of(next(iter(entries.values()))["card"])
        tables = run.tables
    entry = bibtex(reference) if reference in KEYS else bibtex_of_card(card)
    return model_card(card, _training(reference, checkpoint), tables, entry, provenance(run) if run else "")


def _training(reference: str, checkpoint: Path | None) -> Mapping[str, Any]:
    """The training record of the weights in use; empty where they have none."""
    from fesbench.weights.tensors import read_checkpoint

    weights = [
        path for path in identifying_files(reference, checkpoint).values() if path.suffix == ".safetensors"
    ]
    return read_checkpoint(weights[0]).training if weights else {}


def card_of_data(name_or_path: str, run: Published | None = None) -> str:
    """The data card of a registered, built-in or installed data set, or of a folder, as Markdown.

    Raises:
        BenchError: there is no such data set, or the run has no results on it.
    """
    splits: dict[str, Dataset] = {part: load_dataset(name_or_path, part) for part in PARTS}
    any_split = splits["test"]
    layout = str(getattr(any_split, "layout", ""))
    tables: Sequence[Table] = ()
    if run is not None:
        tables = [table for table in run.tables if table.title == safe_name(any_split.name)]
        if not tables:
            raise BenchError(f"the run in {run.store.location} has no results on {any_split.name}")
    root = getattr(any_split, "root", None)
    entry = bibtex(any_split.name) if any_split.name in KEYS else ""
    origin = origin_of(any_split.name, layout)
    return data_card(overview(splits) | {"layout": layout}, origin, _speaking(root), tables, entry)


def _speaking(root: Path | None) -> list[str]:
    if root is None:
        return []
    return sorted(
        path.name for path in root.iterdir() if path.is_file() and path.name.casefold().startswith(SPEAKING)
    )
