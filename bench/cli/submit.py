"""``bench submit``: the results of a run as one file for a leaderboard."""

from __future__ import annotations

from pathlib import Path

import click

from ..core.plurals import counted
from .completion import complete_runs

EXAMPLES = """
\b
Examples:
  bench submit runs/demo --out demo.submission.json
  bench submit runs/mine --model mymodel --name "MyModel, seed 3" --by "A. Author" --out mine.json
"""


@click.command(epilog=EXAMPLES)
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@click.option("--model", "models", multiple=True, metavar="NAME", help="Only this model, and the controls.")
@click.option("--name", default="", help="What the submission is called.  [default: the run's name]")
@click.option("--by", default="", metavar="TEXT", help="Who submits it.  [default: not stated]")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The file.")
def submit(run: Path, models: tuple[str, ...], name: str, by: str, out: Path) -> None:
    """Write the results of RUN as one JSON file that `bench leaderboard` puts into tables.

    The file holds all numbers of the summary with intervals and counts, the models' cards, digests of
    weights, data and networks, the settings and versions. It holds no image, no path, and no name of a photo.
    """
    from ..api import open_run
    from ..review.submission import write_submission

    submission = write_submission(open_run(run), out, models, name, by)
    for results in submission.results:
        click.echo(
            f"{out}: {counted(len(results.models), 'model')} on {results.dataset}, "
            f"{counted(len(results.cells), 'number')} with intervals and counts"
        )
