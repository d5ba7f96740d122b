"""Writes the tables and grids of a run into its folder, and prints a finished run in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from fesbench.core.files import write_text
from fesbench.runs.plan import Plan
from fesbench.runs.results import RunResults

from ..formats.delimited import csv_text
from ..formats.terminal import TerminalTable
from .grids import GRIDS, write_grids
from .main_tables import lost_edits, main_tables, times, write_main_tables


def publish(plan: Plan, run: RunResults) -> None:
    """Write ``summary.csv``, the main tables and the grids of a run whose results are written."""
    write_text(run.folder / "summary.csv", csv_text(run.summary.cells))
    tables = write_main_tables(run)
    _remove_others(run.folder / "report", ("table.*", "table-*.tex", "table-*.md", "table-*.csv"), tables)
    grids = write_grids(plan, run)
    _remove_others(run.folder / GRIDS, ("grid.png", "grid-*.png"), grids)


def _remove_others(folder: Path, patterns: Iterable[str], written: set[str]) -> None:
    """Remove the files of an earlier state of the run that were not written again."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.name not in written:
                path.unlink()


def show(run: RunResults, console: Console) -> None:
    """Print the tables, what failed, and where to find the rest."""
    record = run.record
    for table in main_tables(run):
        console.print(TerminalTable(table))
    for name, reason in record.unavailable.items():
        console.print(f"not available: {name}: {reason}", markup=False)
    if record.failed:
        _print_path(console, f"{lost_edits(record.failed)} no output: see {run.folder / 'failures.jsonl'}")
    if record.unscored:
        _print_path(console, f"metrics failed {times(record.unscored)}: see {run.folder / 'run.log'}")
    _print_path(console, f"tables: {run.folder / 'report'}")
    _print_path(console, f"images side by side: {run.folder / GRIDS}")


def show_times(run: RunResults, console: Console) -> None:
    """Print the stages of the run by the time that they took."""
    seconds = sorted(run.record.seconds.items(), key=lambda item: -item[1])
    console.print("time: " + ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds if value > 0.05))


def _print_path(console: Console, text: str) -> None:
    """Print a line with a path in one piece, whatever the width."""
    console.print(text, markup=False, soft_wrap=True)
