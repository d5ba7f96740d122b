"""What a review checked, and comparisons of recorded numbers with those found again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import inf, isclose, isnan
from typing import Any, Literal, NamedTuple

Outcome = Literal["ok", "mismatch", "not checked"]

SHOWN = 3
"""So many differences are described; the others are counted."""

Entry = Mapping[str, Any]
"""A row of a table, or a part of a record, as JSON holds it."""


class Check(NamedTuple):
    """One thing that was checked, the outcome, and the details."""

    what: str
    outcome: Outcome
    detail: str = ""


def compared(what: str, count: int, differing: Sequence[str], noun: str = "numbers") -> Check:
    """Return the check of a comparison of ``count`` numbers, of which some differ."""
    if not differing:
        return Check(what, "ok", f"{count} {noun} agree")
    more = f"; and {len(differing) - SHOWN} more" if len(differing) > SHOWN else ""
    return Check(what, "mismatch", f"{len(differing)} differ: {'; '.join(differing[:SHOWN])}{more}")


def differing_entries(
    recorded: Iterable[Entry], found: Iterable[Entry], keys: Sequence[str], tolerance: float
) -> list[str]:
    """Return descriptions of the entries that only one side has, or in which a value differs.

    Args:
        recorded: Entries as they were recorded.
        found: The same, computed again.
        keys: The fields that identify an entry.
        tolerance: The largest difference of two numbers, relative where they are above 1.
    """
    old, new = ({tuple(row[key] for key in keys): row for row in rows} for rows in (recorded, found))
    return [
        f"{' '.join(map(str, key))}: {text}"
        for key in dict.fromkeys([*old, *new])
        if (text := _difference(old.get(key), new.get(key), tolerance))
    ]


def _difference(recorded: Entry | None, found: Entry | None, tolerance: float) -> str:
    """Describe the first field in which two entries differ; empty where none does."""
    if recorded is None or found is None:
        return "is not recorded" if recorded is None else "is not found again"
    for field in recorded:
        if field in found and not equal_values(recorded[field], found[field], tolerance):
            return f"{field} is {_shown(recorded[field])} in the record, {_shown(found[field])} found"
    return ""


def equal_values(old: Any, new: Any, tolerance: float) -> bool:
    """Return whether two values are equal, numbers up to a tolerance; missing numbers equal each other."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return old.keys() == new.keys() and all(equal_values(old[key], new[key], tolerance) for key in old)
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        pairs = zip(old, new, strict=False)
        return len(old) == len(new) and all(equal_values(*pair, tolerance) for pair in pairs)
    if _is_number(old) and _is_number(new):
        return bool(old == new or isclose(old, new, rel_tol=tolerance, abs_tol=tolerance))
    return (None if _is_missing(old) else old) == (None if _is_missing(new) else new)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and not isnan(value)


def _is_missing(value: Any) -> bool:
    return value is None or value in ("", inf, -inf) or (isinstance(value, float) and isnan(value))


def _shown(value: Any) -> str:
    return f"{value:.6g}" if _is_number(value) else repr(value)
