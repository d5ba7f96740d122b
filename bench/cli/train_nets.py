"""``bench train-nets``: train the embedded metric networks."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

from .console import make_console, say


@click.command(
    epilog="Example:  bench train-nets --only judge1,quality --out my-nets --cache rendered-faces",
)
@click.option("--only", default="", metavar="NAMES", help="Names with commas between; all without it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Folder for weights and cards. [default: the package's own]",
)
@click.option(
    "--cache",
    type=click.Path(path_type=Path),
    help="Keep the rendered faces here for the next time (280 MB).",
)
@click.option("--seed", default=0, show_default=True, help="Seed of subjects, photos and training.")
def train_nets(only: str, out: Path | None, cache: Path | None, seed: int) -> None:
    """Train the embedded metric networks on rendered faces and measure them on held-out subjects.

    Nothing but the seed decides the result; the subjects are of the split that no generator sees. Prints what
    each network reaches.
    """
    from ..training.networks import embedded

    names = [name.strip() for name in only.split(",") if name.strip()]
    cards = embedded.train_nets(names, out, cache, seed, say)
    table = Table("network", "parameters", "seconds", "held-out subjects")
    for name, card in cards.items():
        reached = "\n".join(f"{key}: {value}" for key, value in card["reached"].items())
        table.add_row(name, f"{card['parameters']:,}", str(card["seconds"]), reached)
    make_console().print(table)
