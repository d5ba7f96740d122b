"""Reads groups of subjects, such as gender or age, from a CSV file."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from fesbench.core.errors import BenchError
from fesbench.core.names import safe_name
from fesbench.core.plurals import counted
from fesbench.datasets.registry import registrations, subject_table

log = logging.getLogger(__name__)

MOST_GROUPS = 8
"""A column with more different numbers is cut into thirds; one with more different texts is left out."""
MOST_SUBJECTS = 100_000
_NO_NUMBER = ("NA", "N/A", "NaN", "nan", "None", "null", "?", "-")
"""Marks of missing numbers in columns of numbers."""


def read_groups(path: Path) -> pd.DataFrame:
    """Return a column of group names for each division of the subjects, indexed by subject.

    Args:
        path: A CSV file with a header; the column 'subject', or else the first one, names the subject. Ages
            and other numbers are cut into thirds, each called by its ends.

    Raises:
        BenchError: the file cannot be read as that, or names a subject twice.
    """
    try:
        # an empty field is missing, and not a group called None or a subject called NA
        table = pd.read_csv(
            path, dtype=str, nrows=MOST_SUBJECTS, skipinitialspace=True, keep_default_na=False, na_values=[""]
        )
    except (OSError, ValueError) as error:
        raise BenchError(f"{path} cannot be read as a table of subjects: {error}") from error
    table = table.apply(_stripped)
    if table.shape[1] < 2:
        raise BenchError(f"{path} must have a column of subjects and at least one that groups them")
    key = "subject" if "subject" in table else str(table.columns[0])
    table[key] = table[key].str.normalize("NFC")
    if table[key].duplicated().any():
        raise BenchError(f"{path} names the subject {table[key][table[key].duplicated()].iloc[0]!r} twice")
    groups = {str(name): _grouped(column) for name, column in table.set_index(key).items()}
    return pd.DataFrame({name: column for name, column in groups.items() if column is not None})


def unnamed_subjects(groups: pd.DataFrame, subjects: Iterable[str]) -> str:
    """Return how many subjects of runs a table does not name, and the first; empty where it names all.

    Args:
        groups: The return value of ``read_groups``.
        subjects: The subjects of the runs.
    """
    shown = set(subjects)
    missing = sorted(shown - set(groups.index))
    if not missing:
        return ""
    return f"{len(missing)} of {counted(len(shown), 'subject')} of the runs not named, such as {missing[0]}"


def own_groups(references: Iterable[str]) -> dict[str, pd.DataFrame]:
    """Return the groups in the data sets' own tables of subjects, by data set; see ``read_groups``.

    A file that is no such table is left out.

    Args:
        references: Names and folders, as a run's specification gives them.
    """
    found, registered = {}, registrations()
    for reference in references:
        table = subject_table(reference)
        name = reference if reference in registered else Path(reference).expanduser().resolve().name
        if table:
            try:
                found[safe_name(name)] = read_groups(table)
            except BenchError as error:
                log.warning("%s", error)
    return found


def _stripped(column: pd.Series[str]) -> pd.Series[str]:
    """Return cells without spaces around them; a cell of nothing else is missing."""
    plain = column.str.strip()
    return plain.mask(plain == "")


def _grouped(column: pd.Series[str]) -> pd.Series[str] | None:
    """Return the column itself if it has few different values, else thirds of numbers, or None."""
    if column.nunique() <= MOST_GROUPS:
        return column
    numbers = pd.to_numeric(column, errors="coerce")
    if (numbers.isna() & column.notna() & ~column.isin(_NO_NUMBER)).any():
        return None
    thirds = pd.qcut(numbers, 3, labels=False, duplicates="drop")
    ends = {part: numbers[thirds == part].agg(["min", "max"]) for part in sorted(thirds.dropna().unique())}
    return thirds.map({part: f"{pair['min']:g} to {pair['max']:g}" for part, pair in ends.items()})
