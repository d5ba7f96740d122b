"""Writes a leaderboard: one page without scripts from elsewhere, a table for each group that compares."""

from __future__ import annotations

import shutil
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fesbench.core.errors import BenchError
from fesbench.core.files import write_text
from fesbench.core.plurals import counted
from fesbench.review.leaderboard import Group, Leaderboard, Ranked
from fesbench.runs.spec import canonical_json

from .citations import paper_link
from .html.content import Measured
from .html.templates import rendered, resource
from .html.views import main_views
from .tables.build import TableContext, build_table
from .tables.table import Table

INDEX, CONTENT = "index.html", "leaderboard.json"
ASSETS = ("report.css", "theme.js", "tables.js")
SHORT = 12
"""Hexadecimal digits of a sha256 that are shown."""


@dataclass(frozen=True)
class Origin:
    """Where a row comes from: the names of its submissions, and the paper of its model, if that is known."""

    names: str
    link: str


def write_leaderboard(board: Leaderboard, folder: Path, version: str, title: str = "Leaderboard") -> Path:
    """Write the page; the same bytes for the same submissions.

    Args:
        board: What it shows.
        folder: Where it goes: a folder that is new, empty, or holds an earlier leaderboard.
        version: Of the suite, for the foot of the page.
        title: The heading of the page.

    Returns:
        The path of the page.

    Raises:
        BenchError: the folder holds something else, or cannot be written.
    """
    page = rendered(
        "leaderboard.html",
        title=title,
        groups=[_group(number, group) for number, group in enumerate(board.groups)],
        refused=board.refused,
        version=version,
        counted=counted,
    )
    _clear(folder)
    write_text(folder / CONTENT, canonical_json(_content(board)))
    for name in ASSETS:
        write_text(folder / "assets" / name, resource(f"assets/{name}"))
    write_text(folder / INDEX, page)
    return folder / INDEX


def _clear(folder: Path) -> None:
    """Remove an earlier leaderboard.

    Raises:
        BenchError: the folder holds something else.
    """
    earlier = (folder / CONTENT).is_file()
    if not earlier and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise BenchError(
            f"{folder} holds something that is no leaderboard; choose another --out, or empty it"
        )
    (folder / INDEX).unlink(missing_ok=True)
    shutil.rmtree(folder / "assets", ignore_errors=True)


def _content(board: Leaderboard) -> dict[str, object]:
    """Return the rows of every table as JSON content, for programs."""
    return {
        "groups": [
            {
                "dataset": group.results.dataset,
                "terms": group.results.terms,
                "models": [
                    {"key": row.key, "title": row.title, "submissions": row.names} for row in group.ranked
                ],
                "cells": [_plain(cell) for cell in group.cells.astype(object).to_dict("records")],
            }
            for group in board.groups
        ],
        "refused": [vars(entry) for entry in board.refused],
    }


def _plain(cell: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Return a cell with null in the place of numbers that do not exist."""
    return {str(name): None if value != value else value for name, value in cell.items()}


def _group(number: int, group: Group) -> dict[str, object]:
    """Return what the template needs of a group."""
    results = group.results
    table = group_table(group)
    measured = {
        item.column: Measured(item.column, item.title, "score", item.unit, item.direction)
        for item in results.measures
    }
    return {
        "number": number,
        "dataset": results.dataset,
        "settings": results.settings,
        "edits": results.edits.count,
        "facts": list(_facts(group)),
        "apart": group.apart,
        "views": main_views(table, measured, opens=""),
        "marked": table.has_marks,
        "notes": table.notes,
        "origins": {row.key: _origin(row) for row in group.ranked},
        "entries": group.entries,
        "models": [(group.cards[row.key].title, row) for row in group.ranked if not row.model.card.control],
    }


def group_table(group: Group) -> Table:
    """Return the main table of a group, in which models of all its submissions are ranked."""
    context = TableContext(group.results.dataset, group.measures, group.cards, group.blocks)
    table = build_table(group.cells, context, unfit=group.unfit)
    everywhere = len({entry.submission.name for entry in group.entries})
    return table.with_notes(
        note if len(names) == everywhere else f"{', '.join(names)}: {note}"
        for note, names in group.notes.items()
    )


def _origin(row: Ranked) -> Origin:
    return Origin(", ".join(row.names), paper_link(row.model.card))


def _facts(group: Group) -> Iterator[tuple[str, str]]:
    """Yield what all rows of a table share, and how far versions agree."""
    results = group.results
    yield "digest of the data", results.digest
    yield "training set of closed-form models", f"{results.trained_on.name}, {results.trained_on.protocol}"
    yield "edits", f"{results.edits.count}, sha256 {results.edits.digest[:SHORT]}"
    yield from ((name.replace("_", " "), str(value)) for name, value in results.settings)
    for name, network in results.networks.items():
        yield f"network {name}", f"sha256 {network.weights[:SHORT]}, {network.preprocessing}"
    versions = sorted({str(entry.submission.versions.get("fesbench")) for entry in group.entries})
    yield "fesbench", ", ".join(versions)
