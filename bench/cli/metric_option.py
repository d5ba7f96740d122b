"""The option ``--metric`` of every command that scores."""

from __future__ import annotations

import click


def _split(ctx: click.Context, param: click.Parameter, entries: tuple[str, ...]) -> tuple[str, ...]:
    """The names in ``a,b`` and in repeated options, each once."""
    names = (name.strip() for entry in entries for name in entry.split(","))
    found = tuple(dict.fromkeys(name for name in names if name))
    if entries and not found:
        raise click.BadParameter("it names no metric; `bench metrics list` shows them")
    return found


metric_option = click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAMES",
    callback=_split,
    help="Metrics or full ids (ecs@face-api), with commas or one by one.  [default: all]",
)
"""Gives ``metrics``, a tuple of names; empty where nothing was asked for."""
