"""``bench models``: the generators and their cards."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from ..core.contracts import GeneratorCard
from ..core.errors import BenchError
from ..generators.registry import GENERATORS, load_model
from .completion import complete_models
from .console import make_console, make_list
from .options import labels_option, long_option, native_size_option, public_option, repository_option


@click.group()
def models() -> None:
    """List and show the generators, and send one to the Hugging Face hub."""


@models.command("list", epilog="Example:  bench models list --json")
@long_option
@click.option("--json", "as_json", is_flag=True, help="Print cards as JSON.")
def list_models(details: bool, as_json: bool) -> None:
    """List every generator with its training and weights, a line each unless --long is given."""
    cards = {name: _card(name) for name in GENERATORS.names()}
    if as_json:
        click.echo(json.dumps({name: _as_dict(card) for name, card in cards.items()}, indent=2))
        return
    table = make_list(
        "name", "title", "year", "parameters", "supervision", "trained on", "weights", long=details
    )
    for name, card in cards.items():
        table.add_row(name, *_cells(card))
    make_console().print(table)


def _card(name: str) -> GeneratorCard | str:
    try:
        return load_model(name).card
    except BenchError as error:
        return str(error)


def _as_dict(card: GeneratorCard | str) -> dict[str, object]:
    return {"error": card} if isinstance(card, str) else asdict(card)


def _cells(card: GeneratorCard | str) -> list[str]:
    if isinstance(card, str):
        return [card]
    year, parameters = str(card.year or ""), f"{card.parameters:,}" if card.parameters else ""
    return [card.title, year, parameters, card.supervision, card.trained_on, card.weights]


@models.command(epilog="Example:  bench models show stargan --card --run runs/cfee > stargan.md")
@click.argument("name", shell_complete=complete_models)
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Weights other than the shipped ones.")
@labels_option
@native_size_option
@click.option("--card", "as_card", is_flag=True, help="Print a model card in Markdown.")
@click.option("--run", type=click.Path(path_type=Path), help="With --card: add what this run measured.")
@click.option("--json", "as_json", is_flag=True, help="Print the card as JSON.")
def show(
    name: str,
    checkpoint: Path | None,
    labels: tuple[str, ...],
    native_size: int | None,
    as_card: bool,
    run: Path | None,
    as_json: bool,
) -> None:
    """Show the card of one generator: a name, FILE.py:CLASS or outputs:DIR.

    With --card, a model card with the usual sections: details, intended and out-of-scope use, factors,
    metrics, data, training record, measured results, ethics, caveats, citation.
    """
    from fesbench.reports.run.cards import card_of_model

    from ..api import open_run

    if run and not as_card:
        raise click.UsageError("--run belongs to --card")
    if as_card:
        results = open_run(run) if run else None
        click.echo(card_of_model(name, checkpoint, results, labels, native_size), nl=False)
        return
    card = asdict(load_model(name, checkpoint, expressions=labels, resolution=native_size).card)
    if as_json:
        click.echo(json.dumps(card, indent=2))
        return
    table = Table(show_header=False, box=None)
    for field, value in card.items():
        table.add_row(field, "\n".join(map(str, value)) if isinstance(value, tuple) else str(value))
    make_console().print(table)


@models.command(
    epilog="Example:  bench models push stargan --checkpoint runs/mine/stargan.safetensors --to me/stargan"
)
@click.argument("name", shell_complete=complete_models)
@repository_option
@click.option("--checkpoint", type=click.Path(path_type=Path), help="Weights other than the shipped ones.")
@click.option("--run", type=click.Path(path_type=Path), help="Add what this run measured to the card.")
@public_option
def push(name: str, repository: str, checkpoint: Path | None, run: Path | None, public: bool) -> None:
    """Send the weights of a generator, with a model card, to the Hugging Face hub.

    Needs the extra `hub`. The token is that of the hub's own client: `hf auth login`, or HF_TOKEN.
    """
    from fesbench.reports.hub import push_model

    from ..api import open_run

    click.echo(push_model(repository, name, checkpoint, open_run(run) if run else None, public))
