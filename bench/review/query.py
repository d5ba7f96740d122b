"""SQL over the results of any number of runs, in a DuckDB that has access to nothing else.

Everything is copied into memory first; then files, network, extensions and settings are locked, and only one
statement that reads is accepted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

import duckdb
import pandas as pd

from ..core.errors import BenchError
from ..runs.results import RunResults
from ..statistics.comparisons import CELL_COLUMNS

LOCKS = (
    "SET python_enable_replacements = false",
    "SET autoinstall_known_extensions = false",
    "SET autoload_known_extensions = false",
    "SET temp_directory = ''",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
READING = ("SELECT", "EXPLAIN")
FAILURE_COLUMNS = ["generator", "dataset", "edit", "reason"]
NUMBERS = ("value", "low", "high", "n_asked", "n_scored", "subjects", "n_references")


def query_runs(sql: str, runs: Sequence[RunResults]) -> pd.DataFrame:
    """Return the answer to one reading statement over the tables ``scores``, ``failures`` and ``summary``.

    Each table has a column ``run`` beside those of the files ``scores.parquet``, ``failures.jsonl`` and
    ``summary.csv``. A run is called after its folder, or by its path where two folders have one name.

    Raises:
        BenchError: the statement is wrong, does more than read, or a run's files are damaged.
    """
    names = _names(runs)
    with duckdb.connect(":memory:") as connection:
        for table, read in TABLES.items():
            parts = [read(run).assign(run=name) for name, run in zip(names, runs, strict=True)]
            filled = [part for part in parts if len(part)] or parts[:1]
            rows = pd.concat(filled, ignore_index=True)
            connection.register("incoming", rows[["run", *rows.columns.drop("run")]])
            connection.execute(f"CREATE TABLE {table} AS SELECT * FROM incoming")
            connection.unregister("incoming")
        for lock in LOCKS:
            connection.execute(lock)
        return _answer(sql, connection)


def _answer(sql: str, connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type.name not in READING:
            raise BenchError(
                "give exactly one statement that reads, such as SELECT … FROM scores, summary or failures"
            )
        answer: pd.DataFrame = connection.execute(statements[0]).df()
    except duckdb.Error as error:
        raise BenchError(f"the query failed: {error}") from error
    return answer


def _names(runs: Sequence[RunResults]) -> list[str]:
    places = [_place(run.location) for run in runs]
    if len(set(places)) < len(places):
        raise BenchError("a run is given twice; its rows would count twice")
    names = [PurePosixPath(place).name for place in places]
    return places if len(set(names)) < len(names) else names


def _place(location: str) -> str:
    """Return a URL as it is, a folder as its absolute path."""
    return location if "://" in location else Path(location).resolve().as_posix()


def _failures(run: RunResults) -> pd.DataFrame:
    return pd.DataFrame(run.store.read_failures(), columns=FAILURE_COLUMNS, dtype="string")


def _summary(run: RunResults) -> pd.DataFrame:
    cells = run.cells
    numbers = {name: pd.to_numeric(cells[name]).astype("Float64") for name in NUMBERS}
    named = [name for name in CELL_COLUMNS if name not in (*NUMBERS, "complete")]
    texts = {name: cells[name].astype("string") for name in named}
    return cells.assign(**numbers, **texts, complete=cells["complete"].astype(bool))


TABLES: Mapping[str, Callable[[RunResults], pd.DataFrame]] = {
    "scores": lambda run: run.scores,
    "failures": _failures,
    "summary": _summary,
}
"""Name of a table to its rows of one run."""
