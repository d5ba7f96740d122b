"""``bench verify``: recompute digests and scores of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.text import Text

from .completion import complete_runs
from .console import make_console
from .options import Location

STYLES = {"ok": "green", "mismatch": "bold red", "not checked": "yellow"}


@click.command(epilog="Example:  bench verify runs/cfee --all")
@click.argument("run", type=Location(), shell_complete=complete_runs)
@click.option(
    "--all", "everything", is_flag=True, help="Score every stored output again, not one shard of each model."
)
@click.option("--seed", default=0, show_default=True, help="Which shards are drawn.")
@click.option(
    "--tolerance", default=1e-4, show_default=True, help="Largest difference of a score, relative above 1."
)
@click.option("--device", default="cpu", show_default=True, help="A torch device.")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
@click.pass_context
def verify(
    ctx: click.Context,
    run: Path | str,
    everything: bool,
    seed: int,
    tolerance: float,
    device: str,
    as_json: bool,
) -> None:
    """Check that a finished RUN is what it says: files, data, weights, tables, and scores of stored outputs.

    Scores are computed again with the recorded networks. Exit code 1 says that something does not match or
    could not be checked. Tests and ranks are computed again; with --all, FID and KID are too, from the stored
    features and the reference images.
    """
    from ..review.verify import Depth, verify_run
    from ..runs.results import RunResults

    checks = []
    console = make_console()
    for check in verify_run(RunResults.open_unchecked(run), Depth(everything, seed, tolerance, device)):
        checks.append(check)
        if not as_json:
            console.print(
                Text.assemble((f"{check.outcome:12}", STYLES[check.outcome]), check.what, ": ", check.detail)
            )
    if as_json:
        click.echo(json.dumps([check._asdict() for check in checks], indent=2, ensure_ascii=False))
    ctx.exit(0 if all(check.outcome == "ok" for check in checks) else 1)
