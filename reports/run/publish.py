"""Writes the tables and grids of a run into its folder, and prints a finished run in the terminal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from fesbench.runs.plan import Plan
from fesbench.runs.progress import SILENT, Listener
from fesbench.runs.results import RunResults
from fesbench.runs.store.store import FAILURES, GRIDS, LOG, REPORT

from ..formats.delimited import csv_text
from ..formats.headline import Headline
from ..formats.terminal import TerminalTable
from .main_tables import lost_edits, main_table, main_tables, reading_notes, times, write_main_tables


def publish(plan: Plan, run: RunResults, listener: Listener = SILENT) -> None:
    """Write ``summary.csv``, the main tables and the grids of a run whose results are written."""
    from .grids import write_grids  # imports matplotlib

    listener.stage("tables and pictures", 2)
    listener.step("tables")
    run.store.write_cells(csv_text(run.summary.cells))
    with run.store.report_folder() as folder:
        written = write_main_tables(run, folder)
        _remove_others(folder, ("table.*", "table-*.tex", "table-*.md", "table-*.csv"), written)
    listener.step("pictures")
    with run.store.grids_folder() as folder:
        written = write_grids(plan, run, folder)
        _remove_others(folder, ("grid.png", "grid-*.png"), written)


def _remove_others(folder: Path, patterns: Iterable[str], written: set[str]) -> None:
    """Remove the files of an earlier state of the run that were not written again."""
    for pattern in patterns:
        for path in folder.glob(pattern):
            if path.name not in written:
                path.unlink()


def show(run: RunResults, console: Console, page: str | None = None) -> None:
    """Print the main measures, what failed, and where to find the rest.

    Args:
        run: The run.
        console: Where it is printed.
        page: The page of its report; None where none was written, which the last lines then suggest.
    """
    record, place = run.record, run.store.place
    for results in run.datasets:
        console.print(Headline(main_table(results), list(reading_notes(results))))
    for name, reason in record.unavailable.items():
        console.print(f"not available: {name}: {reason}", markup=False)
    if record.failed:
        _print_path(console, f"{lost_edits(record.failed)} no output: see {place(FAILURES)}")
    if record.unscored:
        _print_path(console, f"metrics failed {times(record.unscored)}: see {place(LOG)}")
    _print_path(console, f"all domains, intervals and notes: bench runs show {run.location}")
    if page is None:
        _print_path(console, f"figures, and a page to look at the outputs: bench report {run.location}")
    _print_path(console, f"tables for a paper: {place(REPORT)}; images side by side: {place(GRIDS)}")
    if page is not None:
        _print_path(console, f"open this page to look at the outputs: {page}")


def show_tables(run: RunResults, console: Console) -> None:
    """Print the headline measures in all domains, with intervals and notes."""
    for table in main_tables(run):
        console.print(TerminalTable(table))


def show_times(run: RunResults, console: Console) -> None:
    """Print the stages of the run by the time that they took."""
    seconds = sorted(run.record.seconds.items(), key=lambda item: -item[1])
    console.print("time: " + ", ".join(f"{stage} {value:.1f} s" for stage, value in seconds if value > 0.05))


def _print_path(console: Console, text: str) -> None:
    """Print a line with a path in one piece, whatever the width."""
    console.print(text, markup=False, soft_wrap=True)
