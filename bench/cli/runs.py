"""``bench runs``: list and show runs, move one as a single file, and send results to a hub."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from ..core.plurals import counted
from .completion import complete_runs
from .console import make_console
from .options import Location, public_option, repository_option

if TYPE_CHECKING:
    from ..review.overview import Overview


@click.group()
def runs() -> None:
    """List and show runs, move one as a single file, and send results to the Hugging Face hub."""


@runs.command("list", epilog="Example:  bench runs list /data/runs --json")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("runs"))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(folder: Path, as_json: bool) -> None:
    """List the runs in FOLDER (default: runs), the newest first."""
    from ..review.overview import overview

    found = overview(folder)
    if as_json:
        click.echo(json.dumps([entry.to_dict() for entry in found], indent=2, ensure_ascii=False))
        return
    if not found:
        click.echo(f"no runs in {folder}", err=True)
        return
    make_console().print(_table(found))


def _table(found: list[Overview]) -> Table:
    table = Table("run", "when", "status", "models", "data", "headline")
    for entry in found:
        when = datetime.fromtimestamp(entry.changed).strftime("%Y-%m-%d %H:%M")
        models = counted(len(entry.models), "model") if len(entry.models) > 3 else ", ".join(entry.models)
        table.add_row(entry.name, when, entry.status, models, ", ".join(entry.data), entry.headline)
    return table


@runs.command(epilog="Example:  bench runs show runs/demo")
@click.argument("run", type=Location(), shell_complete=complete_runs)
def show(run: Path | str) -> None:
    """Print the headline measures of RUN in all domains, with intervals and notes."""
    from fesbench.reports.run.publish import show_tables

    from ..api import open_run

    show_tables(open_run(run), make_console())


@runs.command("pack", epilog="Example:  bench runs pack runs/demo --out demo.tar.gz")
@click.argument("run", type=Location(), shell_complete=complete_runs)
@click.option("--out", type=click.Path(path_type=Path), help="The archive.  [default: RUN.tar.gz]")
@click.option("--no-images", is_flag=True, help="Leave out all pictures of people. Features stay in.")
def pack_(run: Path | str, out: Path | None, no_images: bool) -> None:
    """Write RUN into one file, for another machine."""
    from ..runs.store.archive import SUFFIX, pack
    from ..runs.store.store import RunStore

    store = RunStore(run)
    beside = (
        run.with_name(run.resolve().name + SUFFIX) if isinstance(run, Path) else Path(store.name + SUFFIX)
    )
    archive = out or beside
    count = pack(store, archive, images=not no_images)
    click.echo(f"{archive}: {counted(count, 'file')}, {archive.stat().st_size / 1e6:.1f} MB")


@runs.command("unpack", epilog="Example:  bench runs unpack demo.tar.gz --out runs/theirs")
@click.argument("archive", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder.  [default: runs/NAME]")
@click.option("--limit-gb", default=50.0, show_default=True, help="Refuse an archive that holds more.")
def unpack_(archive: Path, out: Path | None, limit_gb: float) -> None:
    """Unpack a run and check every file against its recorded digest."""
    from ..runs.store.archive import SUFFIX, unpack

    folder = out or Path("runs") / archive.name.removesuffix(SUFFIX)
    missing = unpack(archive, folder, int(limit_gb * 2**30))
    click.echo(f"{folder}: every file is as it was when the run was finished")
    if missing:
        click.echo(f"left out by whoever packed it: {counted(len(missing), 'file')}, {missing[0]} first")


@runs.command(epilog="Example:  bench runs push runs/demo --to me/fesbench-demo")
@click.argument("run", type=click.Path(path_type=Path), shell_complete=complete_runs)
@repository_option
@click.option(
    "--outputs", is_flag=True, help="Send the models' outputs too, where the data may be passed on."
)
@public_option
def push(run: Path, repository: str, outputs: bool, public: bool) -> None:
    """Send the results of RUN, as a submission and tables, to the Hugging Face hub.

    No photo of a data set is sent. Needs the extra `hub`. The token is that of the hub's own client: `hf auth
    login`, or HF_TOKEN.
    """
    from fesbench.reports.hub import push_run

    from ..api import open_run

    click.echo(push_run(repository, open_run(run), outputs, public))
