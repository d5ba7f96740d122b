"""``bench metrics``: list, show and check the metrics."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from pydantic import TypeAdapter
from rich.table import Column, Table

from ..core.contracts import Metric
from ..core.errors import BenchError
from ..metrics.registry import (
    BACKENDS,
    load_metric,
    metric_id,
    metric_names,
    networks_of,
    served_metrics,
)
from .completion import complete_metrics
from .console import make_console, make_list
from .options import long_option

if TYPE_CHECKING:
    from ..testing.golden_scores import Comparison

ARROWS = {"higher": "↑", "lower": "↓"}


@click.group()
def metrics() -> None:
    """List, show and check the metrics.

    A metric's id names its feature extractor (fss@dlib); a plain name (fss) stands for the id that
    `bench run --backend` gives it.
    """


@metrics.command("list", epilog="Example:  bench metrics list --json")
@long_option
@click.option("--json", "as_json", is_flag=True, help="Print cards as JSON.")
def list_metrics(details: bool, as_json: bool) -> None:
    """List every metric, or why it cannot be computed here, a line each unless --long is given."""
    found = {identifier: _try(identifier) for identifier in metric_names()}
    if as_json:
        described = {
            name: {"unavailable": metric} if isinstance(metric, str) else _describe(metric)
            for name, metric in found.items()
        }
        click.echo(json.dumps(described, indent=2, ensure_ascii=False))
        return
    table = make_list("id", "", "range", "unit", "meaning", long=details)
    for identifier, metric in found.items():
        table.add_row(identifier, *_cells(metric))
    make_console().print(table)


def _try(identifier: str) -> Metric | str:
    try:
        return load_metric(identifier)
    except BenchError as error:
        return str(error)


def _cells(metric: Metric | str) -> list[str]:
    if isinstance(metric, str):
        return ["", "", "", f"[yellow]not available:[/] {metric}"]
    card = metric.card
    return [ARROWS[card.direction], f"{card.low:g} … {card.high:g}", card.unit, card.meaning]


@metrics.command(epilog="Example:  bench metrics show fss --backend embedded")
@click.argument("name", shell_complete=complete_metrics)
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="embedded", help="For plain names.")
@click.option("--json", "as_json", is_flag=True, help="Print the cards as JSON.")
def show(name: str, backend: str, as_json: bool) -> None:
    """Show one metric and its feature extractors: an id, or a plain name with --backend.

    Exit code 2 where the metric cannot be computed here, with the reason.
    """
    described = _describe(load_metric(metric_id(name, backend)))
    if as_json:
        click.echo(json.dumps(described, indent=2, ensure_ascii=False))
        return
    table = Table(show_header=False, box=None)
    for field, value in described.items():
        table.add_row(field, _text(value))
    make_console().print(table)


@metrics.command(epilog="Example:  bench metrics check --backend portable")
@click.argument("names", nargs=-1)
@click.option("--backend", type=click.Choice(list(BACKENDS)), default="embedded", help="For plain names.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], backend: str, as_json: bool) -> None:
    """Score five fixed images, and compare the scores with the golden ones.

    NAMES are ids or plain names; none means all of the backend's. Exit code 1 where a score differs or
    none could be computed.
    """
    from ..testing.golden_scores import compare

    found = compare(names or served_metrics(backend), backend)
    if as_json:
        rows = [row._asdict() | {"state": row.state} for row in found.rows]
        outcome = {"same_images": found.same_images, "scores": rows, "unavailable": found.unavailable}
        click.echo(json.dumps(outcome, indent=2, ensure_ascii=False))
    else:
        _show_comparison(found)
    ctx.exit(0 if found.agrees else 1)


def _show_comparison(found: Comparison) -> None:
    table = Table("score", "", "image 1 … 5, or the set", Column("", no_wrap=True), box=None)
    for row in found.rows:
        style = {"ok": "green", "differs": "bold red"}.get(row.state, "yellow")
        verdict = f"[{style}]{row.state}[/]" + (f" {row.difference:.0e}" if row.state == "differs" else "")
        table.add_row(row.score, "known\ngot", f"{_numbers(row.known)}\n{_numbers(row.got)}", verdict)
    console = make_console()
    console.print(table)
    if not found.same_images:
        console.print("The images are not rendered as for the golden scores, so scores may differ.")
    for name, reason in found.unavailable.items():
        console.print(f"not available: {name}: {reason}", markup=False)


def _numbers(values: Sequence[float | None]) -> str:
    return "  ".join("–" if value is None else f"{value:6.4g}" for value in values) or "unknown"


def _describe(metric: Metric) -> dict[str, Any]:
    """Return the metric's card and the cards of its feature extractors, with infinite bounds as null."""
    from ..runs.store.records import MetricRecord

    networks = [dict(vars(network.card)) for network in networks_of(metric)]
    card: dict[str, Any] = json.loads(TypeAdapter(MetricRecord).dump_json(MetricRecord.of(metric.card)))
    return card | {"networks": networks}


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "\n".join(_text(item) for item in value)
    return str(value)
