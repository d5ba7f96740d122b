"""Files of a finished run that were changed since: found by digest, and removed to be made again."""

from __future__ import annotations

import logging

from ..core.errors import BenchError, SpecError
from ..core.names import file_name
from .plan import Plan
from .results import RunResults
from .store.outputs import output_place, shard_number
from .store.records import REMEDY
from .store.store import IDENTITIES, RECORD, SCORED, SUMMARY, RunStore

log = logging.getLogger(__name__)

UNIQUE = (RECORD, IDENTITIES)
"""Files that cannot be made again from others."""


def altered_files(store: RunStore) -> list[str]:
    """Return the keys of a finished run's files that are missing or changed.

    Runs of earlier versions may have no list of digests; there the tables are read.
    """
    return store.altered_files() if store.read_digests() else _unreadable(store)


def _unreadable(store: RunStore) -> list[str]:
    if store.record.status == "started":
        return []
    found = []
    for key, read in ((SCORED, store.read_scores), (SUMMARY, lambda: RunResults.read(store))):
        try:
            read()
        except SpecError:
            raise
        except BenchError:
            found.append(key)
    return found


def remove_altered(plan: Plan, store: RunStore) -> None:
    """Remove changed files and what rests on them, so that the run makes them again.

    Raises:
        BenchError: a file is changed or missing that cannot be made again.
    """
    altered = altered_files(store)
    for key in UNIQUE:
        if key in altered:
            raise BenchError(f"{store.place(key)} is missing or was changed; {REMEDY}")
    if altered:
        log.warning("changed or missing, made again: %s", ", ".join(altered))
    _remove_parts(altered, plan, store)
    store.remove(altered)


def _remove_parts(altered: list[str], plan: Plan, store: RunStore) -> None:
    """Remove the rows of each shard that has a changed output."""
    shards = {
        (item.name, file_name(edit.id)): number
        for item in plan.datasets
        for number, edits in enumerate(item.shards)
        for edit in edits
    }
    for generator, dataset, name in filter(None, map(output_place, altered)):
        number = shards.get((dataset, name), shard_number(name))
        if number is not None:
            store.parts.remove_rows(generator, dataset, number)
