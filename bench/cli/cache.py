"""``bench cache``: show and clear what is kept between runs to save time."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from pathlib import Path

import click
from rich.table import Table

from ..core.paths import cache_folder
from .console import make_console


@click.group()
def cache() -> None:
    """Show and clear what is kept between runs.

    Rendered faces, features and landmarks of images, fitted models, the state of image files and the time
    that runs took lie in cache/ of FESBENCH_HOME. All of it is computed again where it is missing; no score
    depends on it. FESBENCH_CACHE_GB limits the rendered faces and the features (2 gigabytes each, 0 keeps
    none).
    """


@cache.command(epilog="Example:  bench cache size --json")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def size(as_json: bool) -> None:
    """Show how much is kept of what, in bytes."""
    kept = {folder.name: _files_and_bytes(folder) for folder in _folders()}
    if as_json:
        found = {name: {"files": files, "bytes": taken} for name, (files, taken) in kept.items()}
        click.echo(json.dumps({"folder": str(cache_folder()), "kept": found}, indent=2))
        return
    table = Table("kept", "files", "MB", title=str(cache_folder()), title_justify="left")
    for name, (files, taken) in kept.items():
        table.add_row(name, str(files), f"{taken / 1e6:.1f}")
    make_console().print(table)


@cache.command(epilog="Example:  bench cache clear")
def clear() -> None:
    """Remove all of it."""
    freed = sum(_files_and_bytes(folder)[1] for folder in _folders())
    for folder in _folders():
        shutil.rmtree(folder, ignore_errors=True)
    click.echo(f"{freed / 1e6:.1f} MB removed from {cache_folder()}", err=True)


def _folders() -> list[Path]:
    root = cache_folder()
    return sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []


def _files_and_bytes(folder: Path) -> tuple[int, int]:
    files, taken = 0, 0
    for path in folder.rglob("*"):
        with suppress(OSError):  # another process may have removed it
            taken += path.stat().st_size if path.is_file() else 0
            files += path.is_file()
    return files, taken
