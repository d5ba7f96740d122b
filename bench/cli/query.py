"""``bench query``: ask finished runs in SQL."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from .console import make_console
from .options import Location

if TYPE_CHECKING:
    import pandas as pd

EXAMPLES = """
\b
Examples:
  bench query 'SELECT generator, avg(value) FROM scores WHERE metric LIKE $$ecs@%$$ GROUP BY 1' runs/*
  bench query 'SELECT * FROM summary WHERE NOT complete' runs/cfee --csv
\b
Tables, each with a column run first:
  scores    generator dataset domain subject edit source target metric value reason
  failures  generator dataset edit reason
  summary   generator dataset domain metric value low high n_asked n_scored subjects complete method reason …
"""


@click.command(epilog=EXAMPLES)
@click.argument("sql")
@click.argument("runs", nargs=-1, required=True, type=Location())
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@click.option("--json", "form", flag_value="json", help="Print JSON, one object for each row.")
def query(sql: str, runs: tuple[Path | str, ...], form: str | None) -> None:
    """Answer one SQL statement over the results of any number of RUNS, by DuckDB.

    Only reading is possible: the runs are copied into memory, and SQL reaches no file and no network.
    """
    from fesbench.reports.formats.delimited import csv_text

    from ..api import open_run
    from ..review.query import query_runs

    answer = query_runs(sql, [open_run(run) for run in runs])
    if form == "csv":
        click.echo(csv_text(answer), nl=False)
    elif form == "json":
        rows = answer.astype(object).where(answer.notna(), None).to_dict("records")
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False, default=_plain))
    else:
        make_console().print(_table(answer))


def _table(answer: pd.DataFrame) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name, kind in answer.dtypes.items():
        table.add_column(Text(str(name)), justify="right" if kind.kind in "iuf" else "left", overflow="fold")
    for row in answer.itertuples(index=False):
        table.add_row(*(Text(_shown(value)) for value in row))
    return table


def _plain(value: Any) -> object:
    """A value that JSON has no form for, as a list or a text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _shown(value: object) -> str:
    if value is None or str(value) in ("nan", "<NA>", "NaT"):
        return "–"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
