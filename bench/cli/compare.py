"""``bench compare``: what two runs differ by, and why; or one table of two runs of different models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table
from rich.text import Text

from ..core.plurals import counted
from .completion import complete_runs
from .console import make_console
from .options import Location

if TYPE_CHECKING:
    import pandas as pd

    from ..review.compare import Comparison
    from ..runs.results import RunResults

DIGITS = 4


@click.command(epilog="Example:  bench compare runs/monday runs/friday")
@click.argument("run_a", type=Location(), shell_complete=complete_runs)
@click.argument("run_b", type=Location(), shell_complete=complete_runs)
@click.option("--all", "everything", is_flag=True, help="Show every domain and column, changed or not.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def compare(run_a: Path | str, run_b: Path | str, everything: bool, as_json: bool) -> None:
    """Compare RUN_B with RUN_A, edit by edit, on the edits that both asked for.

    Shows paired differences (B minus A) with 95% intervals clustered by subject, which cells changed, and
    what the two runs record that can explain it: specification, data, weights, versions, code, device.

    Runs of different models on the same edits, by the same metrics, are shown in one table instead, with
    tests and ranks over all models; --json then prints the summary.
    """
    from ..api import open_run
    from ..review.compare import compare_runs, have_same_models

    before, after = open_run(run_a), open_run(run_b)
    if not have_same_models(before, after):
        _show_merged(before, after, as_json)
        return
    found = compare_runs(before, after)
    if as_json:
        click.echo(json.dumps(found.to_dict(), indent=2, allow_nan=False, ensure_ascii=False))
        return
    console = make_console()
    shown = found.changes if everything else _overview(found)
    if len(shown):
        console.print(_differences(shown))
    for line in _text(found):
        console.print(Text(line), soft_wrap=True)


def _show_merged(first: RunResults, second: RunResults, as_json: bool) -> None:
    from fesbench.reports.run.publish import show_tables

    from ..review.compare import merge_runs

    merged = merge_runs(first, second)
    if as_json:
        click.echo(merged.summary.to_json(), nl=False)
    else:
        show_tables(merged, make_console())


def _overview(found: Comparison) -> pd.DataFrame:
    """Changed cells, each by the mean over all domains, or by its domains where there is no such mean."""
    changed = found.changes[found.changes["n_changed"] > 0]
    means = set(found.changes.loc[found.changes["domain"] == "all", "dataset"])
    of_sets = changed["subjects"] == 0
    return changed[of_sets | (changed["domain"] == "all") | ~changed["dataset"].isin(list(means))]


def _differences(rows: pd.DataFrame) -> Table:
    table = Table(title="B minus A", title_justify="left")
    for name in ("data set", "domain", "metric", "model"):
        table.add_column(name, overflow="fold")
    for name in ("A", "B", "difference", "95% interval", "edits changed"):
        table.add_column(name, justify="right")
    for row in rows.to_dict("records"):
        names = (Text(str(row[key])) for key in ("dataset", "domain", "metric", "generator"))
        numbers = (_number(row[key]) for key in ("before", "after", "difference"))
        interval = f"{_number(row['low'])} … {_number(row['high'])}" if row["low"] == row["low"] else "–"
        table.add_row(*names, *numbers, interval, f"{row['n_changed']} of {row['n_common']}")
    return table


def _number(value: Any) -> str:
    return f"{value:.{DIGITS}f}" if value == value else "–"


def _text(found: Comparison) -> Iterator[str]:
    if found.only != (0, 0):
        yield f"left out: {counted(found.only[0], 'edit')} of a model only in A, {found.only[1]} only in B"
    yield from _uncompared(found)
    cells: dict[tuple[str, ...], list[str]] = {}
    for (dataset, metric, generator), why in found.reasons.items():
        cells.setdefault(why, []).append(f"{generator} on {dataset}, {metric}")
    if not cells:
        yield "no score of a shared edit differs"
    for why, names in cells.items():
        yield f"changed: {'; '.join(names)}"
        yield from (f"    {cause}" for cause in why)
    if not cells and found.causes:
        yield "recorded differences, none of which moved a score:"
        yield from (f"    {cause}" for cause in found.causes)


def _uncompared(found: Comparison) -> Iterator[str]:
    """Name the scores of sets that are of other edits in the two runs."""
    for reason, rows in found.uncompared.groupby("reason"):
        names = rows[["generator", "dataset", "domain", "metric"]].itertuples(index=False, name=None)
        yield f"not compared ({reason}): " + "; ".join(
            f"{generator} on {dataset}, {domain}, {metric}" for generator, dataset, domain, metric in names
        )
