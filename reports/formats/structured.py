"""Tables as JSON, for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from ..tables.table import Table

SCHEMA_VERSION = 1


def json_tables(tables: Sequence[Table]) -> str:
    """JSON text: everything that the tables hold, in full precision; null for what is missing."""
    content = {"schema_version": SCHEMA_VERSION, "tables": [_record(table) for table in tables]}
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _record(table: Table) -> dict[str, object]:
    return asdict(table) | {"notes": [note._asdict() for note in table.notes]}
