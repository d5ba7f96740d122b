"""Output of commands: consoles and messages.

On a terminal, tables take its width; in a file or a pipe, they have a fixed width.
"""

from __future__ import annotations

import os

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

PLAIN_WIDTH = 110
"""Characters in a line of a file or a pipe, unless ``COLUMNS`` is set in the environment."""
_LONGEST = 25
"""Characters of the longest name in a list."""


def make_console(stderr: bool = False) -> Console:
    """Return a console on stdout or stderr."""
    console = Console(stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PLAIN_WIDTH
    return console


def make_list(name: str, *columns: str, long: bool) -> Table:
    """Return a table whose first column is never cut; the others are, to one line a row, if not ``long``."""
    rest = (Column(column, no_wrap=not long, overflow="fold" if long else "ellipsis") for column in columns)
    return Table(Column(name, no_wrap=True, min_width=_LONGEST), *rest, box=SIMPLE_HEAD)


def say(message: str) -> None:
    """Print a message on stderr."""
    click.echo(message, err=True)
