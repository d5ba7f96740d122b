"""``bench report``: what a paper, a poster and a reviewer need of finished runs."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fesbench.reports.formats import FORMATS

from ..core.errors import BenchError
from ..runs.progress import shown_progress
from .completion import complete_runs
from .console import make_console
from .options import Location

if TYPE_CHECKING:
    from fesbench.reports.formats.latex import Width
    from fesbench.reports.run.report import ReportRequest

EXAMPLES = """
\b
Examples:
  bench report runs/rendered-1a2b                       everything, into the run's own report/
  bench report runs/A runs/B --out compared --format html,latex
  bench report runs/london --include-images london      a page that can be moved and shared
  bench report runs/mine --format latex --metric ecs@embedded --domain ood --columns one
  bench report runs/mine --subjects people.csv          scores by gender, age or whatever it says
"""


def _formats(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    """Each name once, in the order given."""
    names = tuple(dict.fromkeys(value.split(",")))
    for name in names:
        if name not in FORMATS:
            raise click.BadParameter(f"{name!r} is no format; there are: {', '.join(FORMATS)}")
    return names


@click.command(epilog=EXAMPLES)
@click.argument(
    "runs",
    nargs=-1,
    required=True,
    type=Location(),
    metavar="RUN...",
    shell_complete=complete_runs,
)
@click.option(
    "--format",
    "formats",
    callback=_formats,
    metavar="NAME,…",
    default=",".join(FORMATS),
    show_default=True,
    help="What to write, separated by commas.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The report's folder.  [default: RUN/report, for one run]"
)
@click.option(
    "--include-images",
    "images",
    multiple=True,
    metavar="DATASET",
    help="Copy the images of a data set into the report; its licence must allow that.",
)
@click.option(
    "--subjects",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A CSV file with a column of subjects and others that group them, for tables by group.  "
    "[default: subjects.csv or info.csv in the data set's folder]",
)
@click.option("--model", "models", multiple=True, metavar="NAME", help="Show only this model in main tables.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="ID", help="Show only this metric, as in ecs@embedded."
)
@click.option("--domain", "domains", multiple=True, metavar="NAME", help="Show only this domain, or ood.")
@click.option(
    "--columns",
    type=click.Choice(["one", "two"]),
    default="two",
    show_default=True,
    help="Fit LaTeX tables to one column of a two-column page, or to both; what is wider is split.",
)
def report(
    runs: tuple[Path | str, ...],
    formats: tuple[str, ...],
    out: Path | None,
    images: tuple[str, ...],
    subjects: Path | None,
    models: tuple[str, ...],
    metrics: tuple[str, ...],
    domains: tuple[str, ...],
    columns: Width,
) -> None:
    """Write tables, figures and an interactive page for one or more finished runs.

    Prints what was written. The page, html/index.html, is opened from disk; without --include-images it
    shows the images in the runs' own folders. Figures show images of rendered faces, and of others only if
    included. --model, --metric and --domain choose what the files of the main tables show.
    """
    from fesbench.reports.run.report import ReportRequest, read_runs, write_reports
    from fesbench.reports.tables.table import Choice

    from ..api import open_run
    from ..runs.store.store import RunStore

    if out is None and len(runs) > 1:
        raise BenchError("several runs make one report: say where it goes with --out")
    stores = list(map(RunStore, runs))
    for run in runs:
        if isinstance(run, str):
            open_run(run)  # an error names the URL, not the copy
    with ExitStack() as opened:
        folders = [opened.enter_context(store.whole_folder()) for store in stores]
        request = ReportRequest(
            read_runs(folders, subjects),
            out or folders[0] / "report",
            frozenset(images),
            choice=Choice(models, metrics, domains),
            columns=columns,
        )
        if out and "html" in formats:
            _check_images(request, runs)
        with shown_progress(make_console(stderr=True)) as listener:
            written = write_reports(request, formats, listener)
    for path in written:
        click.echo(path if out else stores[0].place(path.relative_to(folders[0]).as_posix()))


def _check_images(request: ReportRequest, runs: Sequence[Path | str]) -> None:
    """Check that a page outside of a run on another file system holds the images that it shows.

    Raises:
        BenchError: it would link to files that a browser cannot open.
    """
    for location, run in zip(runs, request.runs, strict=True):
        linked = [name for name in run.results.record.datasets if name not in request.images]
        if isinstance(location, str) and linked:
            raise BenchError(
                f"a page in {request.folder} cannot show images that are in {location}: add "
                f"--include-images {linked[0]}, leave out --out, or choose other formats than html"
            )
