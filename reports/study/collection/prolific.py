"""Link the submissions in Prolific's export (``prolific_export_<study>.csv``) to participants.

Only the participant's id, the status and the time taken are read; age, sex and other columns are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from fesbench.core.errors import BenchError

from ...formats.delimited import csv_rows
from ..schema import Rater
from ..storage import pseudonym
from .importers.tables import Record, read_table

LINKAGE = "linkage.csv"
"""File that identifies participants. It is stored with the key; the analysis does not need it."""
COLUMNS = ("platform_id", "participant", "form_id", "status", "taken_s", "asked", "answered", "excluded")
_ID, _STATUS, _TAKEN = "Participant id", "Status", "Time taken"


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
    records = read_table(path).records
    if not records or _ID not in records[0]:
        raise BenchError(f"{path} has no rows with a column {_ID!r}: give Prolific's own export")
    by_participant = {rater.participant: rater for rater in raters}
    return csv_rows([COLUMNS, *(_row(record, secret, by_participant) for record in records)])


def _row(record: Record, secret: str, raters: Mapping[str, Rater]) -> list[object]:
    participant = pseudonym(secret, record.text(_ID))
    rater = raters.get(participant)
    found = (" ".join(rater.forms), rater.asked, rater.answered) if rater else ("", None, 0)
    form, asked, answered = found
    excluded = " ".join(rater.excluded) if rater else ""
    return [
        record.text(_ID), participant, form, record.text(_STATUS), record.text(_TAKEN), asked, answered,
        excluded,
    ]  # fmt: skip
