"""``bench leaderboard``: a page of tables from submissions and runs."""

from __future__ import annotations

from pathlib import Path

import click

from ..core.plurals import counted
from ..core.version import __version__


@click.command(epilog="Example:  bench leaderboard submissions --out board")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page's folder.")
@click.option("--title", default="Leaderboard", show_default=True, help="The heading of the page.")
def leaderboard(folder: Path, out: Path, title: str) -> None:
    """Make a page from the submissions (JSON files) and runs in FOLDER.

    Models are ranked with each other only where data, edits, settings and the metrics' networks agree: each
    such group has a table of its own. The page says what keeps groups apart, and which files could not be
    used. It opens from disk, or is put on any web server as it is.
    """
    from fesbench.reports.leaderboard import write_leaderboard

    from ..review.leaderboard import read_leaderboard

    board = read_leaderboard(folder)
    page = write_leaderboard(board, out, __version__, title)
    for number, group in enumerate(board.groups, 1):
        click.echo(
            f"table {number}: {group.results.dataset}, {counted(len(group.ranked), 'model')} of "
            f"{counted(len(group.entries), 'submission')}"
        )
    for entry in board.refused:
        click.echo(f"not used: {entry.origin}: {entry.reason}", err=True)
    click.echo(page)
