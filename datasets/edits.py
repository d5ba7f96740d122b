"""Edits whose ids can name files, whatever the ids of their samples."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from fesbench.core.contracts import Edit, Sample
from fesbench.core.errors import DatasetError
from fesbench.core.names import is_file_name, safe_name, unused_name

LONGEST_ID = 120
"""Of a sample, so that an edit's id still has room for the expression."""


def safe_edits(edits: Sequence[Edit]) -> Sequence[Edit]:
    """Return the same edits, with new ids for samples whose own could not name a file on every file system.

    A new id depends on the old one alone, except where ids differ by nothing but case: the first in order of
    the ids keeps its own.

    Raises:
        DatasetError: two different samples, or two edits, have one id.
    """
    names = _names(sample for edit in edits for sample in (edit.source, edit.truth) if sample)
    renamed = [_renamed(edit, names) for edit in edits] if names else edits
    seen: dict[str, Edit] = {}
    for edit in renamed:
        name = edit.id.casefold()
        if earlier := seen.get(name):
            raise DatasetError(
                f"two edits of the data set are called {earlier.id!r} and {edit.id!r}; an edit needs an id "
                "of its own, even where upper and lower case are the same"
            )
        seen[name] = edit
    return renamed


def _names(samples: Iterable[Sample]) -> dict[str, str]:
    """Return the new ids of samples whose own are not safe, or not unique where case does not count."""
    distinct: dict[str, Sample] = {}
    for sample in samples:
        first = distinct.setdefault(sample.id, sample)
        if first is not sample and first != sample:
            raise DatasetError(
                f"two samples of the data set share the id {sample.id!r}: {distinct[sample.id]} and {sample}"
            )
    names: dict[str, str] = {}
    taken: set[str] = set()
    for identifier in sorted(distinct):
        plain = is_file_name(identifier) and len(identifier) <= LONGEST_ID
        name = unused_name(identifier if plain else safe_name(identifier), ascii(identifier), taken)
        taken.add(name.casefold())
        if name != identifier:
            names[identifier] = name
    return names


def _renamed(edit: Edit, names: dict[str, str]) -> Edit:
    source, truth = edit.source, edit.truth
    if source.id in names:
        source = replace(source, id=names[source.id])
    if truth and truth.id in names:
        truth = replace(truth, id=names[truth.id])
    return replace(edit, source=source, truth=truth)
