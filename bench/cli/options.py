"""Options that several commands share."""

from __future__ import annotations

import re
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from ..core.names import split_names
from .completion import complete_metrics


def parse_duration(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """Return the seconds in a length of time such as ``90s``, ``25m`` or ``1h30m``; None of None."""
    if value is None:
        return None
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", value)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = 3600 * hours + 60 * minutes + seconds
    if not total:
        raise click.BadParameter(f"{value!r} is no length of time; write it as 90s, 25m or 1h30m")
    return float(total)


class Location(click.ParamType):  # type: ignore[type-arg] # generic in later versions of click only
    """A folder of this machine, as a path; or a location on another file system, as its URL."""

    name = "path"

    def convert(
        self, value: str | Path, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Return a text with ``://`` as it is, and any other as a path."""
        return value if isinstance(value, str) and "://" in value else Path(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Let the shell complete folders."""
        return [CompletionItem(incomplete, type="dir")]


def _split(ctx: click.Context, param: click.Parameter, entries: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names in ``a,b`` and in repeated options, each once."""
    parts = (part.strip() for entry in entries for part in entry.split(","))
    names = tuple(dict.fromkeys(part for part in parts if part))
    if entries and not names:
        raise click.BadParameter("it names no metric; `bench metrics list` shows them")
    return names


metric_option = click.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAMES",
    shell_complete=complete_metrics,
    callback=_split,
    help="Metrics or full ids (ecs@face-api), with commas or one by one.  [default: all]",
)
"""Passes ``metrics`` to the command: a tuple of names, empty where the option was not given."""


long_option = click.option(
    "--long", "details", is_flag=True, help="Show all columns whole, on several lines where they need them."
)
"""Passes ``details`` to a command that lists."""


timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a model or a metric that is no part of the suite may take to load, and for each batch.",
)

labels_option = click.option(
    "--labels",
    callback=lambda ctx, param, value: split_names(value or ""),
    metavar="A,B,…",
    help="Expressions of the checkpoint's labels, in the order of its training.",
)
native_size_option = click.option(
    "--native-size", type=click.IntRange(8, 1024), help="Pixels of the images the checkpoint was trained on."
)

repository_option = click.option(
    "--to", "repository", required=True, metavar="USER/NAME", help="The repository; made where there is none."
)
public_option = click.option(
    "--public", is_flag=True, help="A repository that is made can be seen by everybody.  [default: private]"
)
