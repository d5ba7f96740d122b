"""The notes of a table, put beside what they concern."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ..tables.table import Note, Table, metric_title

MARKED, GENERAL, METHODS = "Marked in the table", "All numbers", "How the numbers are computed"


def notes_by_subject(table: Table, elsewhere: Collection[str]) -> dict[str, list[Note]]:
    """Return heading to notes: those of cells and rows, of all numbers, of the metrics they name, of methods.

    Args:
        table: The table.
        elsewhere: The texts of notes that are shown elsewhere.
    """
    titles = _titles(table)
    found: dict[str, list[Note]] = {MARKED: [], GENERAL: []}
    methods = []
    for note in table.notes:
        if note.detail:
            methods.append(note)
        elif note.text not in elsewhere:
            named = [title for title in titles.values() if title in note.text]
            heading = MARKED if note.mark else ", ".join(named) or GENERAL
            found.setdefault(heading, []).append(note)
    return {heading: notes for heading, notes in [*found.items(), (METHODS, methods)] if notes}


def notes_of_metrics(table: Table) -> Mapping[str, Sequence[str]]:
    """Return metric to the texts of the notes that name it."""
    texts = [note.text for note in table.notes if not note.mark and not note.detail]
    return {metric: [text for text in texts if title in text] for metric, title in _titles(table).items()}


def _titles(table: Table) -> dict[str, str]:
    return {column.metric: metric_title(column.metric) for column in table.columns}
