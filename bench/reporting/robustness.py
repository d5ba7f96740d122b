"""Reads what ``bench robustness`` measured, and summarises it: scores by how far the inputs were moved."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fesbench.datasets.moves import ALIGNED, MOVES, STILL, Kind, move_of

from ..statistics.breakdown import cells_by
from ..statistics.measures import Measure
from ..store import RunStore, concatenate

FOLDER = "robustness"
"""Where it lies in a run's folder."""
KINDS: Mapping[Kind, str] = {"shift": "shift", "scale": "size", "turn": "rotation"}
"""The kinds of moves, in words."""


def read_robustness(run: RunStore, dataset: str) -> pd.DataFrame:
    """The rows of moved edits of one data set; none where they were not measured, or not to the end."""
    store = RunStore(run.folder / FOLDER)
    if store.record.get("status") != "complete":
        return concatenate([])
    rows = store.read_scores()
    return rows[rows["dataset"] == dataset]


def cells_by_move(rows: pd.DataFrame, measures: Mapping[str, Measure]) -> dict[Kind, pd.DataFrame]:
    """For each kind of move ``CELL_COLUMNS``, the move's label in the place of the domain.

    The least comes first, the aligned input among them; ``amount`` holds what the label says. Columns
    without any score are left out.

    Args:
        rows: What ``read_robustness`` gave.
        measures: Column id to measure, of the columns to summarise.
    """
    if rows.empty:
        return {}
    scored = set(rows.loc[rows["value"].notna(), "metric"])
    known = {name: measure for name, measure in measures.items() if name in scored}
    moves = rows["edit"].map(move_of)
    return {kind: _cells(rows, moves, known, kind) for kind in KINDS}


def _cells(rows: pd.DataFrame, moves: pd.Series, known: Mapping[str, Measure], kind: Kind) -> pd.DataFrame:
    none = STILL[kind]
    amounts = {move.label: none if move == ALIGNED else move.amount for move in MOVES if move.kind == kind}
    amounts |= {ALIGNED.label: none}
    labels = moves.map(lambda move: move.label)
    labelled = rows.assign(move=labels.where(labels.isin(list(amounts))))
    cells = cells_by(labelled, known, "move")
    return cells.assign(amount=cells["domain"].map(amounts)).sort_values("amount", kind="stable")
