"""``bench robustness``: what misaligned inputs do to the models of a run."""

from __future__ import annotations

from pathlib import Path

import click

from fesbench.datasets.workers import available_cores

from ..runs.progress import shown_progress
from .completion import complete_runs
from .console import make_console


@click.command(epilog="Example:  bench robustness runs/rendered-1a2b && bench report runs/rendered-1a2b")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@click.option(
    "--edits",
    type=click.IntRange(1),
    default=40,
    show_default=True,
    help="Edits of each data set, spread over its domains.",
)
@click.option(
    "--model",
    "allowed",
    multiple=True,
    metavar="FILE.py:CLASS",
    help="A model of the run that may be run although it is a file of code; named as in the run.",
)
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@click.option(
    "--workers", type=click.IntRange(0), default=available_cores, help="Processes that load images."
)
@click.pass_context
def robustness(
    ctx: click.Context, run: Path, edits: int, allowed: tuple[str, ...], device: str, workers: int
) -> None:
    """Shift, scale and turn some inputs of a finished RUN, and score what its models make of them.

    Shifts go up to 8 pixels of the run's resolution, scales from 0.9 to 1.1, turns up to 10 degrees. Results
    lie in RUN/robustness; `bench report RUN` makes tables and curves of them. The same command run again
    continues where it was stopped. Models whose outputs are files take no part, nor do files of code that
    --model does not name. Exit code 1 says that some
    edits have no output.
    """
    from ..api import open_run
    from ..review.robustness import measure_robustness, refused_models

    results = open_run(run)
    for name in refused_models(results.spec, allowed):
        click.echo(
            f"left out: {name} is code that the run names; read it, and allow it with --model {name}",
            err=True,
        )
    with shown_progress(make_console(stderr=True)) as listener:
        lost = measure_robustness(results, edits, device, workers, listener, allowed)
    click.echo(f"bench report {run} makes tables and curves of {run / 'robustness'}")
    ctx.exit(1 if lost else 0)
