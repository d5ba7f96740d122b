"""Link the submissions in Prolific's export (``prolific_export_<study>.csv``) to participants.

Only the participant's id, the status and the time taken are read; age, sex and other columns are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fesbench.core.errors import BenchError

from ...formats.delimited import csv_rows
from ..schema import Rater
from ..storage import pseudonym
from .importers.raw import read_rows

LINKAGE = "linkage.csv"
"""File that identifies participants. It is stored with the key; the analysis does not need it."""
COLUMNS = ("platform_id", "participant", "form_id", "status", "taken_s", "asked", "answered", "excluded")
_ID, _STATUS, _TAKEN = "participant id", "status", "time taken"


def linkage_csv(path: Path, secret: str, raters: Sequence[Rater]) -> str:
    """Return a CSV text with a row for each submission, in the order of the export.

    The columns are ``COLUMNS``. ``excluded`` names the rules that exclude the participant, and is empty if
    there are none. A participant whose answers were not imported has no form.

    Args:
        path: The export.
        secret: The secret of the key, for pseudonyms.
        raters: All participants whose answers were analysed.

    Raises:
        BenchError: the file cannot be read, or has no column of participants.
    """
    rows = [{_plain(name): value.strip() for name, value in row.items()} for row in read_rows(path)]
    if not rows or _ID not in rows[0]:
        raise BenchError(f"{path} has no rows with a column 'Participant id': give Prolific's own export")
    known = {rater.participant: rater for rater in raters}
    return csv_rows([COLUMNS, *(_row(row, pseudonym(secret, row[_ID]), known) for row in rows)])


def _plain(column: str) -> str:
    """Normalise case and separators, which differ between versions of the export."""
    return column.strip().lower().replace("_", " ")


def _row(row: dict[str, str], participant: str, known: dict[str, Rater]) -> list[object]:
    rater = known.get(participant)
    found = (" ".join(rater.forms), rater.asked, rater.answered) if rater else ("", None, 0)
    form, asked, answered = found
    excluded = " ".join(rater.excluded) if rater else ""
    return [
        row[_ID], participant, form, row.get(_STATUS, ""), row.get(_TAKEN, ""), asked, answered, excluded,
    ]  # fmt: skip
