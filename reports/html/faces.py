"""The images at the head of a sheet: the same few edits by every model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import pandas as pd

from fesbench.core.contracts import COPY, TRUTH
from fesbench.core.reasons import FAILED
from fesbench.statistics.measures import OUTPUT

from .data import SheetData

MOST = 5
"""Edits that are shown."""
_ORDER = {COPY: 0, TRUTH: 2}
"""The input comes before the models, the truth behind them."""


@dataclass(frozen=True)
class Face:
    """One image: its address, or why there is none; ``domain`` and ``row`` are its place in the data."""

    domain: int
    row: int
    text: str
    address: str
    lost: str


@dataclass(frozen=True)
class Faces:
    """The images of a sheet.

    Attributes:
        edits: (domain, expression) of each edit.
        models: (place in the manifest, title, image of each edit) of each model.
    """

    edits: Sequence[tuple[str, str]]
    models: Sequence[tuple[int, str, Sequence[Face]]]


def faces_of(data: SheetData) -> Faces:
    """Return the images at the head of a sheet; which ones does not depend on any score."""
    domains, names = list(data.edits), list(data.sheet.cards)
    places = chosen(data.edits)
    lost = _lost(data.sheet.scores)
    models = [
        (names.index(name), data.label(name), [_face(data, name, d, row, lost) for d, row in places])
        for name in sorted(names, key=lambda name: _ORDER.get(name, 1))
    ]
    edits = [(domains[d], str(data.edits[domains[d]]["target"][row])) for d, row in places]
    return Faces(edits, models)


def _face(data: SheetData, model: str, domain: int, row: int, lost: Mapping[tuple[str, str], str]) -> Face:
    name = list(data.edits)[domain]
    edit = data.edits[name].iloc[row]
    address = f"{data.root}/{quote(data.folder(model))}/{quote(data.file_stem(edit['edit']), safe='')}.png"
    text = f"{data.label(model)}: {name}, {edit['target']}"
    return Face(domain, row, text, address, lost.get((model, edit["edit"]), ""))


def chosen(edits: Mapping[str, pd.DataFrame]) -> list[tuple[int, int]]:
    """Return (domain, row) of a few edits: of each domain in turn the one of whose kind least was shown.

    Args:
        edits: Domain to its edits: columns target, subject.
    """
    kinds = [part[["target", "subject"]].astype(str).to_numpy().tolist() for part in edits.values()]
    left = [set(range(len(rows))) for rows in kinds]
    shown: Counter[tuple[int, str]] = Counter()
    found: list[tuple[int, int]] = []
    while len(found) < MOST and any(left):
        for d in [d for d, rows in enumerate(left) if rows][: MOST - len(found)]:
            row = min(left[d], key=lambda row: ([shown[item] for item in enumerate(kinds[d][row])], row))
            left[d].remove(row)
            shown.update(enumerate(kinds[d][row]))
            found.append((d, row))
    return sorted(found)


def _lost(scores: pd.DataFrame) -> dict[tuple[str, str], str]:
    """Return (model, edit) to why there is no output."""
    rows = scores[(scores["metric"] == OUTPUT) & scores["reason"].notna() & (scores["reason"] != "")]
    return {
        (str(model), str(edit)): str(reason).removeprefix(FAILED)
        for model, edit, reason in zip(rows["generator"], rows["edit"], rows["reason"], strict=True)
    }
