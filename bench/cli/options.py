"""Options that several commands share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    pass


def parse_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A length of time such as ``90s``, ``25m`` or ``1h30m``, in seconds."""
    if value is None:
        return None
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise click.BadParameter(f"{value!r} is no length of time; write it as 90s, 25m or 1h30m")
    return float(total)


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
